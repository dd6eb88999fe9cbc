#include "mesh/istiorevisiontag.h"

#include "mesh/istiorevision.h"
#include "mesh/values.h"

namespace fairlead::mesh {

using value::At;
using value::Str;

Result<kube::ObjectPtr> ResolveTarget(const Caches& caches, const Json& target, std::vector<Operator::Input>& inputs) {
  std::string kind = Str(target, "kind"), name = Str(target, "name"), revision = name;
  if (kind == "Istio") {
    auto istio = caches.istios.Get(name);
    if (!istio)
      return MakeError(Code::kNotFound, "referenced Istio \"" + name + "\" does not exist; make it, or name another");
    inputs.push_back({kube::kIstios, *istio});
    revision = Str(*istio, "status", "activeRevisionName");
    if (revision.empty())
      return MakeError(Code::kNotFound,
                       "referenced Istio \"" + name +
                           "\" has no active revision yet; its conditions say why: kubectl describe istio " + name);
  }
  auto found = caches.revisions.Get(revision);
  if (!found || kube::IsDeleting(*found))
    return MakeError(Code::kNotFound,
                     "referenced IstioRevision \"" + revision + "\" does not exist; make it, or name another");
  inputs.push_back({kube::kIstioRevisions, *found});
  return found;
}

IstioRevisionTagController::IstioRevisionTagController(Operator& op, Usage& usage)
    : Reconciler(op, op.caches.tags,
                 {.resource = kube::kIstioRevisionTags,
                  .finalizer = true,
                  .ready = false,
                  .state_order = {"Reconciled", "InUse"}},
                 std::chrono::minutes(2)),
      usage_(usage) {
  usage.OnChange([this] { EnqueueAll(Gathering()); });
  OnChange(op.caches.istios);
  OnChange(op.caches.revisions);
}

std::optional<Problem> IstioRevisionTagController::Install(const Json& tag, Json& status) {
  std::string name = kube::Name(tag);
  if (auto revision = op_.caches.revisions.Get(name);
      revision && !kube::IsDeleting(*revision) && TakesPrecedence(*revision, tag))
    return Problem{"NameAlreadyExists", "an IstioRevision exists with this name", false};
  std::vector<Operator::Input> inputs = {{kube::kIstioRevisionTags, tag}};
  auto revision = ResolveTarget(op_.caches, At(tag, "spec", "targetRef"), inputs);
  if (!revision.ok()) return Problem{"RefNotFound", revision.error().message, false};
  auto version = op_.config.catalog.Resolve(Str(**revision, "spec", "version"));
  if (!version.ok()) return Invalid(version.error().message);
  auto resources = op_.config.resources.For(*version);
  if (!resources.ok()) return NoResources(resources.error());
  std::string ns = Str(**revision, "spec", "namespace");
  Json values = ComputeIstiodValues(At(**revision, "spec"), *version);
  values["revisionTags"] = {name};
  values["global"]["istioNamespace"] = ns;
  std::vector<Release> releases = {
      {.chart = "revisiontags", .name = name + "-revisiontags", .ns = ns, .values = values}};
  if (name == kDefaultRevision) {
    values["defaultRevision"] = kube::Name(**revision);
    releases.push_back({.chart = "base", .name = "default-base", .ns = op_.config.ns, .values = values});
  }
  if (auto problem = installer_.Install(inputs, **resources, releases, At(status, "inventory"))) return problem;
  status["istioRevision"] = kube::Name(**revision);
  status["istiodNamespace"] = ns;
  return std::nullopt;
}

Result<Reconciler::Looked> IstioRevisionTagController::Look(const Json& tag, Json& status) {
  int64_t generation = kube::Generation(tag);
  for (const char* required : {"istioRevision", "istiodNamespace"})
    if (!status.contains(required)) status[required] = "";
  auto problem = Install(tag, status);
  if (!problem) status["inventory"] = installer_.Of(tag).inventory;
  SetReconciled(status, problem, generation);
  SetInUse(status, usage_.Names(kube::Name(tag)), generation);
  return Looked{.problem = problem, .again_after = std::nullopt};
}

}  // namespace fairlead::mesh
