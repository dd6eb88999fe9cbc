// JSON that is no JSON, in the words of Go's encoding/json.
#pragma once
#include "value/json.h"

namespace fairlead::gotmpl {

// kInvalid: "unexpected end of JSON input", "invalid character 'x' looking for beginning of value" and the like.
// Source of the behaviour: Go's encoding/json scanner.go.
Status CheckJson(std::string_view text);
// Parses what CheckJson takes.
Result<Json> ParseGoJson(std::string_view text);

}  // namespace fairlead::gotmpl
