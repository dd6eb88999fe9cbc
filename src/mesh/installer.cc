#include "mesh/installer.h"

#include "chart/render.h"
#include "mesh/helm_release.h"
#include "util/log.h"

namespace fairlead::mesh {

using value::At;
using value::Str;

std::optional<Problem> Installer::Install(const std::vector<Operator::Input>& inputs, const Resources& resources,
                                          const std::vector<Release>& releases, const Json& inventory) {
  const Json& owner = inputs[0].object;
  std::string uid = kube::Uid(owner);
  auto failed = [&](const Error& e, bool retry) {
    installed_.erase(uid);
    return Problem{"ReconcileError", "error reconciling resource: " + e.message, retry};
  };
  std::string wanted;
  for (const Release& r : releases)
    wanted += r.chart + "\n" + r.name + "\n" + r.ns + "\n" + value::Dump(r.values) + "\n";
  bool changed = [&] {
    std::lock_guard lock(mutex_);
    return changed_.erase(uid) > 0;
  }();
  auto known = installed_.find(uid);
  if (!changed && known != installed_.end() && wanted == known->second.wanted &&
      SteadyNow() < known->second.at + look_period_)
    return std::nullopt;

  if (Status current = op_.CheckCurrent(inputs); !current.ok()) {
    installed_.erase(uid);
    bool stale = current.error().code == Code::kConflict;
    return Problem{"ReconcileError", "error reconciling resource: " + current.error().message, true, stale};
  }
  Installed done{.wanted = wanted, .inventory = Json::array(), .workloads = {}, .at = SteadyNow()};
  for (const Release& r : releases) {
    auto chart = resources.charts.find(r.chart);
    if (chart == resources.charts.end())
      return failed(MakeError(Code::kNotFound, "failed to load chart: there is no chart \"" + r.chart + "\""), false);
    auto objects = chart::Render(chart->second, value::WithFloatNumbers(r.values),
                                 {.name = r.name,
                                  .ns = r.ns,
                                  .is_upgrade = !inventory.is_null(),
                                  .kube_version = op_.config.cluster.kube_version,
                                  .api_versions = op_.config.cluster.api_versions});
    if (!objects.ok()) return failed(objects.error(), false);
    auto applied = op_.applier.Apply(*objects, owner, r.name, r.ns);
    if (!applied.ok()) return failed(applied.error(), true);
    for (const Json& entry : applied->inventory) done.inventory.push_back(entry);
    done.workloads.merge(applied->workloads);
  }
  Json before = inventory.is_null() ? Adopted(releases) : inventory;
  if (Status pruned = op_.applier.Prune(before, done.inventory, uid); !pruned.ok()) return failed(pruned.error(), true);
  installed_[uid] = std::move(done);
  return std::nullopt;
}

Json Installer::Adopted(const std::vector<Release>& releases) {
  Json all = Json::array();
  for (const Release& r : releases) {
    auto inventory = ReleaseInventory(op_.api, op_.applier.mapper(), r.name, r.ns);
    if (!inventory.ok())
      Log(Level::kInfo, "no Helm release is looked for",
          {{"release", r.ns + "/" + r.name}, {"why", inventory.error().message}});
    else if (!inventory->empty())
      Log(Level::kInfo, "a Helm release is adopted",
          {{"release", r.ns + "/" + r.name}, {"objects", std::to_string(inventory->size())}});
    if (inventory.ok())
      for (const Json& entry : *inventory) all.push_back(entry);
  }
  return all;
}

const Installed& Installer::Of(const Json& owner) const {
  static const Installed nothing;
  auto it = installed_.find(kube::Uid(owner));
  return it == installed_.end() ? nothing : it->second;
}

void Installer::Forget(const std::string& owner_uid) { installed_.erase(owner_uid); }

void Installer::MarkChanged(const std::string& owner_uid) {
  std::lock_guard lock(mutex_);
  changed_.insert(owner_uid);
}

bool MayChangeInstallation(const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
  auto made = [](const Json& o) {
    return std::tuple(kube::Generation(o), At(o, "metadata", "labels"), At(o, "metadata", "annotations"));
  };
  if (!before || !now || kube::IsDeleting(*now) || made(*before) != made(*now)) return true;
  // ConfigMaps and accounts have no generation, and no status either.
  return kube::Generation(*now) == 0 && kube::ResourceVersion(*before) != kube::ResourceVersion(*now);
}

}  // namespace fairlead::mesh
