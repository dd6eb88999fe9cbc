#include "mesh/applier.h"

#include "util/log.h"
#include "value/merge.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

constexpr int kAttempts = 5;
constexpr const char* kHashAnnotation = "fairlead.io/applied-hash";

std::string Describe(const Json& o) {
  std::string ns = kube::Namespace(o);
  return Str(o, "kind") + " " + (ns.empty() ? "" : ns + "/") + kube::Name(o);
}

// istiod makes failures of its webhook fatal once it can answer. What it decided stays.
void KeepFailurePolicies(Json& wanted, const Json& live) {
  for (Json& webhook : wanted["webhooks"])
    for (const Json& now : At(live, "webhooks"))
      if (Str(now, "name") == Str(webhook, "name") && now.contains("failurePolicy"))
        webhook["failurePolicy"] = now["failurePolicy"];
}

// What was written, and the object's state after that: status does not matter where there is a generation.
std::string Mark(const std::string& hash, const Json& o) {
  int64_t generation = kube::Generation(o);
  return hash + "/" + kube::Uid(o) + "/" + (generation > 0 ? std::to_string(generation) : kube::ResourceVersion(o));
}

// 100m and "100m", 1 and "1": what a server may write differently.
bool SameScalar(const Json& a, const Json& b) {
  if (a == b) return true;
  if (a.is_number() && b.is_string()) return value::Dump(a) == b.get<std::string>();
  if (a.is_string() && b.is_number()) return a.get<std::string>() == value::Dump(b);
  return false;
}

}  // namespace

Json TakeOverFields(const Json& managed_fields) {
  Json out = Json::array(), ours;
  Json taken = Json::object();
  for (const Json& entry : managed_fields) {
    bool mine = Str(entry, "manager") == kFieldManager && Str(entry, "operation") == "Apply";
    if (mine)
      ours = entry;
    else if (Str(entry, "operation") == "Update" && Str(entry, "subresource").empty())
      value::MergePatch(taken, At(entry, "fieldsV1"));
    else
      out.push_back(entry);
  }
  if (ours.is_null()) return managed_fields;
  // Labels and annotations that somebody added do no harm, and a restart by hand is to stay one.
  taken.erase("f:metadata");
  const Json::json_pointer restarts("/f:spec/f:template/f:metadata/f:annotations");
  if (taken.contains(restarts)) taken[restarts].erase("f:kubectl.kubernetes.io/restartedAt");
  value::MergePatch(ours["fieldsV1"], taken);  // sets of fields have no nulls: the union
  out.push_back(ours);
  return taken.empty() ? managed_fields : out;
}

bool Covers(const Json& live, const Json& wanted) {
  if (wanted.is_object()) {
    for (const auto& [k, v] : wanted.items()) {
      if (value::IsEmpty(v) && value::IsEmpty(At(live, k.c_str()))) continue;
      if (!live.is_object() || !live.contains(k) || !Covers(live[k], v)) return false;
    }
    return true;
  }
  if (wanted.is_array()) {
    if (!live.is_array() || live.size() != wanted.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i)
      if (!Covers(live[i], wanted[i])) return false;
    return true;
  }
  return SameScalar(live, wanted);
}

Result<Applied> Applier::Apply(const std::vector<Json>& objects, const Json& owner, const std::string& release,
                               const std::string& release_ns) {
  Applied out;
  for (Json object : objects) {
    FL_ASSIGN(kube::Resource resource, mapper_.Find(Str(object, "apiVersion"), Str(object, "kind")));
    Json& meta = object["metadata"];
    if (resource.namespaced && Str(meta, "namespace").empty()) meta["namespace"] = release_ns;
    if (!resource.namespaced) meta.erase("namespace");
    meta["labels"]["managed-by"] = "sail-operator";
    meta["labels"]["app.kubernetes.io/managed-by"] = "Helm";
    meta["annotations"]["meta.helm.sh/release-name"] = release;
    meta["annotations"]["meta.helm.sh/release-namespace"] = release_ns;
    meta["ownerReferences"] = {kube::OwnerReference(owner)};
    meta["annotations"][kHashAnnotation] = value::Sha256Hex(value::Dump(object)).substr(0, 16);
    std::string ns = Str(meta, "namespace"), name = Str(meta, "name");

    auto live = api_.Get(resource, ns, name);
    if (!live.ok() && live.error().code != Code::kNotFound) return live.error().Wrap("reading " + Describe(object));
    if (live.ok()) {
      std::string controller = Str(kube::ControllerOf(*live), "uid");
      if (!controller.empty() && controller != kube::Uid(owner))
        return MakeError(Code::kConflict, Describe(object) + " exists and is controlled by " +
                                              Str(kube::ControllerOf(*live), "kind") + "/" +
                                              Str(kube::ControllerOf(*live), "name") +
                                              "; delete it or remove its owner reference");
    }
    if (live.ok() && Str(object, "kind") == "ValidatingWebhookConfiguration") KeepFailurePolicies(object, *live);
    std::string key = Describe(object), hash = kube::Annotation(object, kHashAnnotation);
    Json now;
    if (live.ok() && (Covers(*live, object) || IsStubborn(key, hash, *live))) {
      now = std::move(*live);
    } else {
      FL_ASSIGN(now, Write(resource, object, live.ok() ? *live : Json()));
      ++out.written;
      std::lock_guard lock(mutex_);
      if (Covers(now, object))
        stubborn_.erase(key);
      else
        stubborn_[key] = Mark(hash, now);
    }
    Json entry = {{"apiVersion", Str(object, "apiVersion")}, {"kind", Str(object, "kind")}, {"name", name}};
    if (!ns.empty()) entry["namespace"] = ns;
    out.inventory.push_back(entry);
    if (Str(object, "kind") == "DaemonSet" || Str(object, "kind") == "Deployment")
      out.workloads[Str(object, "kind") + "/" + ns + "/" + name] = std::move(now);
  }
  return out;
}

