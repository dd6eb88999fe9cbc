#include "cmd/output.h"

#include "value/yaml.h"

namespace fairlead::cmd {

Output OutputNamed(const std::string& name) {
  if (name == "wide") return Output::kWide;
  if (name == "json") return Output::kJson;
  if (name == "yaml") return Output::kYaml;
  return Output::kTable;
}

std::string Structured(const Json& data, Output output) {
  return output == Output::kYaml ? value::ToYaml(data) : value::DumpPretty(data) + "\n";
}

}  // namespace fairlead::cmd
