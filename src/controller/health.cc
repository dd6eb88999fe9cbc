#include "controller/health.h"

namespace fairlead::controller {

Result<std::unique_ptr<http::Server>> ServeHealth(const std::string& host, uint16_t port, Metrics* metrics,
                                                  std::function<std::string()> not_ready) {
  FL_ASSIGN(UniqueFd listener, http::ListenTcp(host, port));
  auto server = std::make_unique<http::Server>(
      http::ServerOptions{.max_header_bytes = 16 << 10, .max_body_bytes = 64 << 10, .max_connections = 64},
      [metrics, not_ready = std::move(not_ready)](http::Request& r, http::ResponseWriter& w) {
        if (r.path == "/healthz" || r.path == "/livez") return w.Send(200, "text/plain", "ok\n");
        if (r.path == "/readyz") {
          std::string why = not_ready();
          return w.Send(why.empty() ? 200 : 503, "text/plain", why.empty() ? "ok\n" : why + "\n");
        }
        if (r.path == "/metrics" && metrics) return w.Send(200, "text/plain; version=0.0.4", metrics->Text());
        w.Send(404, "text/plain", "not found; there are /healthz, /readyz and /metrics\n");
      });
  FL_TRY(server->AddListener(std::move(listener)));
  return server;
}

}  // namespace fairlead::controller
