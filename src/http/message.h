// What HTTP requests and responses look like to the rest of the program, whichever library carries them.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "util/fd.h"
#include "util/unix_socket.h"

namespace fairlead::http {

// Header names are lower case.
using Headers = std::map<std::string, std::string>;

struct Peer {
  std::optional<PeerCredentials> unix_credentials;  // on Unix sockets
  std::string cert_common_name;                     // of a verified client certificate
  std::vector<std::string> cert_organizations;
};

struct Request {
  std::string method = "GET";
  std::string path;                          // decoded, without the query
  std::map<std::string, std::string> query;  // decoded; the last of equal names wins
  Headers headers;
  std::string body;
  Peer peer;
  std::vector<UniqueFd> fds;  // descriptors that came with the request (Unix sockets)

  std::string Header(const std::string& name) const {
    auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
  std::string Query(const std::string& name) const {
    auto it = query.find(name);
    return it == query.end() ? "" : it->second;
  }
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

std::string PercentDecode(std::string_view text, bool plus_is_space);
std::string PercentEncode(std::string_view text);
// "/a/b?x=1&y" into path and query.
void ParseTarget(std::string_view target, Request& into);

}  // namespace fairlead::http
