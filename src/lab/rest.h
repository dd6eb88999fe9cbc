// What an API server does with objects, without HTTP: create, update, patch, delete with their rules.
// Source of the behaviour: k8s.io/apiserver pkg/registry/rest and generic/registry/store.go.
#pragma once
#include "kube/api.h"
#include "lab/registry.h"
#include "lab/store.h"

namespace fairlead::lab {

struct WriteOptions {
  std::string manager = "unknown";
  std::string subresource;  // "" or "status" (or "finalize" for namespaces)
  bool dry_run = false;
  std::string field_validation = "Warn";  // Strict, Warn, Ignore
  bool force = false;                     // apply
  bool created = false;                   // set when an apply created the object
  std::vector<std::string> warnings;
};

using ApiResult = std::expected<Json, Json>;  // the error is a metav1.Status

class Rest {
 public:
  Rest(Registry& registry, Store& store) : registry_(registry), store_(store) {}
  ApiResult Get(const ResourceType& t, const std::string& ns, const std::string& name) const;
  ApiResult Create(const ResourceType& t, const std::string& ns, Json object, WriteOptions& o);
  ApiResult Update(const ResourceType& t, const std::string& ns, const std::string& name, Json object, WriteOptions& o);
  ApiResult Patch(const ResourceType& t, const std::string& ns, const std::string& name, kube::PatchType type,
                  const Json& patch, WriteOptions& o);
  ApiResult Delete(const ResourceType& t, const std::string& ns, const std::string& name, const kube::DeleteOptions& o);

  Registry& registry() { return registry_; }
  Store& store() { return store_; }
  static std::string KindKey(const ResourceType& t) { return t.resource.group + "/" + t.resource.plural; }

 private:
  // Turns what a client sent into what is stored, or says why not.
  ApiResult Prepare(const ResourceType& t, const ObjectPtr& live, Json object, WriteOptions& o, bool applied) const;
  ApiResult Commit(const ResourceType& t, const std::string& key, const WriteOptions& o,
                   const std::function<ApiResult(const ObjectPtr&)>& next);
  std::optional<Json> CheckNamespace(const ResourceType& t, const std::string& ns, const std::string& name) const;
  void AfterWrite(const ResourceType& t, const Json& object);

  Registry& registry_;
  Store& store_;
};

}  // namespace fairlead::lab
