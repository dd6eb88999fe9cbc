// The command line's ways to set values. Source of the behaviour: helm.sh/helm v3.19 pkg/strvals.
#pragma once
#include "value/json.h"

namespace fairlead::chart {

enum class SetKind {
  kTyped,   // --set: true, false, null and integers are read as such
  kString,  // --set-string: everything is text
  kJson,    // --set-json: the values are JSON
};

// a.b=1,c[0].d={x,y}: sets each of them in `values`; \ takes the meaning of the next character away. kInvalid in Helm's
// words.
Status SetValues(Json& values, const std::string& settings, SetKind kind);

}  // namespace fairlead::chart
