#include "cmd/adoption.h"

#include "cmd/chart_diff.h"
#include "cmd/mesh_plan.h"
#include "mesh/applier.h"
#include "mesh/helm_release.h"
#include "util/strings.h"

namespace fairlead::cmd {
namespace {

using value::At;
using value::Str;

// Reads the cluster, asks about writes without doing them, and remembers what each would have done.
class DryRunApi : public kube::Api {
 public:
  struct Write {
    Json before, after;            // null: not there
    bool takes_additions = false;  // what others had set goes
  };

  explicit DryRunApi(kube::Client& client) : client_(client) {}
  const std::map<std::string, Write>& writes() const { return writes_; }

  Result<Json> Get(const kube::Resource& r, const std::string& ns, const std::string& name) override {
    return client_.Get(r, ns, name);
  }
  Result<kube::ListResult> List(const kube::Resource& r, const std::string& ns, const kube::ListOptions& o) override {
    return client_.List(r, ns, o);
  }
  Result<Json> Patch(const kube::Resource& r, const std::string& ns, const std::string& name, kube::PatchType type,
                     const Json& patch, const kube::PatchOptions& options) override {
    kube::PatchOptions asked = options;
    asked.dry_run = true;
    auto live = client_.Get(r, ns, name);
    if (!live.ok() && live.error().code != Code::kNotFound) return live;
    auto after = client_.Patch(r, ns, name, type, patch, asked);
    // A server cannot say what becomes of an object in a namespace that is not there yet.
    if (!after.ok() && after.error().code == Code::kNotFound && type == kube::PatchType::kApply) after = patch;
    if (!after.ok()) return after;
    Write& write = writes_[r.kind + "/" + ns + "/" + name];
    write.before = live.ok() ? *live : Json();
    if (type == kube::PatchType::kApply)
      write.after = *after;
    else
      write.takes_additions = true;
    return after;
  }
  Status Delete(const kube::Resource& r, const std::string& ns, const std::string& name,
                const kube::DeleteOptions&) override {
    FL_ASSIGN(Json live, client_.Get(r, ns, name));
    writes_[r.kind + "/" + ns + "/" + name] = {.before = live, .after = Json()};
    return {};
  }
  Result<Json> Create(const kube::Resource&, const Json&) override { return Unexpected(); }
  Result<Json> Update(const kube::Resource&, const Json&, const std::string&) override { return Unexpected(); }
  Status Watch(const kube::Resource&, const std::string&, const kube::ListOptions&,
               std::function<bool(kube::WatchEvent)>, std::stop_token) override {
    return Unexpected();
  }

 private:
  static Error Unexpected() {
    return MakeError(Code::kUnsupported, "a dry run writes nothing, and was about to; report it");
  }
  kube::Client& client_;
  std::map<std::string, Write> writes_;
};

// What becomes of the pods.
std::string Consequence(const DryRunApi::Write& w) {
  const Json& o = w.after.is_null() ? w.before : w.after;
  std::string kind = Str(o, "kind");
  if (kind != "DaemonSet" && kind != "Deployment") return "";
  std::string pods =
      std::to_string(value::Int(w.before, "status", kind == "DaemonSet" ? "desiredNumberScheduled" : "replicas"));
  if (w.before.is_null()) return kind + " " + kube::Name(o) + " is new.\n";
  if (w.after.is_null()) return kind + " " + kube::Name(o) + " goes, with its " + pods + " pods.\n";
  bool same = !w.takes_additions && At(w.before, "spec", "template") == At(w.after, "spec", "template");
  return kind + " " + kube::Name(o) +
         (same ? " keeps its " + pods + " pods: its template does not change.\n"
               : ": its " + pods + " pods are replaced, as in any update.\n");
}

}  // namespace

Result<AdoptionPlan> PlanAdoption(kube::Client& client, kube::ResourceMapper& mapper, const Json& resource,
                                  int context) {
  FL_ASSIGN(MeshPlan plan, PlanFor(client, resource));
  if (!plan.values.wrong.empty()) return MakeError(Code::kInvalid, Join(plan.values.wrong, "; "));
  Json owner = resource;
  if (kube::Uid(owner).empty())
    owner["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000";  // it is not made yet
  DryRunApi api(client);
  mesh::Applier applier(api, mapper);
  Json before = At(resource, "status", "inventory"), kept = Json::array();
  std::string adopted;
  for (const mesh::Release& release : plan.releases) {
    FL_ASSIGN(auto objects, RenderRelease(plan, release));
    FL_ASSIGN(auto applied, applier.Apply(objects, owner, release.name, release.ns));
    for (const Json& entry : applied.inventory) kept.push_back(entry);
    FL_ASSIGN(Json inventory, mesh::ReleaseInventory(api, mapper, release.name, release.ns));
    if (inventory.empty()) continue;
    adopted += "Helm release " + release.ns + "/" + release.name + ": " + std::to_string(inventory.size()) +
               " objects are adopted; its Secrets stay.\n";
    if (!before.is_array()) before = Json::array();
    for (const Json& entry : inventory) before.push_back(entry);
  }
  FL_TRY(applier.Prune(before, kept, kube::Uid(owner)));

  AdoptionPlan out;
  std::string consequences;
  for (const auto& [name, write] : api.writes()) {
    std::string diff = DiffObject(write.before, write.after, context);
    if (write.takes_additions) diff += "  what others had set in " + name + " and the chart does not goes, too\n\n";
    out.changes |= !diff.empty();
    out.text += diff;
    consequences += Consequence(write);
  }
  for (const std::string& unknown : plan.values.unknown) adopted += "warning: " + unknown + "\n";
  if (!out.changes) consequences += "Nothing changes.\n";
  out.text += adopted + consequences;
  return out;
}

}  // namespace fairlead::cmd