Result<Json> Applier::Write(const kube::Resource& resource, const Json& object, const Json& live) {
  std::string ns = kube::Namespace(object), name = kube::Name(object);
  auto apply = [&]() -> Result<Json> {
    auto written = api_.Patch(resource, ns, name, kube::PatchType::kApply, object,
                              {.subresource = "", .field_manager = kFieldManager, .force = true});
    if (!written.ok()) return written.error().Wrap("applying " + Describe(object));
    return written;
  };
  FL_ASSIGN(Json now, apply());
  Log(Level::kInfo, live.is_null() ? "object created" : "object updated", {{"object", Describe(object)}});
  if (object.contains("webhooks")) return now;
  for (int attempt = 0; attempt < kAttempts && !Covers(now, object); ++attempt) {
    // Somebody else's additions are in the way.
    Json fields = TakeOverFields(At(now, "metadata", "managedFields"));
    if (fields == At(now, "metadata", "managedFields")) break;
    Json patch = {{{"op", "test"}, {"path", "/metadata/resourceVersion"}, {"value", kube::ResourceVersion(now)}},
                  {{"op", "replace"}, {"path", "/metadata/managedFields"}, {"value", fields}}};
    auto taken = api_.Patch(resource, ns, name, kube::PatchType::kJson, patch,
                            {.subresource = "", .field_manager = kFieldManager});
    if (!taken.ok()) {  // its status may have been written meanwhile
      if (attempt + 1 == kAttempts) return taken.error().Wrap("taking over the fields of " + Describe(object));
      FL_ASSIGN(now, api_.Get(resource, ns, name));
      continue;
    }
    Log(Level::kInfo, "fields that others had set are taken over", {{"object", Describe(object)}});
    FL_ASSIGN(now, apply());
  }
  return now;
}

bool Applier::IsStubborn(const std::string& key, const std::string& hash, const Json& live) {
  std::lock_guard lock(mutex_);
  auto it = stubborn_.find(key);
  return it != stubborn_.end() && it->second == Mark(hash, live);
}

Status Applier::Prune(const Json& inventory, const Json& keep, const std::string& owner_uid) {
  if (!inventory.is_array()) return {};
  for (size_t i = inventory.size(); i-- > 0;) {
    Json entry = inventory[i];
    std::string release = Str(entry, "release");
    entry.erase("release");
    if (std::find(keep.begin(), keep.end(), entry) != keep.end()) continue;
    auto resource = mapper_.Find(Str(entry, "apiVersion"), Str(entry, "kind"));
    if (!resource.ok()) {
      if (resource.error().code == Code::kNotFound) continue;  // the kind itself is gone
      return resource.error();
    }
    auto live = api_.Get(*resource, Str(entry, "namespace"), Str(entry, "name"));
    if (!live.ok() && live.error().code == Code::kNotFound) continue;
    if (!live.ok()) return live.error();
    const Json& controller = kube::ControllerOf(*live);
    bool adopted =
        !release.empty() && controller.is_null() && kube::Annotation(*live, "meta.helm.sh/release-name") == release;
    if (Str(controller, "uid") != owner_uid && !adopted) continue;
    Status s = api_.Delete(*resource, Str(entry, "namespace"), Str(entry, "name"),
                           {.uid = kube::Uid(*live), .resource_version = "", .propagation = "Background"});
    if (!s.ok() && s.error().code != Code::kNotFound) return s.error().Wrap("deleting " + Describe(*live));
    Log(Level::kInfo, "object deleted", {{"object", Describe(*live)}});
  }
  return {};
}

}  // namespace fairlead::mesh
