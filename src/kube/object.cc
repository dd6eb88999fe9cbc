#include "kube/object.h"

#include "util/strings.h"

namespace fairlead::kube {
using value::At;
using value::Str;

std::string Resource::Path(const std::string& ns, const std::string& name, const std::string& subresource) const {
  std::string out = group.empty() ? "/api/" + version : "/apis/" + group + "/" + version;
  if (namespaced && !ns.empty()) out += "/namespaces/" + ns;
  out += "/" + plural;
  if (!name.empty()) out += "/" + name;
  if (!subresource.empty()) out += "/" + subresource;
  return out;
}

std::string Key(const Json& o) { return Key(Namespace(o), Name(o)); }
std::string Key(const std::string& ns, const std::string& name) { return ns.empty() ? name : ns + "/" + name; }

const Json& ControllerOf(const Json& o) {
  for (const Json& ref : At(o, "metadata", "ownerReferences"))
    if (value::Bool(ref, "controller")) return ref;
  return value::Null();
}

bool IsControlledBy(const Json& o, const Json& owner) {
  return !owner.is_null() && value::Str(ControllerOf(o), "uid") == Uid(owner) &&
         (Namespace(owner).empty() || Namespace(o) == Namespace(owner));
}

Json OwnerReference(const Json& owner) {
  return {{"apiVersion", Str(owner, "apiVersion")},
          {"kind", Str(owner, "kind")},
          {"name", Name(owner)},
          {"uid", Uid(owner)},
          {"controller", true},
          {"blockOwnerDeletion", true}};
}

bool HasFinalizer(const Json& o, const std::string& finalizer) {
  for (const Json& f : At(o, "metadata", "finalizers"))
    if (f == finalizer) return true;
  return false;
}

const Json& Condition(const Json& o, const std::string& type) {
  for (const Json& c : At(o, "status", "conditions"))
    if (Str(c, "type") == type) return c;
  return value::Null();
}

const Json& CurrentCondition(const Json& o, const std::string& type) {
  const Json& c = Condition(o, type);
  return value::Int(c, "observedGeneration") == Generation(o) ? c : value::Null();
}

bool IsPodReady(const Json& pod) { return Str(Condition(pod, "Ready"), "status") == "True"; }

Result<Selector> Selector::Parse(std::string_view text) {
  Selector out;
  // Splits at commas that are not inside parentheses.
  std::vector<std::string> parts;
  int depth = 0;
  std::string part;
  for (char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0)
      parts.push_back(std::exchange(part, ""));
    else
      part += c;
  }
  parts.push_back(part);
  for (const std::string& raw : parts) {
    std::string p(Trim(raw));
    if (p.empty()) continue;
    Requirement r;
    auto bad = [&] { return MakeError(Code::kInvalid, "unable to parse requirement: \"" + p + "\""); };
    auto values_of = [&](size_t at) -> Result<std::vector<std::string>> {
      size_t open = p.find('(', at), close = p.rfind(')');
      if (open == p.npos || close == p.npos || close < open) return bad();
      return SplitNonEmpty(std::string_view(p).substr(open + 1, close - open - 1), ',');
    };
    if (size_t at = p.find(" notin "); at != p.npos || (at = p.find(" notin(")) != p.npos) {
      r = {std::string(Trim(p.substr(0, at))), "NotIn", {}};
      FL_ASSIGN(r.values, values_of(at));
    } else if (at = p.find(" in "); at != p.npos || (at = p.find(" in(")) != p.npos) {
      r = {std::string(Trim(p.substr(0, at))), "In", {}};
      FL_ASSIGN(r.values, values_of(at));
    } else if (at = p.find("!="); at != p.npos) {
      r = {std::string(Trim(p.substr(0, at))), "NotIn", {std::string(Trim(p.substr(at + 2)))}};
    } else if (at = p.find('='); at != p.npos) {
      size_t skip = p.compare(at, 2, "==") == 0 ? 2 : 1;
      r = {std::string(Trim(p.substr(0, at))), "In", {std::string(Trim(p.substr(at + skip)))}};
    } else if (p[0] == '!') {
      r = {std::string(Trim(p.substr(1))), "DoesNotExist", {}};
    } else {
      r = {p, "Exists", {}};
    }
    if (r.key.empty() || r.key.find_first_of(" ()") != r.key.npos) return bad();
    if (r.values.size() == 1 && r.values[0].starts_with('='))
      return MakeError(Code::kInvalid, "unable to parse requirement: found '=', expected: identifier");
    out.requirements_.push_back(std::move(r));
  }
  return out;
}

Result<Selector> Selector::FromJson(const Json& j) {
  Selector out;
  for (const auto& [k, v] : At(j, "matchLabels").items()) out.requirements_.push_back({k, "In", {value::AsString(v)}});
  for (const Json& e : At(j, "matchExpressions")) {
    Requirement r{Str(e, "key"), Str(e, "operator"), {}};
    for (const Json& v : At(e, "values")) r.values.push_back(value::AsString(v));
    if (r.op != "In" && r.op != "NotIn" && r.op != "Exists" && r.op != "DoesNotExist")
      return MakeError(Code::kInvalid, "\"" + r.op + "\" is not a valid label selector operator");
    out.requirements_.push_back(std::move(r));
  }
  return out;
}

bool Selector::Matches(const Json& labels) const {
  for (const Requirement& r : requirements_) {
    const Json& v = value::Member(labels, r.key);
    bool present = !v.is_null();
    bool in = present && std::find(r.values.begin(), r.values.end(), value::AsString(v)) != r.values.end();
    if (r.op == "In" && !in) return false;
    if (r.op == "NotIn" && in) return false;
    if (r.op == "Exists" && !present) return false;
    if (r.op == "DoesNotExist" && present) return false;
  }
  return true;
}

}  // namespace fairlead::kube
