// What a plain YAML scalar means: the rules that the reader and the writer share.
#pragma once
#include "value/json.h"

namespace fairlead::value {

// By YAML 1.1's rules as go-yaml v2 applies them: words such as `yes`, octal and binary numbers, underscores.
// nullopt: it is a string.
std::optional<Json> ResolveScalar(std::string_view text);
// A word that a reader could take for something else than a string, so the writer quotes it. More words than
// ResolveScalar knows: timestamps, base 60 numbers and `<<`.
bool NeedsQuotes(std::string_view text);

}  // namespace fairlead::value
