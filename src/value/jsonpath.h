// The part of Kubernetes' JSONPath that printer columns, kubectl and field selectors use: .a.b, ['a.b'], [0], [*], and
// [?(@.type=="Ready")]. Source of the behaviour: k8s.io/client-go/util/jsonpath.
#pragma once
#include <vector>

#include "value/json.h"

namespace fairlead::value {

// A compiled path. `.status.conditions[?(@.type=="Ready")].status`, with or without surrounding braces and leading dot.
class JsonPath {
 public:
  static Result<JsonPath> Create(std::string_view text);
  // Every match in order; missing members match nothing.
  std::vector<const Json*> Find(const Json& root) const;
  const Json& First(const Json& root) const;  // null when nothing matches

 private:
  struct Step {
    enum Kind { kKey, kIndex, kAll, kFilter } kind;
    std::string key;          // kKey; kFilter: member compared
    long index = 0;           // kIndex, negative from the end
    std::string op, literal;  // kFilter
  };
  std::vector<Step> steps_;
};

}  // namespace fairlead::value
