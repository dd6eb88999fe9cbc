#include "lab/request_body.h"

#include "lab/status.h"
#include "value/yaml.h"

namespace fairlead::lab {

using value::Str;

std::expected<Json, Json> Body(const http::Request& r, const ResourceType& t) {
  std::string type = r.Header("content-type");
  if (r.method != "PATCH" && !type.empty() && type.find("json") == type.npos && type.find("yaml") == type.npos &&
      type.find("protobuf") == type.npos)
    return std::unexpected(Failure(415, "UnsupportedMediaType",
                                   "the body of the request was in an unknown format - accepted media types include: "
                                   "application/json, application/yaml, application/vnd.kubernetes.protobuf"));
  if (type.find("protobuf") != std::string::npos || r.body.starts_with(std::string("k8s\0", 4)))
    return std::unexpected(Failure(415, "UnsupportedMediaType",
                                   "the lab's API server does not read application/vnd.kubernetes.protobuf; send "
                                   "application/json (kubectl create -f FILE and kubectl apply do)"));
  auto j = type.find("yaml") != std::string::npos && !r.body.starts_with('{')
               ? value::ParseYaml(r.body, "body")
               : value::ParseJson(r.body, "body", 8 << 20);
  if (!j.ok())
    return std::unexpected(BadRequest("the object provided is unrecognized (must be of type " + t.resource.kind +
                                      "): couldn't get version/kind; json parse error: " + j.error().message));
  if (r.method == "PATCH" || !j->is_object() || r.method == "DELETE") return *j;
  // Of another kind than the path says.
  std::string kind = Str(*j, "kind"), version = Str(*j, "apiVersion"), want = t.resource.ApiVersion();
  if (t.custom && !version.empty() && version != want)
    return std::unexpected(BadRequest("the API version in the data (" + version +
                                      ") does not match the expected API version (" + want + ")"));
  bool other = (!kind.empty() && kind != t.resource.kind) || (!version.empty() && version != want);
  if (!t.custom && other)
    return std::unexpected(BadRequest((kind.empty() ? t.resource.kind : kind) + " in version \"" + t.resource.version +
                                      "\" cannot be handled as a " + t.resource.kind + ": no kind \"" + kind +
                                      "\" is registered for version \"" + (version.empty() ? want : version) +
                                      "\" in scheme \"pkg/runtime/scheme.go:110\""));
  return *j;
}

}  // namespace fairlead::lab
