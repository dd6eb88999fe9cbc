// The node's CNI configuration as text: adds our plugin to a primary CNI's configuration, and takes it out again. Pure.
// Source of the behaviour: istio cni/pkg/install/cniconfig.go.
#pragma once
#include "value/json.h"

namespace fairlead::agent {

// Our entry in the list of plugins.
struct PluginEntry {
  std::string log_level = "info", run_dir, pod_namespace;
  std::vector<std::string> exclude_namespaces;
  bool ambient = false;
  bool operator==(const PluginEntry&) const = default;
};
Json ToJson(const PluginEntry& e);

// A primary configuration (.conf or .conflist text) with our entry last; an older entry of ours is replaced. kInvalid
// names what is wrong with the text.
Result<std::string> InsertPlugin(const std::string& text, const PluginEntry& entry);
// The same without our entry; nullopt when it had none.
Result<std::optional<std::string>> RemovePlugin(const std::string& text);
// The type of the plugin that makes the pods' network: the first that is not ours. "" when there is none.
std::string PrimaryPlugin(const std::string& text);
// A configuration of our own for CHAINED_CNI_PLUGIN=false.
std::string Standalone(const PluginEntry& entry);

}  // namespace fairlead::agent
