// The kinds that the API server serves: the built-in ones from config/lab/types.yaml, and those of CRDs.
//
// Threading: every member may be called from any thread; a type that was handed out stays valid.
#pragma once
#include <memory>
#include <mutex>

#include "kube/object.h"
#include "value/jsonpath.h"

namespace fairlead::lab {

struct Column {
  std::string name, type, description;
  std::string function;  // podStatus...; "" = the path
  std::optional<value::JsonPath> path;
  int priority = 0;
};

struct ResourceType {
  kube::Resource resource;
  std::string singular, list_kind;
  std::vector<std::string> short_names, categories;
  Json schema;                  // structural, of the whole object
  std::vector<Column> columns;  // after Name
  bool has_status = false;
  bool has_generation = false;
  bool creates_on_update = false;         // PUT of what does not exist makes it
  bool needs_version_for_update = false;  // PUT without resourceVersion is refused
  bool custom = false;                    // from a CRD
  bool served = true;

  std::string GroupResource() const {
    return resource.group.empty() ? resource.plural : resource.plural + "." + resource.group;
  }
};
using TypePtr = std::shared_ptr<const ResourceType>;

class Registry {
 public:
  static Result<std::unique_ptr<Registry>> Create(const std::string& types_yaml);
  TypePtr Find(const std::string& group, const std::string& version, const std::string& plural) const;
  TypePtr FindKind(const std::string& api_version, const std::string& kind) const;
  TypePtr Of(const kube::Resource& r) const { return Find(r.group, r.version, r.plural); }
  std::vector<TypePtr> All() const;
  bool Serves(const std::string& group, const std::string& version) const;  // any kind of it
  // Adds or replaces the kinds of a CRD. kInvalid names the member that is wrong.
  Status AddCustom(const Json& crd);
  void RemoveCustom(const std::string& group, const std::string& plural);
  int generation() const { return generation_; }  // grows with each change

 private:
  mutable std::mutex mutex_;  // guards types_
  std::map<std::string, TypePtr> types_;
  std::atomic<int> generation_{1};
};

}  // namespace fairlead::lab
