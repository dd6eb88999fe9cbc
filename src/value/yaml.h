// YAML in and out as Kubernetes and Helm see it: parsing follows sigs.k8s.io/yaml (YAML 1.1 words such as `yes` are
// booleans, keys become strings), writing follows go-yaml v2 (natural key order, sequences not indented, folding at
// 80).
#pragma once
#include <vector>

#include "value/json.h"

namespace fairlead::value {

// The first document of `text`; empty text is null. Errors name `what` and the line.
Result<Json> ParseYaml(std::string_view text, std::string_view what);
// Every document that is not empty.
Result<std::vector<Json>> ParseYamlStream(std::string_view text, std::string_view what);
// Ends with a newline.
std::string ToYaml(const Json& j);
// As go-yaml v3 writes: sequences are indented below their key, nothing is folded, floats keep their exponent.
std::string ToYamlIndented(const Json& j);
// A floating point number in its shortest form, with an exponent when that is below `smallest` or at least `limit`
// (6: Go's strconv 'g' and fmt's %v; 21 and -6: encoding/json).
std::string FormatFloat(double d, int limit, int smallest = -4);

}  // namespace fairlead::value
