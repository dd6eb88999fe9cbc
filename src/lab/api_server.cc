#include "lab/api_server.h"

#include "lab/discovery.h"
#include "lab/field_selector.h"
#include "lab/openapi_v2.h"
#include "lab/request_body.h"
#include "lab/status.h"
#include "lab/table.h"
#include "util/log.h"
#include "util/strings.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Str;

void Reply(http::ResponseWriter& w, int code, const Json& body, const http::Headers& headers = {}) {
  w.Send(code, "application/json", value::Dump(body) + "\n", headers);
}
void ReplyStatus(http::ResponseWriter& w, const Json& status) {
  Reply(w, static_cast<int>(value::Int(status, "code")), status);
}

bool WantsTable(const http::Request& r) { return r.Header("accept").find("as=Table") != std::string::npos; }
bool WantsPartial(const http::Request& r) {
  return r.Header("accept").find("as=PartialObjectMetadata") != std::string::npos;
}
bool IsTrue(const std::string& v) { return v == "true" || v == "1"; }

Json Partial(const Json& o) {
  return {{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", At(o, "metadata")}};
}

// Lists of the built-in kinds say once what their items are.
Json ListItem(const ResourceType& t, const Json& o) {
  Json item = o;
  if (!t.custom)
    for (const char* k : {"kind", "apiVersion"}) item.erase(k);
  return item;
}

// metav1.*Options that do not validate.
Json OptionsInvalid(const std::string& kind, const std::string& field, const char* reason, const std::string& message) {
  return Failure(422, "Invalid", kind + ".meta.k8s.io \"\" is invalid: " + field + ": " + message,
                 {{"group", "meta.k8s.io"},
                  {"kind", kind},
                  {"causes", Json::array({{{"reason", reason}, {"message", message}, {"field", field}}})}});
}

Json NoSuchResource() {
  return Failure(404, "NotFound", "the server could not find the requested resource", Json::object());
}
Json NotAllowed() {
  return Failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource",
                 Json::object());
}

bool IsAcceptable(const std::string& accept) {
  return accept.empty() || accept.find("json") != accept.npos || accept.find("*/*") != accept.npos ||
         accept.find("application/*") != accept.npos || accept.find("yaml") != accept.npos ||
         accept.find("protobuf") != accept.npos;
}

std::string ManagerOf(const http::Request& r) {
  if (std::string m = r.Query("fieldManager"); !m.empty()) return m.substr(0, 128);
  std::string agent = r.Header("user-agent");
  return agent.empty() ? "unknown" : agent.substr(0, agent.find('/')).substr(0, 128);
}

// What a watcher with selectors sees of a change: its own type, or nothing.
std::string Seen(const Change& c, const std::function<bool(const Json&)>& matches) {
  bool before = c.before && matches(*c.before), now = c.type != "DELETED" && matches(*c.object);
  if (now) return before ? "MODIFIED" : "ADDED";
  return before ? "DELETED" : "";
}

}  // namespace

// The resource that a path names.
struct ApiServer::Target {
  TypePtr type;
  std::string ns, name, subresource;
  std::string group, version, plural;
};

ApiServer::ApiServer(Rest& rest, TokenAuthority& tokens) : rest_(rest), tokens_(tokens) {}

Status ApiServer::Up(std::vector<UniqueFd> listeners, const http::TlsIdentity& identity) {
  if (!server_)
    server_ =
        std::make_unique<http::Server>(http::ServerOptions{.max_header_bytes = 64 << 10, .max_body_bytes = 8 << 20},
                                       [this](http::Request& r, http::ResponseWriter& w) { Handle(r, w); });
  for (UniqueFd& l : listeners) FL_TRY(server_->AddListener(std::move(l), &identity));
  return {};
}

void ApiServer::Down() {
  if (server_) server_->DropListeners();
  rest_.store().WakeAll();
}

