// Go's fmt for the values of templates.
#pragma once
#include "gotmpl/value.h"

namespace fairlead::gotmpl {

// fmt.Sprintf: every verb and flag, argument indexes, widths and precisions from arguments, and the same complaints
// within the text (%!d(string=x), %!s(MISSING), %!(EXTRA ...)).
std::string Sprintf(const std::string& format, const List& args);
// fmt.Sprint and fmt.Sprintln.
std::string Sprint(const List& args);
std::string Sprintln(const List& args);

}  // namespace fairlead::gotmpl
