// Field selectors of lists and watches: metadata.name=x,spec.nodeName!=y.
#pragma once
#include <vector>

#include "lab/registry.h"

namespace fairlead::lab {

struct FieldTerm {
  std::string path, value;
  bool equal = true;
};

// Errors, in Kubernetes' words, for fields that the kind does not select by.
Result<std::vector<FieldTerm>> ParseFields(const std::string& text, const ResourceType& t);
bool FieldsMatch(const std::vector<FieldTerm>& terms, const Json& object);

}  // namespace fairlead::lab
