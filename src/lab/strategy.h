// What each built-in kind does of its own when its objects are written: what it sets, what it refuses, what it leaves
// unowned. Source of the behaviour: k8s.io/kubernetes pkg/registry/*/strategy.go and pkg/apis/*/validation.
#pragma once
#include "lab/registry.h"
#include "lab/status.h"
#include "lab/store.h"

namespace fairlead::lab {

bool IsKind(const ResourceType& t, const char* kind);  // a built-in one

extern const char* const kNameRule;  // what a name must be, in Kubernetes' words
bool ValidName(const ResourceType& t, const std::string& name);
void ValidateLabels(const Json& labels, const std::string& path, std::vector<FieldError>& errors);
// Rules beyond the schema. `live` is null for a new object.
void ValidateKind(const ResourceType& t, const Json& object, const ObjectPtr& live, std::vector<FieldError>& errors);

// What a kind sets in a new object, before its defaults; and in one that changes.
void PrepareCreate(const ResourceType& t, Json& object);
void PrepareUpdate(const ResourceType& t, const Json& live, Json& object);
// What the admission plugins of a real cluster add to a new pod; nobody owns it.
void Admit(const ResourceType& t, Json& object);
// Moves a Secret's stringData into data.
void ConvertSecret(Json& object);
// A null member is an absent one, as it is for Go's decoder; so is an empty list, which Go leaves out.
void DropNulls(Json& j);

// The members that a write does not come to own: status by way of the main resource, spec by way of /status.
std::vector<std::string> Unowned(const ResourceType& t, const std::string& subresource);
// Whether an object that is being deleted goes now.
bool Removable(const ResourceType& t, const Json& object);

}  // namespace fairlead::lab
