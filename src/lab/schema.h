// Structural schemas: pruning, defaulting and validation of objects, for CRDs and for the built-in kinds alike.
// Source of the behaviour: k8s.io/apiextensions-apiserver pkg/apiserver/schema and kube-openapi's validation messages.
#pragma once
#include <string>
#include <vector>

#include "value/json.h"

namespace fairlead::lab {

struct FieldError {
  std::string path;     // spec.containers[0].name
  std::string reason;   // FieldValueInvalid, FieldValueRequired, FieldValueNotSupported, FieldValueForbidden
  std::string message;  // with "Invalid value: ...: " before it
};

// Removes members that the schema does not know; their paths are appended to `unknown` (quoted as Kubernetes does).
void Prune(Json& object, const Json& schema, std::vector<std::string>* unknown, const std::string& path = "",
           bool root = true);
void ApplyDefaults(Json& object, const Json& schema);
// Types, required members, enums, patterns, bounds, and x-kubernetes-validations. `old` is null on create.
void Validate(const Json& object, const Json* old, const Json& schema, const std::string& path,
              std::vector<FieldError>& errors);

}  // namespace fairlead::lab