Result<User> ApiServer::Authenticate(const http::Request& r) const {
  if (!r.peer.cert_common_name.empty()) {
    User u{r.peer.cert_common_name, r.peer.cert_organizations};
    u.groups.push_back("system:authenticated");
    return u;
  }
  std::string auth = r.Header("authorization");
  if (auth.starts_with("Bearer ")) return tokens_.Verify(std::string(Trim(auth.substr(7))), rest_.store());
  return User{"system:anonymous", {"system:unauthenticated"}};
}

// JSON of a shape that no case above expects must cost its own request only.
void ApiServer::Handle(http::Request& r, http::ResponseWriter& w) {
  try {
    Route(r, w);
  } catch (const std::exception& e) {
    Log(Level::kError, "the lab's API server failed at a request; report it",
        {{"method", r.method}, {"path", r.path}, {"error", e.what()}});
    ReplyStatus(w, Failure(500, "InternalError", std::string("Internal error occurred: ") + e.what()));
  }
}

void ApiServer::Route(http::Request& r, http::ResponseWriter& w) {
  auto user = Authenticate(r);
  if (!user.ok()) return ReplyStatus(w, Failure(401, "Unauthorized", "Unauthorized"));
  if (r.path == "/healthz" || r.path == "/livez" || r.path == "/readyz") return w.Send(200, "text/plain", "ok");
  if (r.path == "/version") return Reply(w, 200, VersionInfo());

  Target t;
  auto parts = SplitNonEmpty(r.path, '/');
  size_t at = 0;
  if (parts.size() >= 3 && parts[0] == "api") {
    t.version = parts[1];
    at = 2;
  } else if (parts.size() >= 4 && parts[0] == "apis") {
    t.group = parts[1];
    t.version = parts[2];
    at = 3;
  }
  if (at == 0) {
    if (auto refused = Authorize(rest_.store(), *user, {ToLower(r.method), "", "", "", "", "", r.path}))
      return ReplyStatus(w, Failure(403, "Forbidden", "forbidden: " + *refused));
    if (!HandleNonResource(r, w, *user)) w.Send(404, "text/plain", "404 page not found\n");
    return;
  }
  if (parts[at] == "namespaces" && parts.size() > at + 2 && parts[at + 2] != "status" && parts[at + 2] != "finalize") {
    t.ns = parts[at + 1];
    at += 2;
  }
  t.plural = parts[at];
  if (parts.size() > at + 1) t.name = parts[at + 1];
  if (parts.size() > at + 2) t.subresource = parts[at + 2];
  if (t.group == "authorization.k8s.io" || t.group == "authentication.k8s.io") return Review(r, w, *user, t);
  t.type = rest_.registry().Find(t.group, t.version, t.plural);
  if (t.type && t.type->resource.kind == "Pod" && t.subresource == "proxy") return Proxy(r, w, *user, t);
  if (t.type && t.group == "apps" && t.subresource == "scale") return Scale(r, w, *user, t);
  bool unknown_sub = !t.subresource.empty() && t.subresource != "status" && t.subresource != "log" &&
                     t.subresource != "token" && t.subresource != "finalize";
  if (!t.type && !rest_.registry().Serves(t.group, t.version)) return w.Send(404, "text/plain", "404 page not found\n");
  if (!t.type || parts.size() > at + 3 || unknown_sub) return ReplyStatus(w, NoSuchResource());
  HandleResource(r, w, *user, t);
}

