// The live view over HTTP: the page, its style and script, and a stream of server-sent events. Read-only.
#pragma once
#include "http/server.h"
#include "view/access.h"
#include "view/hub.h"

namespace fairlead::view {

struct ServiceOptions {
  std::string host = "127.0.0.1";  // anything but a loopback address is refused
  uint16_t port = 0;               // 0: any free one
  bool asks_for_token = false;     // a page with a form for who has no session; otherwise it says where to look
};

// Threading: one thread for each connection. Ownership: the hub and the access outlive it.
class Service {
 public:
  Service(Hub& hub, Access& access, ServiceOptions options);
  ~Service();
  // Errors: kInvalid for an address that is not a loopback one; what the system says of one that is taken.
  Status Start();
  uint16_t port() const { return port_; }

 private:
  void Handle(http::Request& r, http::ResponseWriter& w);
  void Enter(const std::string& secret, http::ResponseWriter& w);
  void Turn(int status, const std::string& why, http::ResponseWriter& w);
  void Show(const std::string& path, const std::string& session, http::ResponseWriter& w);
  void Stream(const std::string& session, http::ResponseWriter& w);

  Hub& hub_;
  Access& access_;
  ServiceOptions options_;
  Sessions sessions_;
  std::string cookie_;  // its name: browsers share cookies between ports
  uint16_t port_ = 0;
  std::unique_ptr<http::Server> server_;
};

}  // namespace fairlead::view
