#include "http/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>

#include "util/clock.h"
#include "util/log.h"
#include "util/strings.h"

namespace fairlead::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;

struct SslFree {
  void operator()(SSL* s) const { SSL_free(s); }
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};
using SslCtx = std::unique_ptr<SSL_CTX, SslFree>;

// A connection with deadlines that Beast can read from and write to.
class Stream {
 public:
  Stream(UniqueFd fd, int wake_fd, bool is_unix) : fd_(std::move(fd)), wake_fd_(wake_fd), unix_(is_unix) {
    ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  }

  Status Handshake(SSL_CTX* ctx) {
    ssl_.reset(SSL_new(ctx));
    SSL_set_fd(ssl_.get(), fd_.get());
    deadline_ = SteadyNow() + std::chrono::seconds(10);
    while (true) {
      int rc = SSL_accept(ssl_.get());
      if (rc == 1) return {};
      if (!WaitSsl(rc)) return MakeError(Code::kUnavailable, "TLS handshake failed");
    }
  }

  Peer PeerInfo() const {
    Peer peer;
    if (unix_)
      if (auto c = GetPeerCredentials(fd_.get()); c.ok()) peer.unix_credentials = *c;
    if (!ssl_) return peer;
    X509* cert = SSL_get1_peer_certificate(ssl_.get());
    if (!cert) return peer;
    X509_NAME* name = X509_get_subject_name(cert);
    for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
      X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
      ASN1_STRING* data = X509_NAME_ENTRY_get_data(entry);
      std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(data)),
                       static_cast<size_t>(ASN1_STRING_length(data)));
      int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
      if (nid == NID_commonName) peer.cert_common_name = text;
      if (nid == NID_organizationName) peer.cert_organizations.push_back(text);
    }
    X509_free(cert);
    return peer;
  }

  void SetDeadline(std::chrono::milliseconds from_now) { deadline_ = SteadyNow() + from_now; }
  int ExchangeWake(int fd) { return std::exchange(wake_fd_, fd); }
  int fd() const { return fd_.get(); }
  std::vector<UniqueFd> TakeFds() { return std::exchange(fds_, {}); }

  // Waits for the first byte of the next request. False: closed, idle for too long, or stopping.
  bool WaitForRequest() {
    if (ssl_ && SSL_pending(ssl_.get()) > 0) return true;
    return Wait(POLLIN);
  }

  bool PeerClosed() {
    pollfd p{fd_.get(), POLLRDHUP, 0};
    return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
  }

  template <class Buffers>
  size_t read_some(const Buffers& buffers, error_code& ec) {
    auto b = *boost::asio::buffer_sequence_begin(buffers);
    ec = {};
    while (true) {
      if (ssl_) {
        int n = SSL_read(ssl_.get(), b.data(), static_cast<int>(b.size()));
        if (n > 0) return static_cast<size_t>(n);
        if (!WaitSsl(n)) return Fail(ec);
        continue;
      }
      if (!Wait(POLLIN)) return Fail(ec);
      if (unix_) {
        auto got = ReceiveWithFds(fd_.get(), b.size());
        if (!got.ok() && got.error().sys_errno == EAGAIN) continue;
        if (!got.ok() || got->bytes.empty()) return Fail(ec);
        memcpy(b.data(), got->bytes.data(), got->bytes.size());
        for (auto& fd : got->fds)
          if (fds_.size() < 16) fds_.push_back(std::move(fd));
        return got->bytes.size();
      }
      ssize_t n = ::recv(fd_.get(), b.data(), b.size(), 0);
      if (n > 0) return static_cast<size_t>(n);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      return Fail(ec);
    }
  }
  template <class Buffers>
  size_t read_some(const Buffers& buffers) {
    error_code ec;
    return read_some(buffers, ec);
  }

  bool WriteAll(std::string_view bytes) {
    while (!bytes.empty()) {
      if (ssl_) {
        int n = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20)));
        if (n > 0)
          bytes.remove_prefix(static_cast<size_t>(n));
        else if (!WaitSsl(n))
          return false;
        continue;
      }
      ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0)
        bytes.remove_prefix(static_cast<size_t>(n));
      else if (errno != EINTR && (errno != EAGAIN || !Wait(POLLOUT)))
        return false;
    }
    return true;
  }

 private:
  static size_t Fail(error_code& ec) {
    ec = boost::asio::error::make_error_code(boost::asio::error::connection_aborted);
    return 0;
  }
  bool Wait(short events) {
    auto left = std::chrono::duration_cast<Millis>(deadline_ - SteadyNow());
    return left.count() > 0 && WaitFd(fd_.get(), events, left, wake_fd_).ok();
  }
  bool WaitSsl(int rc) {
    int why = SSL_get_error(ssl_.get(), rc);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ) return Wait(POLLIN);
    if (why == SSL_ERROR_WANT_WRITE) return Wait(POLLOUT);
    return false;
  }

  UniqueFd fd_;
  int wake_fd_;
  bool unix_;
  std::unique_ptr<SSL, SslFree> ssl_;
  SteadyTime deadline_{};
  std::vector<UniqueFd> fds_;
};