// How many replicas of a Deployment or ReplicaSet there are, and are to be, as an autoscaling/v1 Scale.
void ApiServer::Scale(http::Request& r, http::ResponseWriter& w, const User& user, const Target& t) {
  std::string verb = r.method == "GET" ? "get" : r.method == "PUT" ? "update" : r.method == "PATCH" ? "patch" : "";
  if (verb.empty()) return ReplyStatus(w, NotAllowed());
  if (auto refused = Authorize(rest_.store(), user, {verb, t.group, t.plural, "scale", t.ns, t.name, ""}))
    return ReplyStatus(w, Forbidden(*t.type, t.name, *refused));
  auto object = rest_.Get(*t.type, t.ns, t.name);
  if (!object) return ReplyStatus(w, object.error());
  if (verb != "get") {
    auto body = value::ParseJson(r.body, "body");
    const Json& replicas = body.ok() ? At(*body, "spec", "replicas") : value::Null();
    if (!replicas.is_number_integer() || replicas.get<int64_t>() < 0)
      return ReplyStatus(w, BadRequest("spec.replicas: a number that is not negative is expected"));
    WriteOptions options{.manager = ManagerOf(r)};
    object = rest_.Patch(*t.type, t.ns, t.name, kube::PatchType::kMerge, {{"spec", {{"replicas", replicas}}}}, options);
    if (!object) return ReplyStatus(w, object.error());
  }
  Json meta;
  for (const char* key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
    meta[key] = At(*object, "metadata", key);
  std::string selector;
  for (const auto& [key, value] : At(*object, "spec", "selector", "matchLabels").items())
    selector += (selector.empty() ? "" : ",") + key + "=" + value::AsString(value);
  Reply(w, 200,
        {{"kind", "Scale"},
         {"apiVersion", "autoscaling/v1"},
         {"metadata", meta},
         {"spec", {{"replicas", value::AsInt(At(*object, "spec", "replicas"), 1)}}},
         {"status", {{"replicas", value::Int(*object, "status", "replicas")}, {"selector", selector}}}});
}

void ApiServer::Proxy(const http::Request& r, http::ResponseWriter& w, const User& user, const Target& t) {
  std::string name = t.name.substr(0, t.name.find(':'));
  std::string port = name.size() < t.name.size() ? t.name.substr(name.size() + 1) : "80";
  if (r.method != "GET") return ReplyStatus(w, NotAllowed());
  if (auto refused = Authorize(rest_.store(), user, {"get", t.group, t.plural, "proxy", t.ns, name, ""}))
    return ReplyStatus(w, Forbidden(*t.type, name, *refused));
  auto pod = rest_.Get(*t.type, t.ns, name);
  if (!pod) return ReplyStatus(w, pod.error());
  if (!ParseInt(port).ok() || !proxy_)
    return ReplyStatus(w, BadRequest("invalid pod request \"" + t.name + "\": the port must be a number"));
  const std::string mark = "/pods/" + t.name + "/proxy";
  std::string path = r.path.substr(r.path.find(mark) + mark.size());
  proxy_(*pod, port, path.empty() ? "/" : path, w);
}

bool ApiServer::HandleNonResource(const http::Request& r, http::ResponseWriter& w, const User& user) {
  if (r.path.starts_with("/fairlead-lab/") && extra_) {
    if (std::find(user.groups.begin(), user.groups.end(), "system:masters") == user.groups.end()) return false;
    extra_(r, w);
    return true;
  }
  if (r.method != "GET") return false;
  const Registry& registry = rest_.registry();
  auto parts = SplitNonEmpty(r.path, '/');
  Json body;
  std::string type = "application/json";
  bool aggregated = r.Header("accept").find("as=APIGroupDiscoveryList") != std::string::npos &&
                    r.Header("accept").find("v=v2;") != std::string::npos;
  if (r.path == "/api" || r.path == "/apis") {
    bool core = r.path == "/api";
    body = aggregated ? AggregatedDiscovery(registry, core) : core ? LegacyApiVersions() : LegacyGroups(registry);
    if (aggregated) type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  } else if (parts.size() == 2 && parts[0] == "api") {
    body = LegacyResources(registry, "", parts[1]);
  } else if (parts.size() == 2 && parts[0] == "apis") {
    body = LegacyGroup(registry, parts[1]);
  } else if (parts.size() == 3 && parts[0] == "apis") {
    body = LegacyResources(registry, parts[1], parts[2]);
  } else if (r.path == "/openapi/v2") {
    body = OpenApiV2(registry);
    if (r.Header("accept").find(kAsksForProtobuf) != std::string::npos) {
      w.Send(200, kProtobufType, ToProtobuf(body));
      return true;
    }
  } else if (r.path == "/openapi/v3") {
    body = OpenApiIndex(registry);
  } else if (parts.size() == 4 && r.path.starts_with("/openapi/v3/api/")) {
    body = OpenApiDocument(registry, "", parts[3]);
  } else if (parts.size() == 5 && r.path.starts_with("/openapi/v3/apis/")) {
    body = OpenApiDocument(registry, parts[3], parts[4]);
  }
  if (body.is_null()) return false;
  w.Send(200, type, value::Dump(body));
  return true;
}

void ApiServer::HandleResource(http::Request& r, http::ResponseWriter& w, const User& user, const Target& t) {
  bool watch = r.method == "GET" && IsTrue(r.Query("watch"));
  std::string verb = r.method == "GET"      ? (watch            ? "watch"
                                               : t.name.empty() ? "list"
                                                                : "get")
                     : r.method == "POST"   ? "create"
                     : r.method == "PUT"    ? "update"
                     : r.method == "PATCH"  ? "patch"
                     : r.method == "DELETE" ? (t.name.empty() ? "deletecollection" : "delete")
                                            : "";
  if (verb.empty()) return ReplyStatus(w, NotAllowed());
  if (r.method == "GET" && t.subresource != "log" && !IsAcceptable(r.Header("accept")))
    return ReplyStatus(w,
                       Failure(406, "NotAcceptable",
                               "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
                               "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
                               "application/vnd.kubernetes.protobuf;stream=watch",
                               Json::object()));
  for (const char* number : {"limit", "timeoutSeconds"})
    if (std::string text = r.Query(number); r.method == "GET" && !text.empty() && !ParseInt(text).ok())
      return ReplyStatus(w, BadRequest("strconv.ParseInt: parsing \"" + text + "\": invalid syntax"));
  bool creates_by_apply = verb == "patch" && r.Header("content-type").find("apply-patch") != std::string::npos &&
                          !rest_.Get(*t.type, t.ns, t.name);
  for (const std::string& v :
       creates_by_apply ? std::vector<std::string>{"patch", "create"} : std::vector<std::string>{verb}) {
    std::string ns = t.plural == "namespaces" && t.group.empty() ? t.name : t.ns;
    if (auto refused = Authorize(rest_.store(), user, {v, t.group, t.plural, t.subresource, ns, t.name, ""}))
      return ReplyStatus(w, Forbidden(*t.type, t.name, *refused));
  }
  if (t.type->resource.namespaced && t.ns.empty() && !t.name.empty()) return ReplyStatus(w, NoSuchResource());
  if (t.name.empty() && verb != "list" && verb != "watch" && verb != "create" && verb != "deletecollection")
    return ReplyStatus(w, NotAllowed());
  if (watch) return Watch(r, w, t);
  if (verb == "list") return List(r, w, t);
  if (verb == "get") {
    auto o = rest_.Get(*t.type, t.ns, t.name);
    if (!o) return ReplyStatus(w, o.error());
    if (t.subresource == "log") {
      if (logs_) return logs_(*o, r, w);
      return ReplyStatus(w, Failure(500, "InternalError", "no node serves logs"));
    }
    if (WantsTable(r)) {
      Json table =
          ToTable(*t.type, {&*o}, r.Query("includeObject").empty() ? "Metadata" : r.Query("includeObject"), true);
      table["metadata"]["resourceVersion"] = kube::ResourceVersion(*o);
      return Reply(w, 200, table);
    }
    return Reply(w, 200, WantsPartial(r) ? Partial(*o) : *o);
  }
  if (t.subresource == "token" && verb == "create") return IssueToken(r, w, t);
  Write(r, w, t);
}

void ApiServer::List(const http::Request& r, http::ResponseWriter& w, const Target& t) {
  auto labels = kube::Selector::Parse(r.Query("labelSelector"));
  auto fields = ParseFields(r.Query("fieldSelector"), *t.type);
  if (!labels.ok() || !fields.ok())
    return ReplyStatus(w, BadRequest(labels.ok() ? fields.error().message : labels.error().message));
  uint64_t version = 0;
  auto all = rest_.store().List(Rest::KindKey(*t.type), t.ns, version);
  if (auto wanted = ParseInt(r.Query("resourceVersion")); wanted.ok() && static_cast<uint64_t>(*wanted) > version)
    return ReplyStatus(
        w, Failure(504, "Timeout",
                   "Timeout: Too large resource version: " + r.Query("resourceVersion") +
                       ", current: " + std::to_string(version),
                   {{"retryAfterSeconds", 1},
                    {"causes", {{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}}}}}));
  if (!r.Query("resourceVersionMatch").empty() && r.Query("resourceVersion").empty())
    return ReplyStatus(w, OptionsInvalid("ListOptions", "resourceVersionMatch", "FieldValueForbidden",
                                         "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is "
                                         "provided"));
  std::vector<const Json*> items;
  for (const auto& o : all)
    if (labels->Matches(At(*o, "metadata", "labels")) && FieldsMatch(*fields, *o)) items.push_back(o.get());
  // Pages: the token names the version of the first page and the last key of this one.
  std::string next;
  size_t limit = static_cast<size_t>(std::max<int64_t>(0, ParseInt(r.Query("limit")).value_or(0)));
  if (std::string token = r.Query("continue"); !token.empty()) {
    auto text = Base64Decode(token);
    auto j = text.ok() ? value::ParseJson(*text, "continue") : Result<Json>(text.error());
    if (!j.ok()) return ReplyStatus(w, BadRequest("continue key is not valid: " + token.substr(0, 80)));
    std::erase_if(items, [&](const Json* o) { return kube::Key(*o) <= Str(*j, "start"); });
    version = static_cast<uint64_t>(value::Int(*j, "rv"));
  }
  size_t remaining = 0;
  if (limit > 0 && items.size() > limit) {
    remaining = items.size() - limit;
    items.resize(limit);
    next = Base64Encode(value::Dump({{"rv", version}, {"start", kube::Key(*items.back())}}));
  }
  Json meta = {{"resourceVersion", std::to_string(version)}};
  if (t.type->custom && !WantsTable(r) && !WantsPartial(r)) meta["continue"] = "";
  if (!next.empty()) {
    meta["continue"] = next;
    if (r.Query("labelSelector").empty() && r.Query("fieldSelector").empty()) meta["remainingItemCount"] = remaining;
  }
  if (WantsTable(r)) {
    Json table =
        ToTable(*t.type, items, r.Query("includeObject").empty() ? "Metadata" : r.Query("includeObject"), true);
    table["metadata"] = meta;
    return Reply(w, 200, table);
  }
  bool partial = WantsPartial(r);
  Json list = {{"kind", partial ? "PartialObjectMetadataList" : t.type->list_kind},
               {"apiVersion", partial ? "meta.k8s.io/v1" : t.type->resource.ApiVersion()},
               {"metadata", meta},
               {"items", Json::array()}};
  for (const Json* o : items) list["items"].push_back(partial ? Partial(*o) : ListItem(*t.type, *o));
  Reply(w, 200, list);
}

