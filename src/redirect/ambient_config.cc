#include "redirect/ambient.h"
#include "util/log.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::redirect {
namespace {

using value::At;
using value::Str;

constexpr const char* kDefaultSelectors = R"([
  {"podSelector": {"matchLabels": {"istio.io/dataplane-mode": "ambient"}}},
  {"podSelector": {"matchExpressions": [{"key": "istio.io/dataplane-mode", "operator": "NotIn", "values": ["none"]}]},
   "namespaceSelector": {"matchLabels": {"istio.io/dataplane-mode": "ambient"}}}])";

std::string Annotation(const Json& pod, const char* key) { return Str(pod, "metadata", "annotations", key); }

// A boolean annotation; istio ignores one that does not parse, and so do we, with a warning.
bool Flag(const Json& pod, const char* key, bool fallback) {
  std::string text = Annotation(pod, key);
  if (text.empty()) return fallback;
  auto b = ParseBool(text);
  if (!b.ok())
    Log(Level::kWarn, "an annotation of a pod is neither true nor false and is ignored",
        {{"pod", Str(pod, "metadata", "namespace") + "/" + Str(pod, "metadata", "name")},
         {"annotation", key},
         {"value", text}});
  return b.value_or(fallback);
}

}  // namespace

Result<std::vector<AmbientSettings::Selector>> ParseEnablementSelectors(const std::string& text) {
  auto list = value::ParseYaml(Trim(text).empty() ? kDefaultSelectors : text, "AMBIENT_ENABLEMENT_SELECTOR");
  if (!list.ok()) return list.error();
  if (!list->is_array())
    return MakeError(Code::kInvalid, "AMBIENT_ENABLEMENT_SELECTOR: not a list of {podSelector, namespaceSelector}");
  std::vector<AmbientSettings::Selector> out;
  for (const Json& item : *list) {
    auto pods = kube::Selector::FromJson(At(item, "podSelector"));
    auto namespaces = kube::Selector::FromJson(At(item, "namespaceSelector"));
    const auto& bad = !pods.ok() ? pods : namespaces;
    if (!bad.ok()) return bad.error().Wrap("AMBIENT_ENABLEMENT_SELECTOR, entry " + std::to_string(out.size() + 1));
    out.push_back({std::move(*pods), std::move(*namespaces)});
  }
  return out;
}

std::string WhyNotAmbient(const Json& pod, const Json& namespace_labels, const AmbientSettings& settings) {
  if (value::Bool(pod, "spec", "hostNetwork")) return "pod uses the host's network";
  if (!At(pod, "metadata", "annotations", "sidecar.istio.io/status").is_null()) return "pod has a sidecar";
  for (const auto& s : settings.selectors)
    if (s.pods.Matches(At(pod, "metadata", "labels")) && s.namespaces.Matches(namespace_labels)) return "";
  return "no enablement selector matches the pod and its namespace";
}

AmbientConfig AmbientConfigOf(const Json& pod, const AmbientSettings& settings) {
  AmbientConfig c;
  c.dns_capture = Flag(pod, "ambient.istio.io/dns-capture", settings.dns_capture);
  c.bypass_inbound = Flag(pod, "ambient.istio.io/bypass-inbound-capture", false);
  c.ipv6 = settings.ipv6;
  c.probe_address = settings.probe_address;
  c.probe_address6 = settings.probe_address6;
  for (const std::string& name : SplitNonEmpty(Annotation(pod, "istio.io/reroute-virtual-interfaces"), ',')) {
    if (IsInterfaceName(name))
      c.reroute_interfaces.push_back(name);
    else
      Log(Level::kWarn,
          "a name in annotation istio.io/reroute-virtual-interfaces is not one of an interface and is ignored",
          {{"pod", Str(pod, "metadata", "namespace") + "/" + Str(pod, "metadata", "name")}, {"value", name}});
  }
  return c;
}

}  // namespace fairlead::redirect
