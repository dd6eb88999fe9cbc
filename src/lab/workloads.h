// What the controllers of DaemonSets and Deployments have in common.
#pragma once
#include <cmath>

#include "kube/object.h"
#include "util/strings.h"

namespace fairlead::lab {

// A number or a percentage of `total`. The caller says which way a part of one is rounded, since Kubernetes'
// controllers differ in that.
inline int64_t Scaled(const Json& v, int64_t total, bool up) {
  if (v.is_number()) return static_cast<int64_t>(v.get<double>());
  std::string text = value::AsString(v);
  if (!text.ends_with('%')) return ParseInt(text).value_or(0);
  double exact =
      static_cast<double>(total) * static_cast<double>(ParseInt(text.substr(0, text.size() - 1)).value_or(0)) / 100.0;
  return static_cast<int64_t>(up ? std::ceil(exact) : std::floor(exact));
}

// The controller reference of what such an object makes; stored objects have no kind.
inline Json OwnerOf(const Json& o, const char* kind) {
  Json ref = kube::OwnerReference(o);
  ref["apiVersion"] = "apps/v1";
  ref["kind"] = kind;
  return ref;
}

}  // namespace fairlead::lab
