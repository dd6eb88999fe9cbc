#include "chart/manifests.h"

#include "util/strings.h"
#include "util/unicode.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace {

constexpr const char* kInstallOrder[] = {"PriorityClass",
                                         "Namespace",
                                         "NetworkPolicy",
                                         "ResourceQuota",
                                         "LimitRange",
                                         "PodSecurityPolicy",
                                         "PodDisruptionBudget",
                                         "ServiceAccount",
                                         "Secret",
                                         "SecretList",
                                         "ConfigMap",
                                         "StorageClass",
                                         "PersistentVolume",
                                         "PersistentVolumeClaim",
                                         "CustomResourceDefinition",
                                         "ClusterRole",
                                         "ClusterRoleList",
                                         "ClusterRoleBinding",
                                         "ClusterRoleBindingList",
                                         "Role",
                                         "RoleList",
                                         "RoleBinding",
                                         "RoleBindingList",
                                         "Service",
                                         "DaemonSet",
                                         "Pod",
                                         "ReplicationController",
                                         "ReplicaSet",
                                         "Deployment",
                                         "HorizontalPodAutoscaler",
                                         "StatefulSet",
                                         "Job",
                                         "CronJob",
                                         "IngressClass",
                                         "Ingress",
                                         "APIService"};
constexpr const char* kHookEvents[] = {"pre-install",  "post-install", "pre-delete",    "post-delete", "pre-upgrade",
                                       "post-upgrade", "pre-rollback", "post-rollback", "test",        "test-success"};

// Kinds that are not in the list come last, by name.
bool InstalledBefore(const Json& a, const Json& b) {
  auto rank = [](const std::string& kind) {
    return std::find(std::begin(kInstallOrder), std::end(kInstallOrder), kind) - std::begin(kInstallOrder);
  };
  std::string ka = value::Str(a, "kind"), kb = value::Str(b, "kind");
  auto ra = rank(ka), rb = rank(kb);
  if (ra != rb) return ra < rb;
  return ra == std::ssize(kInstallOrder) && ka < kb;
}

// At lines that begin with ---, with the blanks around them.
std::vector<std::string> Documents(const std::string& text) {
  std::string all(unicode::TrimSpace(text));
  std::vector<std::string> out;
  size_t start = 0;
  auto keep = [&](size_t end) {
    std::string part(unicode::TrimSpace(std::string_view(all).substr(start, end - start)));
    if (!part.empty()) out.push_back(std::move(part));
  };
  for (size_t at = all.starts_with("---") ? 0 : all.find("\n---"); at != all.npos; at = all.find("\n---", start)) {
    size_t dashes = at + (at == 0 && all[0] == '-' ? 0 : 1);
    if (at > start) keep(at);
    start = dashes + 3;
    while (start < all.size() && isspace(static_cast<unsigned char>(all[start]))) ++start;
  }
  keep(all.size());
  return out;
}

Status CheckHead(const Json& object, const std::string& path) {
  auto fail = [&](const Json& is, const std::string& where) {
    return MakeError(Code::kInvalid, "YAML parse error on " + path +
                                         ": error unmarshaling JSON: while decoding JSON: json: cannot unmarshal " +
                                         (is.is_boolean()  ? "bool"
                                          : is.is_number() ? "number"
                                                           : value::TypeName(is)) +
                                         " into Go " + where);
  };
  if (object.is_null()) return {};
  if (!object.is_object()) return fail(object, "value of type releaseutil.SimpleHead");
  for (const char* field : {"apiVersion", "kind"})
    if (const Json& v = value::Member(object, field); v.is_structured())
      return fail(v, std::string("struct field SimpleHead.") + (strcmp(field, "kind") == 0 ? "kind" : "apiVersion") +
                         " of type string");
  const Json& meta = value::Member(object, "metadata");
  if (!meta.is_null() && !meta.is_object())
    return fail(meta,
                "struct field SimpleHead.metadata of type struct { Name string \"json:\\\"name\\\"\"; Annotations "
                "map[string]string "
                "\"json:\\\"annotations\\\"\" }");
  for (const auto& [key, v] : value::Member(meta, "annotations").items())
    if (v.is_structured()) return fail(v, "struct field .metadata.annotations of type string");
  return {};
}

}  // namespace

Result<Manifests> SortManifests(const Files& rendered) {
  Manifests out;
  for (const auto& [path, content] : rendered) {
    for (std::string& text : Documents(content)) {
      FL_ASSIGN(Json object,
                value::ParseYaml(text, "YAML parse error on " + path + ": error converting YAML to JSON: yaml"));
      FL_TRY(CheckHead(object, path));
      std::string hook = value::Str(object, "metadata", "annotations", "helm.sh/hook");
      if (!value::At(object, "metadata", "annotations").contains("helm.sh/hook")) {
        out.objects.push_back({path, std::move(text), std::move(object)});
        continue;
      }
      Hook h{{path, std::move(text), std::move(object)}, {}, 0};
      for (const std::string& part : Split(hook, ',')) h.events.push_back(ToLower(Trim(part)));
      bool known = std::all_of(h.events.begin(), h.events.end(), [](const std::string& e) {
        return std::find(std::begin(kHookEvents), std::end(kHookEvents), e) != std::end(kHookEvents);
      });
      if (!known) continue;
      if (auto weight = ParseInt(value::Str(h.object, "metadata", "annotations", "helm.sh/hook-weight")); weight.ok())
        h.weight = static_cast<int>(*weight);
      out.hooks.push_back(std::move(h));
    }
  }
  auto before = [](const Manifest& a, const Manifest& b) { return InstalledBefore(a.object, b.object); };
  std::stable_sort(out.objects.begin(), out.objects.end(), before);
  std::stable_sort(out.hooks.begin(), out.hooks.end(), before);
  return out;
}

}  // namespace fairlead::chart
