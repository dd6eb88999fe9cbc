// The lab's API server: HTTP requests in, objects out, as a Kubernetes API server answers them. Authenticates by client
// certificate or token, authorizes by RBAC.
//
// Threading: one handler runs on many threads. Failure: the store lives in this process; Down() makes the server vanish
// for its clients without losing anything.
#pragma once
#include "http/certificates.h"
#include "http/server.h"
#include "lab/auth.h"
#include "lab/rest.h"

namespace fairlead::lab {

// Serves GET .../pods/NAME/log; set by the nodes. Writes the log (and follows it) into the writer.
using LogFn = std::function<void(const Json& pod, const http::Request&, http::ResponseWriter&)>;
// Serves GET .../pods/NAME:PORT/proxy/PATH.
using ProxyFn =
    std::function<void(const Json& pod, const std::string& port, const std::string& path, http::ResponseWriter&)>;
// Serves /fairlead-lab/... : what a real API server does not have (faults, inspection). Only for system:masters.
using ExtraFn = std::function<void(const http::Request&, http::ResponseWriter&)>;

class ApiServer {
 public:
  ApiServer(Rest& rest, TokenAuthority& tokens);
  void SetLogHandler(LogFn f) { logs_ = std::move(f); }
  void SetProxyHandler(ProxyFn f) { proxy_ = std::move(f); }
  void SetExtraHandler(ExtraFn f) { extra_ = std::move(f); }
  // Serves these listeners with TLS from now on (again after Down).
  Status Up(std::vector<UniqueFd> listeners, const http::TlsIdentity& identity);
  // Closes every listener and connection.
  void Down();

 private:
  struct Target;
  void Handle(http::Request& r, http::ResponseWriter& w);
  void Route(http::Request& r, http::ResponseWriter& w);
  Result<User> Authenticate(const http::Request& r) const;
  bool HandleNonResource(const http::Request& r, http::ResponseWriter& w, const User& user);
  void HandleResource(http::Request& r, http::ResponseWriter& w, const User& user, const Target& t);
  void List(const http::Request& r, http::ResponseWriter& w, const Target& t);
  void Watch(const http::Request& r, http::ResponseWriter& w, const Target& t);
  void Write(http::Request& r, http::ResponseWriter& w, const Target& t);
  void Proxy(const http::Request& r, http::ResponseWriter& w, const User& user, const Target& t);
  void Scale(http::Request& r, http::ResponseWriter& w, const User& user, const Target& t);
  void IssueToken(const http::Request& r, http::ResponseWriter& w, const Target& t);
  void Review(const http::Request& r, http::ResponseWriter& w, const User& user, const Target& t);

  Rest& rest_;
  TokenAuthority& tokens_;
  LogFn logs_;
  ProxyFn proxy_;
  ExtraFn extra_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace fairlead::lab