void ApiServer::Watch(const http::Request& r, http::ResponseWriter& w, const Target& t) {
  if (IsTrue(r.Query("sendInitialEvents")))
    return ReplyStatus(w, Failure(422, "Invalid",
                                  "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the "
                                  "WatchList feature gate is enabled"));
  auto labels = kube::Selector::Parse(r.Query("labelSelector"));
  auto fields = ParseFields(r.Query("fieldSelector"), *t.type);
  if (!labels.ok() || !fields.ok())
    return ReplyStatus(w, BadRequest(labels.ok() ? fields.error().message : labels.error().message));
  auto matches = [&](const Json& o) {
    return (t.ns.empty() || kube::Namespace(o) == t.ns) && (t.name.empty() || kube::Name(o) == t.name) &&
           labels->Matches(At(o, "metadata", "labels")) && FieldsMatch(*fields, o);
  };
  std::string kind = Rest::KindKey(*t.type), from_text = r.Query("resourceVersion");
  if (!from_text.empty() && !ParseInt(from_text).ok()) {
    Json status = Failure(500, "",
                          "resourceVersion: Invalid value: \"" + from_text + "\": strconv.ParseUint: parsing \"" +
                              from_text + "\": invalid syntax");
    status.erase("reason");
    return ReplyStatus(w, status);
  }
  bool table = WantsTable(r), partial = WantsPartial(r), bookmarks = IsTrue(r.Query("allowWatchBookmarks")),
       headers = true;
  std::string include = r.Query("includeObject").empty() ? "Metadata" : r.Query("includeObject");
  w.BeginStream(200, "application/json");
  auto send = [&](const std::string& type, const Json& o) {
    Json shown = table ? ToTable(*t.type, {&o}, include, std::exchange(headers, false)) : partial ? Partial(o) : o;
    if (table) shown["metadata"]["resourceVersion"] = kube::ResourceVersion(o);
    return w.Write(value::Dump({{"type", type}, {"object", shown}}) + "\n");
  };
  uint64_t version = 0;
  if (from_text.empty() || from_text == "0") {
    for (const auto& o : rest_.store().List(kind, t.ns, version))
      if (matches(*o) && !send("ADDED", *o)) return;
  } else {
    version = static_cast<uint64_t>(std::max<int64_t>(0, ParseInt(from_text).value_or(0)));
  }
  auto timeout = std::chrono::seconds(ParseInt(r.Query("timeoutSeconds")).value_or(1800));
  auto end = SteadyNow() + timeout, next_bookmark = SteadyNow() + std::chrono::seconds(30);
  while (SteadyNow() < end && !w.ClientGone()) {
    auto changes = rest_.store().ChangesAfter(kind, version, Millis(1000));
    if (!changes.ok()) {
      Json status = Failure(410, "Expired", changes.error().message);
      w.Write(value::Dump({{"type", "ERROR"}, {"object", status}}) + "\n");
      return;
    }
    for (const Change& c : *changes) {
      version = c.version;
      std::string type = Seen(c, matches);
      if (type.empty()) continue;
      Json last = *c.object;
      if (type == "DELETED" && c.type != "DELETED") {  // it left the selection: shown as it was when it was in it
        last = *c.before;
        last["metadata"]["resourceVersion"] = kube::ResourceVersion(*c.object);
      }
      if (!send(type, last)) return;
    }
    if (changes->empty() && WaitFd(w.wake_fd(), 1 /* POLLIN */, Millis(0)).ok()) return;
    if (bookmarks && SteadyNow() > next_bookmark) {
      next_bookmark = SteadyNow() + std::chrono::seconds(30);
      Json o = {{"kind", t.type->resource.kind},
                {"apiVersion", t.type->resource.ApiVersion()},
                {"metadata", {{"resourceVersion", std::to_string(version)}, {"creationTimestamp", nullptr}}}};
      if (!table && !w.Write(value::Dump({{"type", "BOOKMARK"}, {"object", o}}) + "\n")) return;
    }
  }
}

