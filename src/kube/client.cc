#include "kube/client.h"

#include "util/strings.h"

namespace fairlead::kube {
namespace {

using value::At;
using value::Str;

constexpr size_t kMaxLine = 32u << 20;

std::string Query(const std::vector<std::pair<std::string, std::string>>& params) {
  std::string out;
  for (const auto& [k, v] : params)
    if (!v.empty()) out += (out.empty() ? "?" : "&") + k + "=" + http::PercentEncode(v);
  return out;
}

const char* ContentType(PatchType type) {
  switch (type) {
    case PatchType::kMerge: return "application/merge-patch+json";
    case PatchType::kJson: return "application/json-patch+json";
    case PatchType::kStrategic: return "application/strategic-merge-patch+json";
    case PatchType::kApply: return "application/apply-patch+yaml";
  }
  return "";
}

}  // namespace

Error ErrorFromStatus(const Json& status, int http_status, const std::string& what) {
  Error e;
  e.http_status = http_status;
  e.reason = Str(status, "reason");
  std::string message = Str(status, "message");
  if (message.empty()) message = "the server answered with status " + std::to_string(http_status);
  // A message about an object names it and says what was being done.
  e.message = At(status, "details", "name").is_string() ? message : what + ": " + message;
  switch (http_status) {
    case 401: e.code = Code::kUnauthorized; break;
    case 403: e.code = Code::kForbidden; break;
    case 404: e.code = Code::kNotFound; break;
    case 409: e.code = e.reason == "AlreadyExists" ? Code::kAlreadyExists : Code::kConflict; break;
    case 410: e.code = Code::kGone; break;
    case 400:
    case 413:
    case 415:
    case 422: e.code = Code::kInvalid; break;
    case 405: e.code = Code::kUnsupported; break;
    default: e.code = http_status == 429 || http_status >= 500 ? Code::kUnavailable : Code::kInternal;
  }
  return e;
}

Error ErrorFromStatus(const http::Response& r, const std::string& what) {
  auto j = value::ParseJson(r.body, "answer", 4 << 20);
  Json status = j.ok() ? *j : Json{{"message", r.body.substr(0, 300)}};
  return ErrorFromStatus(status, r.status, what);
}

Client::Client(Config config) : http_(std::move(config.http)), on_answer_(std::move(config.on_answer)) {}

Result<http::Response> Client::Raw(const http::ClientRequest& request) {
  http::ClientRequest r = request;
  if (!r.headers.contains("accept")) r.headers["accept"] = "application/json";
  auto answer = http_.Do(r);
  if (on_answer_) on_answer_(r.method, answer.ok() ? answer->status : 0);
  FL_ASSIGN(http::Response response, std::move(answer));
  if (response.status / 100 != 2)
    return ErrorFromStatus(response, r.method + " " + r.target.substr(0, r.target.find('?')));
  return response;
}

static Result<Json> Body(Result<http::Response> response) {
  if (!response.ok()) return response.error();
  return value::ParseJson(response->body, "the API server's answer", 256u << 20);
}

Result<Json> Client::Get(const Resource& r, const std::string& ns, const std::string& name) {
  return Body(Raw({.target = r.Path(ns, name)}));
}

Result<ListResult> Client::List(const Resource& r, const std::string& ns, const ListOptions& o) {
  ListResult out;
  std::string next;
  do {
    FL_ASSIGN(Json page,
              Body(Raw({.target = r.Path(ns) + Query({{"labelSelector", o.label_selector},
                                                      {"fieldSelector", o.field_selector},
                                                      {"resourceVersion", next.empty() ? o.resource_version : ""},
                                                      {"limit", "500"},
                                                      {"continue", next}})})));
    for (Json& item : page["items"]) {
      if (!item.contains("kind")) item["kind"] = r.kind;
      if (!item.contains("apiVersion")) item["apiVersion"] = r.ApiVersion();
      if (o.each)
        o.each(std::move(item));
      else
        out.items.push_back(std::move(item));
    }
    out.resource_version = ResourceVersion(page);
    next = Str(page, "metadata", "continue");
  } while (!next.empty());
  return out;
}

Result<Json> Client::Create(const Resource& r, const Json& object) {
  return Body(Raw({.method = "POST",
                   .target = r.Path(Namespace(object)),
                   .headers = {{"content-type", "application/json"}},
                   .body = value::Dump(object)}));
}

Result<Json> Client::Update(const Resource& r, const Json& object, const std::string& subresource) {
  return Body(Raw({.method = "PUT",
                   .target = r.Path(Namespace(object), Name(object), subresource),
                   .headers = {{"content-type", "application/json"}},
                   .body = value::Dump(object)}));
}

Result<Json> Client::Patch(const Resource& r, const std::string& ns, const std::string& name, PatchType type,
                           const Json& patch, const PatchOptions& o) {
  bool apply = type == PatchType::kApply;
  return Body(Raw({.method = "PATCH",
                   .target = r.Path(ns, name, o.subresource) + Query({{"fieldManager", o.field_manager},
                                                                      {"force", apply && o.force ? "true" : ""},
                                                                      {"dryRun", o.dry_run ? "All" : ""}}),
                   .headers = {{"content-type", ContentType(type)}},
                   .body = value::Dump(patch)}));
}

Status Client::Delete(const Resource& r, const std::string& ns, const std::string& name, const DeleteOptions& o) {
  Json body = {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
  if (o.dry_run) body["dryRun"] = {"All"};
  if (!o.uid.empty()) body["preconditions"]["uid"] = o.uid;
  if (!o.resource_version.empty()) body["preconditions"]["resourceVersion"] = o.resource_version;
  if (!o.propagation.empty()) body["propagationPolicy"] = o.propagation;
  if (o.grace_seconds >= 0) body["gracePeriodSeconds"] = o.grace_seconds;
  auto response = Raw({.method = "DELETE",
                       .target = r.Path(ns, name),
                       .headers = {{"content-type", "application/json"}},
                       .body = value::Dump(body)});
  if (!response.ok()) return response.error();
  return {};
}

Status Client::Watch(const Resource& r, const std::string& ns, const ListOptions& o,
                     std::function<bool(WatchEvent)> on_event, std::stop_token stop) {
  std::string what = "watching " + r.plural, line;
  std::optional<Error> failed;
  auto on_line = [&](std::string_view text) {
    auto j = value::ParseJson(text, what);
    if (!j.ok()) {
      failed = j.error();
      return false;
    }
    std::string type = Str(*j, "type");
    if (type == "ERROR") {
      failed = ErrorFromStatus(At(*j, "object"), static_cast<int>(value::Int(*j, "object", "code")), what);
      return false;
    }
    Json object = std::move((*j)["object"]);
    if (object.is_object() && !object.contains("kind")) object["kind"] = r.kind;
    return on_event({type, std::move(object)});
  };
  auto on_bytes = [&](std::string_view bytes) {
    line.append(bytes);
    size_t start = 0;
    for (size_t end; (end = line.find('\n', start)) != line.npos; start = end + 1)
      if (!on_line(std::string_view(line).substr(start, end - start))) return false;
    line.erase(0, start);
    return line.size() < kMaxLine;
  };
  http::ClientRequest request{.target = r.Path(ns) + Query({{"watch", "true"},
                                                            {"allowWatchBookmarks", "true"},
                                                            {"labelSelector", o.label_selector},
                                                            {"fieldSelector", o.field_selector},
                                                            {"resourceVersion", o.resource_version},
                                                            {"timeoutSeconds", "400"}}),
                              .headers = {{"accept", "application/json"}},
                              .timeout = std::chrono::seconds(420)};
  auto response = http_.Stream(request, on_bytes, stop);
  if (on_answer_) on_answer_("GET", response.ok() ? response->status : 0);
  if (failed) return *failed;
  if (!response.ok()) return response.error();
  if (response->status / 100 != 2) return ErrorFromStatus(*response, what);
  return {};
}

}  // namespace fairlead::kube
