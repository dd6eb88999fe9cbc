// TOML in and out as Helm's toToml and fromToml have it, which is as github.com/BurntSushi/toml does it.
#pragma once
#include "gotmpl/value.h"

namespace fairlead::chart {

// Values before tables, what is below a table indented by two.
Result<std::string> ToToml(const gotmpl::Value& v);
// Integers are int64, floats float64, dates time.Time. Errors name the line, in words of our own.
Result<gotmpl::Value> FromToml(const std::string& text);

}  // namespace fairlead::chart
