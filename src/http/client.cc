#include "http/client.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "http/stream.h"
#include "util/strings.h"

namespace fairlead::http {
namespace {

namespace beast = boost::beast;

constexpr size_t kMaxAnswer = 256u << 20;
constexpr Millis kConnectTimeout{5000};

// https://10.96.0.1:443 -> what to connect to.
struct Address {
  bool tls = false;
  std::string host, port;
  std::string prefix;  // a path that the base URL has
};

Result<Address> ParseUrl(const std::string& url) {
  Address a;
  size_t scheme = url.find("://");
  a.tls = url.starts_with("https://");
  if (scheme == url.npos || (!a.tls && !url.starts_with("http://")))
    return MakeError(Code::kInvalid, "\"" + url + "\" is not a URL of the form https://HOST:PORT");
  std::string rest = url.substr(scheme + 3);
  if (size_t slash = rest.find('/'); slash != rest.npos) {
    a.prefix = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  size_t close = rest.find(']'), colon = rest.find(':', close == rest.npos ? 0 : close);
  a.port = colon == rest.npos ? (a.tls ? "443" : "80") : rest.substr(colon + 1);
  a.host = rest.substr(0, colon);
  if (a.host.starts_with('[') && a.host.ends_with(']')) a.host = a.host.substr(1, a.host.size() - 2);
  return a;
}

struct BioFree {
  void operator()(BIO* b) const { BIO_free(b); }
};
struct PemFree {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(EVP_PKEY* k) const { EVP_PKEY_free(k); }
};
std::unique_ptr<BIO, BioFree> Memory(const std::string& pem) {
  return std::unique_ptr<BIO, BioFree>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Result<SslCtx> MakeContext(const ClientOptions& o) {
  SslCtx ctx(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(ctx.get(), o.insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(ctx.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  auto bad = [](const std::string& what) {
    ERR_clear_error();
    return MakeError(Code::kInvalid, what + " is not PEM, or does not fit the others");
  };
  if (o.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(ctx.get());
  } else {
    auto bio = Memory(o.ca_pem);
    int count = 0;
    while (std::unique_ptr<X509, PemFree> x{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx.get()), x.get());
      ++count;
    }
    ERR_clear_error();  // the end of the text is an error, too
    if (count == 0) return bad("the certificate authority");
  }
  if (!o.cert_pem.empty()) {
    auto bio = Memory(o.cert_pem);
    std::unique_ptr<X509, PemFree> cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!cert || SSL_CTX_use_certificate(ctx.get(), cert.get()) != 1) return bad("the client certificate");
    while (X509* more = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
      SSL_CTX_add0_chain_cert(ctx.get(), more);
    auto key_bio = Memory(o.key_pem);
    std::unique_ptr<EVP_PKEY, PemFree> key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
    if (!key || SSL_CTX_use_PrivateKey(ctx.get(), key.get()) != 1) return bad("the client key");
    ERR_clear_error();
  }
  return ctx;
}

// Connects within `deadline` to the first of the host's addresses that answers.
Result<UniqueFd> ConnectTcp(const Address& a, SteadyTime deadline, int wake) {
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (int rc = ::getaddrinfo(a.host.c_str(), a.port.c_str(), &hints, &list); rc != 0)
    return MakeError(Code::kUnavailable, "resolving " + a.host + ": " + gai_strerror(rc));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> free(list, ::freeaddrinfo);
  Error last = MakeError(Code::kUnavailable, "connecting to " + a.host + ": no address");
  for (addrinfo* i = list; i; i = i->ai_next) {
    UniqueFd fd(::socket(i->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int error = ::connect(fd.get(), i->ai_addr, i->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      auto left = std::chrono::ceil<Millis>(deadline - SteadyNow());
      if (Status ready = WaitFd(fd.get(), POLLOUT, std::max(left, Millis(0)), wake); !ready.ok()) {
        last = ready.error().Wrap("connecting to " + a.host + ":" + a.port);
        continue;
      }
      socklen_t size = sizeof error;
      ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) {
      last = MakeError(Code::kUnavailable, "connecting to " + a.host + ":" + a.port + ": " + strerror(error));
      continue;
    }
    int one = 1, idle = 30, interval = 10;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    return fd;
  }
  return last;
}

// Why an exchange did not come to its end.
Error Broken(const Stream& s, const std::stop_token& stop, std::chrono::milliseconds timeout) {
  if (stop.stop_requested()) return MakeError(Code::kUnavailable, "stopped");
  if (SteadyNow() + Millis(2) >= s.deadline())  // waits end up to a millisecond early
    return MakeError(Code::kDeadlineExceeded, "no answer within " + std::to_string(timeout.count()) + " ms");
  return MakeError(Code::kUnavailable, "the server closed the connection");
}

// What came is wrong, other than that too little came.
bool IsOfParser(const error_code& ec) {
  return ec.category() == beast::http::make_error_code(beast::http::error::bad_version).category() &&
         ec != beast::http::error::end_of_stream && ec != beast::http::error::partial_message;
}

}  // namespace

struct Client::Pool {
  ClientOptions options;
  Result<Address> address;
  Result<SslCtx> tls;
  std::mutex mutex;  // guards idle
  std::vector<std::unique_ptr<http::Stream>> idle;

  explicit Pool(ClientOptions o)
      : options(std::move(o)), address(ParseUrl(options.base_url)), tls(MakeContext(options)) {}

  // An open connection that is not in use, if there is one that the server has not closed.
  std::unique_ptr<http::Stream> TakeIdle() {
    std::lock_guard lock(mutex);
    while (!idle.empty()) {
      auto s = std::move(idle.back());
      idle.pop_back();
      pollfd p{s->fd(), POLLIN | POLLRDHUP, 0};
      if (::poll(&p, 1, 0) == 0) return s;
    }
    return nullptr;
  }
  void Give(std::unique_ptr<http::Stream> s) {
    s->ExchangeWake(-1);
    std::lock_guard lock(mutex);
    if (idle.size() < 8) idle.push_back(std::move(s));
  }

  Result<std::unique_ptr<http::Stream>> Connect(SteadyTime deadline, int wake) {
    UniqueFd fd;
    if (!options.unix_path.empty()) {
      FL_ASSIGN(fd, ConnectUnix(options.unix_path, SocketKind::kStream));
    } else {
      FL_ASSIGN(fd, ConnectTcp(*address, deadline, wake));
    }
    auto s = std::make_unique<http::Stream>(std::move(fd), wake, !options.unix_path.empty());
    s->SetDeadline(std::chrono::ceil<Millis>(deadline - SteadyNow()));
    if (address->tls) {
      if (!tls.ok()) return tls.error();
      FL_TRY(s->Connect(tls->get(), options.insecure_skip_verify ? "" : address->host));
    }
    return s;
  }

  std::string Head(const ClientRequest& r) const {
    std::string host = address->host.find(':') == std::string::npos ? address->host : "[" + address->host + "]";
    std::string out = r.method + " " + address->prefix + r.target + " HTTP/1.1\r\nhost: " + host + ":" + address->port +
                      "\r\nuser-agent: " + options.user_agent + "\r\n";
    for (const auto& [k, v] : r.headers) out += k + ": " + v + "\r\n";
    if (!r.headers.contains("accept")) out += "accept: */*\r\n";
    if (options.token)
      if (std::string token = options.token(); !token.empty()) out += "authorization: Bearer " + token + "\r\n";
    if (!r.body.empty() || r.method == "POST" || r.method == "PUT" || r.method == "PATCH")
      out += "content-length: " + std::to_string(r.body.size()) + "\r\n";
    return out + "\r\n";
  }

  // Sends and reads on one connection. `begun` tells whether a byte of the answer has come.
  Result<Response> Exchange(http::Stream& s, const ClientRequest& r,
                            const std::function<bool(std::string_view)>& on_bytes, const std::stop_token& stop,
                            bool& begun, bool& reusable) {
    if (!s.WriteAll(Head(r) + r.body)) return Broken(s, stop, r.timeout);
    beast::flat_buffer buffer;
    beast::http::response_parser<beast::http::buffer_body> parser;
    parser.body_limit(std::numeric_limits<uint64_t>::max());
    parser.header_limit(256 << 10);
    if (r.method == "HEAD") parser.skip(true);
    error_code ec;
    if (!s.WaitForBytes()) return Broken(s, stop, r.timeout);
    beast::http::read_header(s, buffer, parser, ec);
    begun = parser.got_some();
    if (ec && IsOfParser(ec)) return MakeError(Code::kUnavailable, "the answer is no HTTP: " + ec.message());
    if (ec) return Broken(s, stop, r.timeout);
    Response out;
    out.status = static_cast<int>(parser.get().result_int());
    for (const auto& field : parser.get())
      out.headers[ToLower(std::string_view(field.name_string().data(), field.name_string().size()))] =
          std::string(field.value().data(), field.value().size());
    bool streams = on_bytes && out.status / 100 == 2;
    char piece[16384];
    while (!parser.is_done()) {
      parser.get().body() = {piece, sizeof piece, true};
      if (streams) s.SetDeadline(r.timeout);  // what counts is that something comes
      beast::http::read_some(s, buffer, parser, ec);
      std::string_view got(piece, sizeof piece - parser.get().body().size);
      if (streams && !got.empty() && !on_bytes(got)) return out;
      if (!streams) out.body.append(got);
      if (out.body.size() > kMaxAnswer)
        return MakeError(Code::kInvalid, "the answer exceeds " + std::to_string(kMaxAnswer) + " bytes");
      if (ec == beast::http::error::need_buffer) ec = {};
      if (ec) return Broken(s, stop, r.timeout);
    }
    reusable = parser.get().keep_alive() && buffer.size() == 0;
    return out;
  }

  Result<Response> Perform(const ClientRequest& r, const std::function<bool(std::string_view)>& on_bytes,
                           const std::stop_token& stop) {
    std::string what = r.method + " " + options.base_url + r.target;
    if (!address.ok()) return address.error().Wrap(what);
    WakeFd wake(stop);
    auto deadline = SteadyNow() + r.timeout;
    for (bool fresh = false;; fresh = true) {
      auto s = fresh ? nullptr : TakeIdle();
      bool used = s != nullptr, begun = false, reusable = false;
      if (used) {
        s->ExchangeWake(wake.fd());
      } else {
        auto connected = Connect(std::min(deadline, SteadyNow() + kConnectTimeout), wake.fd());
        if (!connected.ok()) return connected.error().Wrap(what);
        s = std::move(*connected);
      }
      s->SetDeadline(std::chrono::ceil<Millis>(deadline - SteadyNow()));
      auto answer = Exchange(*s, r, on_bytes, stop, begun, reusable);
      // A server may close an idle connection in the very moment in which it is used again. What changes nothing is
      // sent once more; of a write nobody knows whether it was done.
      bool again = r.method == "GET" && used && !begun && !stop.stop_requested();
      if (!answer.ok() && again && answer.error().code == Code::kUnavailable) continue;
      if (!answer.ok()) return answer.error().Wrap(what);
      if (reusable) Give(std::move(s));
      return answer;
    }
  }
};

Client::Client(ClientOptions options) : pool_(std::make_unique<Pool>(std::move(options))) {}

Client::~Client() = default;

Result<Response> Client::Do(const ClientRequest& request, std::stop_token stop) {
  return pool_->Perform(request, nullptr, stop);
}

Result<Response> Client::Stream(const ClientRequest& request, std::function<bool(std::string_view)> on_bytes,
                                std::stop_token stop) {
  return pool_->Perform(request, on_bytes, stop);
}

}  // namespace fairlead::http
