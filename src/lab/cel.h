// The part of CEL that the CRDs' validation rules use: member access, [] , literals, ! == != < <= > >= && || ?:, `in`,
// has(), size(), startsWith(), endsWith(), contains(), matches(). Kubernetes' escapes (__namespace__) are undone.
#pragma once
#include "value/json.h"

namespace fairlead::lab {

// The rule's verdict on `self` (and `oldSelf`). Errors say what in the rule is not known, or which member is missing.
Result<bool> EvaluateRule(const std::string& rule, const Json& self, const Json& old_self);

}  // namespace fairlead::lab