const char* Phrase(int status) {
  auto v = beast::http::obsolete_reason(beast::http::int_to_status(static_cast<unsigned>(status)));
  return v.empty() ? "Status" : v.data();
}

class Writer : public ResponseWriter {
 public:
  Writer(Stream& stream, int wake_fd, std::chrono::milliseconds timeout, bool head, bool keep_alive)
      : stream_(stream), wake_fd_(wake_fd), timeout_(timeout), head_(head), keep_alive_(keep_alive) {}

  void Send(int status, const std::string& type, std::string body, const Headers& headers) override {
    answered_ = true;
    std::string out = StatusLine(status, type);
    for (const auto& [k, v] : headers) out += k + ": " + v + "\r\n";
    out += "content-length: " + std::to_string(body.size()) + "\r\n\r\n";
    if (!head_) out += body;
    int wake = stream_.ExchangeWake(-1);  // an answer that has begun is finished
    stream_.SetDeadline(timeout_);
    ok_ = stream_.WriteAll(out);
    stream_.ExchangeWake(wake);
  }
  void BeginStream(int status, const std::string& type) override {
    answered_ = streaming_ = true;
    stream_.SetDeadline(timeout_);
    ok_ = stream_.WriteAll(StatusLine(status, type) + "transfer-encoding: chunked\r\n\r\n");
  }
  bool Write(std::string_view bytes) override {
    if (bytes.empty()) return ok_;
    char size[32];
    snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    stream_.SetDeadline(timeout_);
    return ok_ = ok_ && stream_.WriteAll(size + std::string(bytes) + "\r\n");
  }
  bool ClientGone() override { return !ok_ || stream_.PeerClosed(); }
  int wake_fd() const override { return wake_fd_; }

  void Finish() {
    if (!answered_) Send(500, "text/plain", "no answer\n", {});
    if (streaming_ && ok_) ok_ = stream_.WriteAll("0\r\n\r\n");
  }
  bool ok() const { return ok_; }

