// The forms in which commands print what they found.
#pragma once
#include <string>
#include <vector>

#include "value/json.h"

namespace fairlead::cmd {

enum class Output { kTable, kWide, kJson, kYaml };  // wide: a table with more columns

// The names that -o takes; "" is a table.
inline const std::vector<std::string> kOutputs = {"table", "wide", "json", "yaml"};
Output OutputNamed(const std::string& name);
inline bool IsTable(Output output) { return output == Output::kTable || output == Output::kWide; }
// As JSON or YAML.
std::string Structured(const Json& data, Output output);

}  // namespace fairlead::cmd
