// An HTTP client over TCP, TLS and Unix sockets, for plain requests and for streams that go on until they are stopped.
//
// Threading: one Client serves many threads. Failure: kUnavailable when the server cannot be reached or drops the
// connection, kDeadlineExceeded at the deadline; an HTTP status is never an error here.
#pragma once
#include <functional>
#include <stop_token>

#include "http/message.h"

namespace fairlead::http {

struct ClientOptions {
  std::string base_url;  // https://10.96.0.1:443, or http://localhost with unix_path
  std::string unix_path;
  std::string ca_pem;  // "" with https: the system's authorities
  bool insecure_skip_verify = false;
  std::string cert_pem, key_pem;       // client certificate
  std::function<std::string()> token;  // bearer token, asked for each request
  std::string user_agent = "fairlead";
};

struct ClientRequest {
  std::string method = "GET";
  std::string target;  // path and query, encoded
  Headers headers;
  std::string body;
  std::chrono::milliseconds timeout{30000};
};

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Result<Response> Do(const ClientRequest& request, std::stop_token stop = {});
  // Calls `on_bytes` with each piece of a 2xx answer's body until the server ends it, on_bytes returns false, nothing
  // arrives for `request.timeout`, or stop is requested. Any other answer is returned whole.
  Result<Response> Stream(const ClientRequest& request, std::function<bool(std::string_view)> on_bytes,
                          std::stop_token stop);

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace fairlead::http
