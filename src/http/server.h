// An HTTP/1.1 server over TCP, TLS and Unix sockets: one thread a connection, every read and write with a deadline,
// sizes limited. Descriptors sent with a request on a Unix socket reach the handler.
//
// Threading: the handler runs on many threads at once. Ownership: the server owns listeners and connections. Failure: a
// broken or slow peer costs its own connection only.
#pragma once
#include <functional>

#include "http/message.h"

namespace fairlead::http {

struct ServerOptions {
  size_t max_header_bytes = 64u << 10;
  size_t max_body_bytes = 8u << 20;                  // more is answered with 413
  std::chrono::milliseconds request_timeout{30000};  // from the first byte of a request to its last
  std::chrono::milliseconds idle_timeout{120000};
  std::chrono::milliseconds write_timeout{30000};
  size_t max_connections = 4096;
};

// PEM texts. With a client CA, clients may present a certificate; one that the CA did not sign ends the handshake.
struct TlsIdentity {
  std::string certificate, key, client_ca;
};

// How a handler answers: once with Send, or with BeginStream and then Write until it returns false.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  virtual void Send(int status, const std::string& content_type, std::string body, const Headers& headers = {}) = 0;
  virtual void BeginStream(int status, const std::string& content_type, const Headers& headers = {}) = 0;
  virtual bool Write(std::string_view bytes) = 0;  // false: the client is gone
  virtual bool ClientGone() = 0;                   // looks, does not wait
  virtual int wake_fd() const = 0;                 // readable when the server stops
};

using Handler = std::function<void(Request&, ResponseWriter&)>;

class Server {
 public:
  Server(ServerOptions options, Handler handler);
  ~Server();
  Server(const Server&) = delete;

  // Serves `listener` from now on (TLS when an identity is given).
  Status AddListener(UniqueFd listener, const TlsIdentity* tls = nullptr);
  // Stops accepting, and answers what was accepted; connections end with their answer. The listeners stay open. Resume
  // undoes it.
  void Pause();
  // After Pause: waits until each connection has its answer. false: after `timeout` one still had none.
  bool WaitForAnswers(std::chrono::milliseconds timeout);
  void Resume();
  // Closes every listener and every connection at once and forgets them.
  void DropListeners();
  // Ends accepting, lets requests in progress run for up to `grace`, then closes.
  void Stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// A TCP listener on host:port (port 0: any free one). The caller's network namespace is the listener's.
Result<UniqueFd> ListenTcp(const std::string& host, uint16_t port);
uint16_t LocalPort(int fd);

}  // namespace fairlead::http
