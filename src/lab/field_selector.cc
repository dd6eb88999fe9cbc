#include "lab/field_selector.h"

#include "util/strings.h"

namespace fairlead::lab {

Result<std::vector<FieldTerm>> ParseFields(const std::string& text, const ResourceType& t) {
  std::vector<FieldTerm> out;
  for (const std::string& part : SplitNonEmpty(text, ',')) {
    size_t at = part.find("!=");
    FieldTerm term;
    if (at != part.npos) {
      term = {part.substr(0, at), part.substr(at + 2), false};
    } else {
      at = part.find('=');
      if (at == part.npos) return MakeError(Code::kInvalid, "invalid field selector \"" + part + "\"");
      term = {part.substr(0, at), part.substr(part.compare(at, 2, "==") == 0 ? at + 2 : at + 1), true};
    }
    static const std::map<std::string, std::vector<std::string>> known = {
        {"pods", {"spec.nodeName", "status.phase", "spec.serviceAccountName", "spec.restartPolicy", "status.podIP"}},
        {"events",
         {"involvedObject.name", "involvedObject.namespace", "involvedObject.kind", "involvedObject.uid",
          "involvedObject.apiVersion", "reason", "type", "source"}},
        {"namespaces", {"status.phase"}},
        {"secrets", {"type"}},
        {"nodes", {"spec.unschedulable"}}};
    bool ok = term.path == "metadata.name" || term.path == "metadata.namespace";
    if (auto it = known.find(t.resource.plural); it != known.end() && !t.custom)
      ok = ok || std::find(it->second.begin(), it->second.end(), term.path) != it->second.end();
    if (!ok)
      return MakeError(Code::kInvalid, t.resource.kind == "Secret" || t.custom || known.contains(t.resource.plural)
                                           ? "field label not supported: " + term.path
                                           : "\"" + term.path +
                                                 "\" is not a known field selector: only \"metadata.name\", "
                                                 "\"metadata.namespace\"");
    out.push_back(term);
  }
  return out;
}

bool FieldsMatch(const std::vector<FieldTerm>& terms, const Json& o) {
  for (const FieldTerm& t : terms) {
    const Json* v = &o;
    for (const std::string& key : Split(t.path, '.')) v = &value::Member(*v, key);
    if ((value::AsString(*v) == t.value) != t.equal) return false;
  }
  return true;
}

}  // namespace fairlead::lab
