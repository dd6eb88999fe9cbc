#include "view/service.h"

#include <poll.h>

#include "embedded/web.h"
#include "util/strings.h"

namespace fairlead::view {
namespace {

constexpr Millis kLook{500};  // how soon a stream notices that its viewer is gone
constexpr int kLooksBetweenSigns = 30;
constexpr size_t kConnections = 64;

const http::Headers& Careful() {
  static const http::Headers headers = {
      {"cache-control", "no-store"},
      {"content-security-policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action "
       "'self'; base-uri 'none'; frame-ancestors 'none'"},
      {"referrer-policy", "no-referrer"},
      {"x-content-type-options", "nosniff"}};
  return headers;
}

http::Headers With(http::Headers more) {
  more.insert(Careful().begin(), Careful().end());
  return more;
}

std::string Escaped(std::string text) {
  for (auto [c, entity] : {std::pair{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}})
    text = ReplaceAll(text, c, entity);
  return text;
}

std::string CookieOf(const http::Request& r, const std::string& name) {
  for (const std::string& part : SplitNonEmpty(r.Header("cookie"), ';'))
    if (part.starts_with(name + "=")) return part.substr(name.size() + 1);
  return "";
}

// A name that some page made point here is none of ours.
bool IsLoopback(std::string host) {
  if (host.starts_with("[::1]")) return true;
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1";
}

std::string FormValue(const std::string& body, const std::string& name) {
  for (const std::string& pair : Split(body, '&'))
    if (pair.starts_with(name + "=")) return std::string(Trim(http::PercentDecode(pair.substr(name.size() + 1), true)));
  return "";
}

const char* TypeOf(const std::string& path) {
  return path.ends_with(".js")    ? "text/javascript; charset=utf-8"
         : path.ends_with(".css") ? "text/css; charset=utf-8"
         : path.ends_with(".svg") ? "image/svg+xml"
                                  : "text/html; charset=utf-8";
}

int StatusOf(Code code) { return code == Code::kForbidden ? 403 : code == Code::kUnauthorized ? 401 : 503; }

}  // namespace

Service::Service(Hub& hub, Access& access, ServiceOptions options)
    : hub_(hub),
      access_(access),
      options_(std::move(options)),
      sessions_(access),
      cookie_("fairlead-view-" + RandomHex(8)) {}

Service::~Service() {
  if (server_) server_->Stop();
}

Status Service::Start() {
  if (!IsLoopback(options_.host))
    return MakeError(Code::kInvalid, "\"" + options_.host +
                                         "\" is not a loopback address; the view is served on 127.0.0.1, and reached "
                                         "with kubectl port-forward");
  FL_ASSIGN(UniqueFd listener, http::ListenTcp(options_.host, options_.port));
  port_ = http::LocalPort(listener.get());
  server_ = std::make_unique<http::Server>(
      http::ServerOptions{.max_header_bytes = 32 << 10, .max_body_bytes = 32 << 10, .max_connections = kConnections},
      [this](http::Request& r, http::ResponseWriter& w) { Handle(r, w); });
  return server_->AddListener(std::move(listener));
}

void Service::Handle(http::Request& r, http::ResponseWriter& w) {
  if (!IsLoopback(r.Header("host"))) return w.Send(421, "text/plain", "open it as localhost or 127.0.0.1\n", Careful());
  if (r.method == "POST" && r.path == "/login" && options_.asks_for_token) return Enter(FormValue(r.body, "token"), w);
  if (r.method != "GET" && r.method != "HEAD") return w.Send(405, "text/plain", "only GET\n", Careful());
  for (const char* open : {"/view.js", "/view.css", "/icon.svg"})
    if (r.path == open) return w.Send(200, TypeOf(r.path), embedded::web().at(r.path.substr(1)), Careful());
  if (r.path == "/" && !options_.asks_for_token && !r.Query("token").empty()) return Enter(r.Query("token"), w);
  if (r.path != "/" && r.path != "/stream")
    return w.Send(404, "text/plain", "not found; the view is at /\n", Careful());
  if (std::string session = CookieOf(r, cookie_); sessions_.Valid(session)) return Show(r.path, session, w);
  if (options_.asks_for_token && EqualFold(r.Header("authorization").substr(0, 7), "bearer ")) {
    auto session = sessions_.Open(r.Header("authorization").substr(7));
    if (!session.ok())
      return w.Send(StatusOf(session.error().code), "text/plain", session.error().message + "\n", Careful());
    Show(r.path, *session, w);
    return sessions_.Close(*session);  // it brings its token with each request
  }
  if (r.path == "/stream") return w.Send(401, "text/plain", "open the page again\n", Careful());
  Turn(options_.asks_for_token ? 200 : 401, "", w);
}

void Service::Show(const std::string& path, const std::string& session, http::ResponseWriter& w) {
  if (path == "/stream") return Stream(session, w);
  w.Send(200, TypeOf("html"), embedded::web().at("index.html"), Careful());
}

// From here on the browser has a session, and the address no secret.
void Service::Enter(const std::string& secret, http::ResponseWriter& w) {
  auto session = sessions_.Open(secret);
  if (!session.ok()) return Turn(StatusOf(session.error().code), session.error().message, w);
  w.Send(303, "text/plain", "",
         With({{"location", "/"}, {"set-cookie", cookie_ + "=" + *session + "; Path=/; HttpOnly; SameSite=Strict"}}));
}

void Service::Turn(int status, const std::string& why, http::ResponseWriter& w) {
  std::string page = embedded::web().at(options_.asks_for_token ? "login.html" : "closed.html");
  w.Send(status, TypeOf("html"), ReplaceAll(page, "{{why}}", Escaped(why)), Careful());
}

void Service::Stream(const std::string& session, http::ResponseWriter& w) {
  w.BeginStream(200, "text/event-stream", Careful());
  Hub::Viewer viewer(hub_);
  if (!w.Write("retry: 1000\n\n")) return;
  for (int quiet = 0; !w.ClientGone() && !WaitFd(w.wake_fd(), POLLIN, Millis(0)).ok();) {
    auto messages = viewer.Wait(kLook);
    if (!sessions_.Valid(session)) {
      w.Write("event: closed\ndata: {}\n\n");
      return;
    }
    if (messages->empty() && ++quiet % kLooksBetweenSigns == 0) w.Write(": still here\n\n");
    for (const std::string& message : *messages)
      if (!w.Write(message)) return;
  }
}

}  // namespace fairlead::view
