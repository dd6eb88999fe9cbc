#pragma once
#include "gotmpl/value.h"

namespace fairlead::gotmpl {

struct JsonStyle {
  bool pretty = false;  // two spaces
  bool html = true;     // < > & as \u003c \u003e \u0026
};
// As Go's encoding/json writes it: keys sorted, floats with an exponent below 1e-6 and from 1e21 on.
std::string GoJson(const Value& v, JsonStyle style = {});

}  // namespace fairlead::gotmpl