 private:
  std::string StatusLine(int status, const std::string& type) const {
    return "HTTP/1.1 " + std::to_string(status) + " " + Phrase(status) + "\r\ncontent-type: " + type +
           "\r\ncache-control: no-cache, private\r\n" + (keep_alive_ ? "" : "connection: close\r\n");
  }
  Stream& stream_;
  int wake_fd_;
  std::chrono::milliseconds timeout_;
  bool head_, keep_alive_, answered_ = false, streaming_ = false, ok_ = true;
};

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
  struct Listener {
    UniqueFd fd;
    SslCtx tls;
    bool is_unix = false;
    WakeFd wake;
    std::thread thread;
  };

  ServerOptions options;
  Handler handler;
  std::mutex mutex;  // guards everything below
  std::condition_variable changed;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::shared_ptr<WakeFd> connections_wake = std::make_shared<WakeFd>();
  size_t connections = 0, busy = 0;
  bool paused = false, stopped = false;

  void AcceptLoop(std::shared_ptr<Listener> l) {
    while (true) {
      if (auto ready = WaitFd(l->fd.get(), POLLIN, std::chrono::hours(1), l->wake.fd()); !ready.ok()) {
        if (ready.error().code == Code::kDeadlineExceeded) continue;
        return;
      }
      UniqueFd fd(::accept4(l->fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.valid()) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) std::this_thread::sleep_for(Millis(20));
        continue;
      }
      int one = 1;
      if (!l->is_unix) ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      std::lock_guard lock(mutex);
      if (stopped || connections >= options.max_connections) continue;
      ++connections;
      std::thread([self = shared_from_this(), l, wake = connections_wake, f = std::move(fd)]() mutable {
        self->Serve(std::move(f), *l, *wake);
        std::lock_guard done(self->mutex);
        --self->connections;
        self->changed.notify_all();
      }).detach();
    }
  }

  void Serve(UniqueFd fd, Listener& l, WakeFd& wake) {
    Stream stream(std::move(fd), wake.fd(), l.is_unix);
    if (l.tls && !stream.Handshake(l.tls.get()).ok()) return;
    Peer peer = stream.PeerInfo();
    beast::flat_buffer buffer;
    while (true) {
      stream.SetDeadline(options.idle_timeout);
      if (buffer.size() == 0 && !stream.WaitForRequest()) return;
      stream.SetDeadline(options.request_timeout);
      beast::http::request_parser<beast::http::string_body> parser;
      parser.header_limit(static_cast<uint32_t>(options.max_header_bytes));
      parser.body_limit(options.max_body_bytes);
      error_code ec;
      beast::http::read_header(stream, buffer, parser, ec);
      if (!ec && parser.get()[beast::http::field::expect] == "100-continue")
        stream.WriteAll("HTTP/1.1 100 Continue\r\n\r\n");
      if (!ec) beast::http::read(stream, buffer, parser, ec);
      if (ec) {
        if (ec != boost::asio::error::connection_aborted) RefuseBadRequest(stream, ec);
        return;
      }
      if (!Answer(stream, wake, parser.release(), peer)) return;
    }
  }

  void RefuseBadRequest(Stream& stream, error_code ec) {
    bool large = ec == beast::http::error::body_limit || ec == beast::http::error::header_limit ||
                 ec == beast::http::error::buffer_overflow;
    Writer w(stream, -1, options.write_timeout, false, false);
    w.Send(large ? 413 : 400, "text/plain", large ? "request too large\n" : "malformed request: " + ec.message() + "\n",
           {});
    // Reads what the peer still sends for a moment, or it would see a reset instead of the answer.
    stream.SetDeadline(Millis(1000));
    char sink[65536];
    for (size_t total = 0; total < (256u << 20);) {
      size_t n = stream.read_some(boost::asio::buffer(sink), ec);
      if (ec) break;
      total += n;
    }
  }

  bool Answer(Stream& stream, WakeFd& wake, beast::http::request<beast::http::string_body> in, const Peer& peer) {
    Request req;
    req.method = std::string(in.method_string());
    ParseTarget(std::string_view(in.target().data(), in.target().size()), req);
    for (const auto& field : in)
      req.headers[ToLower(std::string_view(field.name_string().data(), field.name_string().size()))] =
          std::string(field.value());
    req.body = std::move(in.body());
    req.peer = peer;
    req.fds = stream.TakeFds();
    bool keep = in.keep_alive();
    Writer writer(stream, wake.fd(), options.write_timeout, req.method == "HEAD", keep);
    {
      std::lock_guard lock(mutex);
      ++busy;
    }
    handler(req, writer);
    writer.Finish();
    std::lock_guard lock(mutex);
    --busy;
    changed.notify_all();
    return keep && writer.ok() && !stopped;
  }

  // Ends the accepting threads; the listeners stay open.
  void StopAccepting() {
    std::vector<std::shared_ptr<Listener>> all;
    {
      std::lock_guard lock(mutex);
      all = listeners;
    }
    for (auto& l : all) {
      l->wake.Wake();
      if (l->thread.joinable()) l->thread.join();
    }
  }
};

Server::Server(ServerOptions options, Handler handler) : state_(std::make_shared<State>()) {
  state_->options = options;
  state_->handler = std::move(handler);
}

Server::~Server() { Stop(); }

