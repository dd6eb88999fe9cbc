#include "http/server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>

#include "http/stream.h"
#include "util/log.h"
#include "util/strings.h"

namespace fairlead::http {
namespace {

namespace beast = boost::beast;
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
  void BeginStream(int status, const std::string& type, const Headers& headers) override {
    answered_ = streaming_ = true;
    stream_.SetDeadline(timeout_);
    std::string out = StatusLine(status, type);
    for (const auto& [k, v] : headers) out += k + ": " + v + "\r\n";
    ok_ = stream_.WriteAll(out + "transfer-encoding: chunked\r\n\r\n");
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
  size_t unanswered = 0;  // connections that have had no answer yet, or of whose next request bytes have come
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
      ++unanswered;
      std::thread([self = shared_from_this(), l, wake = connections_wake, f = std::move(fd)]() mutable {
        bool answered = false;
        self->Serve(std::move(f), *l, *wake, answered);
        std::lock_guard done(self->mutex);
        --self->connections;
        if (!answered) --self->unanswered;
        self->changed.notify_all();
      }).detach();
    }
  }

  void Serve(UniqueFd fd, Listener& l, WakeFd& wake, bool& answered) {
    Stream stream(std::move(fd), wake.fd(), l.is_unix);
    if (l.tls && !stream.Accept(l.tls.get()).ok()) return;
    Peer peer = stream.PeerInfo();
    beast::flat_buffer buffer;
    while (true) {
      stream.SetDeadline(options.idle_timeout);
      if (buffer.size() == 0 && !stream.WaitForBytes()) return;
      if (answered) {
        std::lock_guard lock(mutex);
        if (paused) return;  // whoever sent it sees that nobody has read it, and asks again
        ++unanswered;
        answered = false;
      }
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
      if (!Answer(stream, wake, parser.release(), peer, answered)) return;
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

  bool Answer(Stream& stream, WakeFd& wake, beast::http::request<beast::http::string_body> in, const Peer& peer,
              bool& answered) {
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
    --unanswered;
    answered = true;
    changed.notify_all();
    return keep && writer.ok() && !stopped && !paused;
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

bool Server::WaitForAnswers(std::chrono::milliseconds timeout) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, timeout, [&] { return state_->unanswered == 0; });
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
  if (!fd.valid()) return ErrnoError("making a socket to listen on " + host + ":" + std::to_string(port), errno);
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
