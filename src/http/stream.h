// A connection with deadlines, plain or TLS, that Beast can read from and write to. Inside this module only: it brings
// the headers of Boost and OpenSSL.
#pragma once
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "http/message.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/unix_socket.h"

namespace fairlead::http {

using boost::system::error_code;

struct SslFree {
  void operator()(SSL* s) const { SSL_free(s); }
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};
using SslCtx = std::unique_ptr<SSL_CTX, SslFree>;

// Every wait ends at the deadline, and at once when `wake_fd` becomes readable.
class Stream {
 public:
  Stream(UniqueFd fd, int wake_fd, bool is_unix);

  Status Accept(SSL_CTX* ctx);
  // The client's side. `host`: the name that the certificate must be for, "" for any. Within the deadline that is set.
  Status Connect(SSL_CTX* ctx, const std::string& host);
  Peer PeerInfo() const;

  void SetDeadline(std::chrono::milliseconds from_now) { deadline_ = SteadyNow() + from_now; }
  SteadyTime deadline() const { return deadline_; }
  int ExchangeWake(int fd) { return std::exchange(wake_fd_, fd); }
  int fd() const { return fd_.get(); }
  std::vector<UniqueFd> TakeFds() { return std::exchange(fds_, {}); }

  // Waits for the first byte of the next message. False: closed, idle for too long, or stopping.
  bool WaitForBytes();
  bool PeerClosed() const;
  size_t Read(char* data, size_t size, error_code& ec);
  bool WriteAll(std::string_view bytes);

  template <class Buffers>
  size_t read_some(const Buffers& buffers, error_code& ec) {
    auto b = *boost::asio::buffer_sequence_begin(buffers);
    return Read(static_cast<char*>(b.data()), b.size(), ec);
  }
  template <class Buffers>
  size_t read_some(const Buffers& buffers) {
    error_code ec;
    return read_some(buffers, ec);
  }

 private:
  bool Wait(short events);
  bool WaitSsl(int rc);  // false: it cannot go on, and ssl_error_ says why

  UniqueFd fd_;
  int wake_fd_;
  bool unix_;
  std::unique_ptr<SSL, SslFree> ssl_;
  const char* ssl_error_ = "";
  SteadyTime deadline_{};
  std::vector<UniqueFd> fds_;
};

}  // namespace fairlead::http