Status Server::AddListener(UniqueFd fd, const TlsIdentity* tls) {
  auto l = std::make_shared<State::Listener>();
  sockaddr_storage addr{};
  socklen_t len = sizeof addr;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&addr), &len);
  l->is_unix = addr.ss_family == AF_UNIX;
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  l->fd = std::move(fd);
  if (tls) {
    l->tls.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_min_proto_version(l->tls.get(), TLS1_2_VERSION);
    auto load = [](const std::string& pem) { return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())); };
    BIO* cb = load(tls->certificate);
    X509* cert = PEM_read_bio_X509(cb, nullptr, nullptr, nullptr);
    BIO_free(cb);
    BIO* kb = load(tls->key);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(kb, nullptr, nullptr, nullptr);
    BIO_free(kb);
    bool ok = cert && key && SSL_CTX_use_certificate(l->tls.get(), cert) == 1 &&
              SSL_CTX_use_PrivateKey(l->tls.get(), key) == 1;
    X509_free(cert);
    EVP_PKEY_free(key);
    if (!ok)
      return MakeError(Code::kInvalid, "the server's TLS certificate and key do not load or do not belong together");
    if (!tls->client_ca.empty()) {
      BIO* ab = load(tls->client_ca);
      X509* ca = PEM_read_bio_X509(ab, nullptr, nullptr, nullptr);
      BIO_free(ab);
      if (!ca) return MakeError(Code::kInvalid, "the client CA certificate does not load");
      X509_STORE_add_cert(SSL_CTX_get_cert_store(l->tls.get()), ca);
      SSL_CTX_add_client_CA(l->tls.get(), ca);
      X509_free(ca);
      SSL_CTX_set_verify(l->tls.get(), SSL_VERIFY_PEER, nullptr);
      // Without a context of its own, a resumed session of a server that asks for certificates is refused.
      SSL_CTX_set_session_id_context(l->tls.get(), reinterpret_cast<const unsigned char*>("fairlead"), 8);
    }
  }
  std::lock_guard lock(state_->mutex);
  state_->listeners.push_back(l);
  if (!state_->paused) l->thread = std::thread([s = state_, l] { s->AcceptLoop(l); });
  return {};
}

void Server::Pause() {
  {
    std::lock_guard lock(state_->mutex);
    if (std::exchange(state_->paused, true)) return;
  }
  state_->StopAccepting();
}

void Server::Resume() {
  std::lock_guard lock(state_->mutex);
  if (!std::exchange(state_->paused, false)) return;
  for (auto& old : state_->listeners) {
    auto l = std::make_shared<State::Listener>();
    l->fd = std::move(old->fd);
    l->tls = std::move(old->tls);
    l->is_unix = old->is_unix;
    l->thread = std::thread([s = state_, l] { s->AcceptLoop(l); });
    old = l;
  }
}

void Server::DropListeners() {
  state_->StopAccepting();
  std::lock_guard lock(state_->mutex);
  for (auto& l : state_->listeners) l->fd.reset();  // connections still hold the listener's TLS context
  state_->listeners.clear();
  state_->connections_wake->Wake();
  state_->connections_wake = std::make_shared<WakeFd>();
}

void Server::Stop(std::chrono::milliseconds grace) {
  state_->StopAccepting();
  std::unique_lock lock(state_->mutex);
  state_->stopped = true;
  for (auto& l : state_->listeners) l->fd.reset();
  state_->listeners.clear();
  if (grace.count() > 0) state_->changed.wait_for(lock, grace, [&] { return state_->busy == 0; });
  state_->connections_wake->Wake();
  state_->changed.wait_for(lock, std::chrono::seconds(5), [&] { return state_->connections == 0; });
}

Result<UniqueFd> ListenTcp(const std::string& host, uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError("socket", errno);
  int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in addr{};
  addr.sin_family = AF_INET;
  addr.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &addr.sin_addr) != 1)
    return MakeError(Code::kInvalid, "\"" + host + "\" is not an IPv4 address");
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&addr), sizeof addr) != 0 || ::listen(fd.get(), 1024) != 0)
    return ErrnoError("listening on " + host + ":" + std::to_string(port), errno);
  return fd;
}

uint16_t LocalPort(int fd) {
  sockaddr_in addr{};
  socklen_t len = sizeof addr;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&addr), &len);
  return ntohs(addr.sin_port);
}

}  // namespace fairlead::http
