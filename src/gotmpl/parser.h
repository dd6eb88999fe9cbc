// Turns template text into trees. Source of the behaviour: Go's text/template/parse/parse.go.
#pragma once
#include "gotmpl/ast.h"

namespace fairlead::gotmpl {

// The file's own template first (named after the file; its body may be blank), then its defines and blocks.
// `has_function` says which identifiers may be called; an unknown one is a parse error, as in Go.
Result<std::vector<Template>> Parse(const std::string& name, const std::string& text,
                                    const std::function<bool(const std::string&)>& has_function);

}  // namespace fairlead::gotmpl
