#include "lab/auth.h"

#include "util/strings.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Str;

std::string Base64Url(std::string_view bytes) {
  std::string out = Base64Encode(bytes);
  while (out.ends_with('=')) out.pop_back();
  return ReplaceAll(ReplaceAll(out, "+", "-"), "/", "_");
}

int64_t UnixNow() { return std::chrono::duration_cast<std::chrono::seconds>(WallNow().time_since_epoch()).count(); }

bool Contains(const Json& list, const std::string& v) {
  if (!list.is_array()) return false;
  return std::any_of(list.begin(), list.end(), [&](const Json& item) { return item == v || item == "*"; });
}

bool RuleAllows(const Json& rule, const Access& a) {
  if (!Contains(At(rule, "verbs"), a.verb)) return false;
  if (!a.path.empty()) {
    for (const Json& url : At(rule, "nonResourceURLs")) {
      std::string u = value::AsString(url);
      if (u == "*" || u == a.path || (u.ends_with('*') && a.path.starts_with(u.substr(0, u.size() - 1)))) return true;
    }
    return false;
  }
  if (!Contains(At(rule, "apiGroups"), a.group)) return false;
  std::string resource = a.subresource.empty() ? a.resource : a.resource + "/" + a.subresource;
  bool named = false;
  for (const Json& r : At(rule, "resources"))
    named = named || r == "*" || r == resource || (!a.subresource.empty() && r == "*/" + a.subresource);
  if (!named) return false;
  const Json& names = At(rule, "resourceNames");
  return value::IsEmpty(names) || std::find(names.begin(), names.end(), Json(a.name)) != names.end();
}

bool SubjectIs(const Json& subject, const User& user, const std::string& binding_ns) {
  std::string kind = Str(subject, "kind"), name = Str(subject, "name");
  if (kind == "User") return name == user.name;
  if (kind == "Group") return std::find(user.groups.begin(), user.groups.end(), name) != user.groups.end();
  std::string ns = Str(subject, "namespace").empty() ? binding_ns : Str(subject, "namespace");
  return kind == "ServiceAccount" && user.name == "system:serviceaccount:" + ns + ":" + name;
}

bool BindingAllows(const Store& store, const Json& binding, const User& user, const Access& a) {
  std::string ns = kube::Namespace(binding);
  const Json& subjects = At(binding, "subjects");
  if (std::none_of(subjects.begin(), subjects.end(), [&](const Json& s) { return SubjectIs(s, user, ns); }))
    return false;
  bool cluster = Str(binding, "roleRef", "kind") == "ClusterRole";
  auto role = store.Get(std::string("rbac.authorization.k8s.io/") + (cluster ? "clusterroles" : "roles"),
                        kube::Key(cluster ? "" : ns, Str(binding, "roleRef", "name")));
  if (!role) return false;
  const Json& rules = At(*role, "rules");
  return std::any_of(rules.begin(), rules.end(), [&](const Json& rule) { return RuleAllows(rule, a); });
}

}  // namespace

TokenAuthority::TokenAuthority() : key_(RandomHex(64)) {}

std::string TokenAuthority::Issue(const std::string& ns, const std::string& account, const std::string& pod_name,
                                  const std::string& pod_uid, std::chrono::seconds valid) const {
  Json header = {{"alg", "HS256"}, {"typ", "JWT"}};
  Json claims = {{"iss", "https://kubernetes.default.svc"},
                 {"aud", {"https://kubernetes.default.svc"}},
                 {"iat", UnixNow()},
                 {"exp", UnixNow() + valid.count()},
                 {"sub", "system:serviceaccount:" + ns + ":" + account},
                 {"kubernetes.io", {{"namespace", ns}, {"serviceaccount", {{"name", account}}}}}};
  if (!pod_uid.empty()) claims["kubernetes.io"]["pod"] = {{"name", pod_name}, {"uid", pod_uid}};
  std::string body = Base64Url(value::Dump(header)) + "." + Base64Url(value::Dump(claims));
  return body + "." + Base64Url(value::HmacSha256(key_, body));
}

Result<User> TokenAuthority::Verify(const std::string& token, const Store& store) const {
  auto no = [](const char* why) { return MakeError(Code::kUnauthorized, why); };
  auto parts = Split(token, '.');
  if (parts.size() != 3) return no("malformed token");
  if (Base64Url(value::HmacSha256(key_, parts[0] + "." + parts[1])) != parts[2]) return no("signature does not fit");
  FL_ASSIGN(std::string text, Base64Decode(parts[1]));
  FL_ASSIGN(Json claims, value::ParseJson(text, "token"));
  if (value::Int(claims, "exp") < UnixNow()) return no("token has expired");
  const Json& k = At(claims, "kubernetes.io");
  std::string ns = Str(k, "namespace"), account = Str(k, "serviceaccount", "name");
  if (!store.Get("/serviceaccounts", kube::Key(ns, account))) return no("service account is gone");
  if (const Json& pod = At(k, "pod"); pod.is_object()) {
    auto live = store.Get("/pods", kube::Key(ns, Str(pod, "name")));
    if (!live || kube::Uid(*live) != Str(pod, "uid")) return no("the pod of the token is gone");
  }
  return User{"system:serviceaccount:" + ns + ":" + account,
              {"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"}};
}

std::optional<std::string> Authorize(const Store& store, const User& user, const Access& a) {
  if (std::find(user.groups.begin(), user.groups.end(), "system:masters") != user.groups.end()) return std::nullopt;
  // Discovery and health are open to all who are known, as system:discovery and system:public-info-viewer have it.
  if (!a.path.empty() && a.verb == "get" && user.name != "system:anonymous")
    for (std::string_view open : {"/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz"})
      if (a.path == open || a.path.starts_with(std::string(open) + "/")) return std::nullopt;
  for (const auto& b : store.List("rbac.authorization.k8s.io/clusterrolebindings"))
    if (BindingAllows(store, *b, user, a)) return std::nullopt;
  if (!a.ns.empty())
    for (const auto& b : store.List("rbac.authorization.k8s.io/rolebindings", a.ns))
      if (BindingAllows(store, *b, user, a)) return std::nullopt;
  if (!a.path.empty()) return "User \"" + user.name + "\" cannot " + a.verb + " path \"" + a.path + "\"";
  return "User \"" + user.name + "\" cannot " + a.verb + " resource \"" + a.resource +
         (a.subresource.empty() ? "" : "/" + a.subresource) + "\" in API group \"" + a.group + "\"" +
         (a.ns.empty() ? " at the cluster scope" : " in the namespace \"" + a.ns + "\"");
}

}  // namespace fairlead::lab