void ApiServer::Write(http::Request& r, http::ResponseWriter& w, const Target& t) {
  WriteOptions o;
  o.manager = ManagerOf(r);
  o.subresource = t.subresource;
  o.dry_run = r.Query("dryRun") == "All";
  o.force = IsTrue(r.Query("force"));
  if (std::string v = r.Query("fieldValidation"); !v.empty()) o.field_validation = v;
  if (r.method == "DELETE") {
    kube::DeleteOptions d;
    Json body = Json::object();
    if (!r.body.empty()) {
      auto parsed = Body(r, *t.type);
      if (!parsed) return ReplyStatus(w, parsed.error());
      body = *parsed;
    }
    d.uid = Str(body, "preconditions", "uid");
    d.resource_version = Str(body, "preconditions", "resourceVersion");
    d.propagation =
        r.Query("propagationPolicy").empty() ? Str(body, "propagationPolicy") : r.Query("propagationPolicy");
    if (const Json& g = At(body, "gracePeriodSeconds"); g.is_number())
      d.grace_seconds = g.get<int64_t>();
    else if (auto q = ParseInt(r.Query("gracePeriodSeconds")); q.ok())
      d.grace_seconds = *q;
    d.dry_run = o.dry_run;
    if (!t.name.empty()) {
      auto done = rest_.Delete(*t.type, t.ns, t.name, d);
      return done ? Reply(w, 200, *done) : ReplyStatus(w, done.error());
    }
    auto labels = kube::Selector::Parse(r.Query("labelSelector"));
    auto fields = ParseFields(r.Query("fieldSelector"), *t.type);
    if (!labels.ok() || !fields.ok()) return ReplyStatus(w, BadRequest("invalid selector"));
    Json list = {{"kind", t.type->list_kind},
                 {"apiVersion", t.type->resource.ApiVersion()},
                 {"metadata", Json::object()},
                 {"items", Json::array()}};
    for (const auto& live : rest_.store().List(Rest::KindKey(*t.type), t.ns))
      if (labels->Matches(At(*live, "metadata", "labels")) && FieldsMatch(*fields, *live) &&
          rest_.Delete(*t.type, kube::Namespace(*live), kube::Name(*live), d))
        list["items"].push_back(ListItem(*t.type, *live));
    list["metadata"]["resourceVersion"] = std::to_string(rest_.store().version());
    if (t.type->custom) list["metadata"]["continue"] = "";
    return Reply(w, 200, list);
  }
  std::string content = r.Header("content-type");
  auto body = Body(r, *t.type);
  if (!body) return ReplyStatus(w, body.error());
  ApiResult result;
  if (r.method == "POST") {
    if (!t.name.empty()) return ReplyStatus(w, NotAllowed());
    result = rest_.Create(*t.type, t.ns, *body, o);
  } else if (r.method == "PUT") {
    result = rest_.Update(*t.type, t.ns, t.name, *body, o);
  } else {
    using kube::PatchType;
    std::optional<PatchType> type;
    if (content.starts_with("application/merge-patch+json"))
      type = PatchType::kMerge;
    else if (content.starts_with("application/json-patch+json"))
      type = PatchType::kJson;
    else if (content.starts_with("application/strategic-merge-patch+json"))
      type = PatchType::kStrategic;
    else if (content.starts_with("application/apply-patch+yaml"))
      type = PatchType::kApply;
    if (!type && !t.type->custom)
      return ReplyStatus(w, Failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", Json::object()));
    if (!type)
      return ReplyStatus(w, Failure(415, "UnsupportedMediaType",
                                    "the body of the request was in an unknown format - accepted media types include: "
                                    "application/json-patch+json, application/merge-patch+json, "
                                    "application/apply-patch+yaml"));
    if (*type == PatchType::kApply && r.Query("fieldManager").empty())
      return ReplyStatus(w, OptionsInvalid("PatchOptions", "fieldManager", "FieldValueRequired",
                                           "Required value: is required for apply patch"));
    result = rest_.Patch(*t.type, t.ns, t.name, *type, *body, o);
  }
  if (!result) return ReplyStatus(w, result.error());
  http::Headers headers;
  if (!o.warnings.empty()) headers["Warning"] = "299 - \"" + ReplaceAll(Join(o.warnings, ", "), "\"", "\\\"") + "\"";
  int code = r.method == "POST" || o.created ? 201 : 200;
  if (WantsTable(r)) return Reply(w, code, ToTable(*t.type, {&*result}, "Metadata", true), headers);
  Reply(w, code, *result, headers);
}

void ApiServer::IssueToken(const http::Request& r, http::ResponseWriter& w, const Target& t) {
  if (auto account = rest_.Get(*t.type, t.ns, t.name); !account) return ReplyStatus(w, account.error());
  static const ResourceType request{.resource = {"authentication.k8s.io", "v1", "tokenrequests", true, "TokenRequest"}};
  auto body = Body(r, request);
  if (!body) return ReplyStatus(w, body.error());
  int64_t seconds = std::clamp<int64_t>(value::AsInt(At(*body, "spec", "expirationSeconds"), 3600), 1, 86400);
  Json out = *body;
  out["kind"] = "TokenRequest";
  out["apiVersion"] = "authentication.k8s.io/v1";
  out["status"] = {{"token", tokens_.Issue(t.ns, t.name, "", "", std::chrono::seconds(seconds))},
                   {"expirationTimestamp", Rfc3339(WallNow() + std::chrono::seconds(seconds))}};
  Reply(w, 201, out);
}

// What is asked and answered at once, and never kept: may I, may that user, whose token is this?
void ApiServer::Review(const http::Request& r, http::ResponseWriter& w, const User& user, const Target& t) {
  static const std::map<std::string, ResourceType> known = [] {
    std::map<std::string, ResourceType> out;
    for (const kube::Resource& resource :
         {kube::Resource{"authentication.k8s.io", "v1", "tokenreviews", false, "TokenReview"},
          {"authorization.k8s.io", "v1", "subjectaccessreviews", false, "SubjectAccessReview"},
          {"authorization.k8s.io", "v1", "selfsubjectaccessreviews", false, "SelfSubjectAccessReview"}})
      out[resource.plural].resource = resource;
    return out;
  }();
  auto type = known.find(t.plural);
  if (type == known.end() || type->second.resource.group != t.group) return ReplyStatus(w, NoSuchResource());
  if (r.method != "POST") return ReplyStatus(w, NotAllowed());
  bool self = t.plural == "selfsubjectaccessreviews";  // of oneself anyone may ask
  if (!self)
    if (auto refused = Authorize(rest_.store(), user, {"create", t.group, t.plural, "", "", "", ""}))
      return ReplyStatus(w, Forbidden(type->second, "", *refused));
  auto body = Body(r, type->second);
  if (!body) return ReplyStatus(w, body.error());
  Json out = *body;
  const Json& spec = At(*body, "spec");
  if (t.plural == "tokenreviews") {
    auto whose = tokens_.Verify(Str(spec, "token"), rest_.store());
    if (whose.ok())
      out["status"] = {{"authenticated", true}, {"user", {{"username", whose->name}, {"groups", whose->groups}}}};
    else
      out["status"] = {{"authenticated", false}, {"error", whose.error().message}};
  } else {
    User about = user;
    if (!self) {
      about = {Str(spec, "user"), {}};
      for (const Json& group : At(spec, "groups")) about.groups.push_back(value::AsString(group));
    }
    const Json& a = At(spec, "resourceAttributes");
    auto refused = Authorize(rest_.store(), about,
                             {Str(a, "verb"), Str(a, "group"), Str(a, "resource"), Str(a, "subresource"),
                              Str(a, "namespace"), Str(a, "name"), Str(spec, "nonResourceAttributes", "path")});
    out["status"] = {{"allowed", !refused}};
    if (refused) out["status"]["reason"] = *refused;
  }
  Reply(w, 201, out);
}

}  // namespace fairlead::lab
