#include "chart/values.h"

#include <set>

#include "chart/metadata.h"
#include "gotmpl/format.h"
#include "util/strings.h"

namespace fairlead::chart {
namespace {

// Merging keeps nulls, for a later step to act upon; coalescing acts upon them: the key goes.
enum class Nulls { kKeep, kApply };

// `over` wins.
void MergeTables(Json& over, const Json& under, Nulls nulls) {
  for (const auto& [key, v] : under.items()) {
    auto it = over.find(key);
    if (it == over.end())
      over[key] = v;
    else if (it->is_null() && nulls == Nulls::kApply)
      over.erase(it);
    else if (v.is_object() && it->is_object())
      MergeTables(*it, v, nulls);
  }
}

bool IsSubchart(const Chart& chart, const std::string& key) {
  return std::any_of(chart.charts.begin(), chart.charts.end(), [&](const Chart& c) { return c.name == key; });
}

void ApplyDefaults(const Chart& chart, Json& values, Nulls nulls) {
  for (const auto& [key, v] : chart.values.items()) {
    auto it = values.find(key);
    if (it == values.end())
      values[key] = v;
    else if (it->is_null() && nulls == Nulls::kApply)
      values.erase(it);
    else if (it->is_object() && v.is_object())
      MergeTables(*it, v, IsSubchart(chart, key) ? Nulls::kKeep : nulls);  // the subchart acts upon its nulls itself
  }
}

// The parent's globals win over the subchart's; what only the subchart has stays.
void PassGlobals(Json& to, const Json& from) {
  Json globals = to.contains("global") ? to["global"] : Json::object();
  Json theirs = from.contains("global") ? from["global"] : Json::object();
  if (!globals.is_object() || !theirs.is_object()) return;
  for (const auto& [key, v] : theirs.items()) {
    auto it = globals.find(key);
    if (it == globals.end() || (!v.is_object() && !it->is_object())) {
      globals[key] = v;
    } else if (v.is_object() && it->is_object()) {
      Json merged = v;
      MergeTables(merged, *it, Nulls::kKeep);
      *it = std::move(merged);
    }
  }
  to["global"] = std::move(globals);
}

Status Coalesce(const Chart& chart, Json& values, Nulls nulls) {
  ApplyDefaults(chart, values, nulls);
  for (const Chart& sub : chart.charts) {
    Json& below = values[sub.name];
    if (below.is_null() && !values.contains(sub.name)) below = Json::object();
    if (below.is_null()) below = Json::object();
    if (!below.is_object())
      return MakeError(Code::kInvalid,
                       "type mismatch on " + sub.name + ": " + gotmpl::Sprintf("%t", {gotmpl::FromJson(below, false)}));
    PassGlobals(below, values);
    FL_TRY(Coalesce(sub, below, nulls));
  }
  return {};
}

Result<Json> Combine(const Chart& chart, const Json& user, Nulls nulls) {
  Json values = user.is_object() ? user : Json::object();
  FL_TRY(Coalesce(chart, values, nulls));
  return values;
}

// a.b.c as long as it leads through maps; nullptr where it does not.
const Json* Lookup(const Json& values, const std::string& path) {
  const Json* at = &values;
  for (const std::string& key : Split(path, '.')) {
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &(*at)[key];
  }
  return at;
}
const Json* Table(const Json& values, const std::string& path) {
  const Json* found = Lookup(values, path);
  return found && found->is_object() ? found : nullptr;
}

void Decide(Dependency& d, const Json& values, const std::string& prefix) {
  bool yes = false, no = false;
  for (const std::string& tag : d.tags)
    if (const Json& v = value::At(values, "tags", std::string_view(tag)); v.is_boolean())
      (v.get<bool>() ? yes : no) = true;
  d.enabled = yes || !no;
  for (const std::string& condition : Split(Trim(d.condition), ','))
    if (const Json* v = condition.empty() ? nullptr : Lookup(values, prefix + condition); v && v->is_boolean()) {
      d.enabled = v->get<bool>();
      return;
    }
}

std::optional<Chart> Named(const std::vector<Chart>& charts, const Dependency& d) {
  for (const Chart& c : charts) {
    if (c.name != d.name || !IsCompatibleRange(d.version, c.version)) continue;
    Chart out = c;
    if (!d.alias.empty()) {
      out.name = d.alias;
      out.metadata["name"] = d.alias;
    }
    return out;
  }
  return std::nullopt;
}

Status Enable(Chart& chart, const Json& user, const std::string& prefix) {
  if (chart.requirements.empty()) return {};
  std::vector<Chart> charts;
  for (const Chart& c : chart.charts)
    if (std::none_of(chart.requirements.begin(), chart.requirements.end(),
                     [&](const Dependency& d) { return d.name == c.name && IsCompatibleRange(d.version, c.version); }))
      charts.push_back(c);
  for (Dependency& d : chart.requirements) {
    if (auto named = Named(chart.charts, d)) charts.push_back(std::move(*named));
    if (!d.alias.empty()) d.name = d.alias;
  }
  chart.charts = std::move(charts);
  FL_ASSIGN(Json values, Combine(chart, user, Nulls::kApply));
  std::set<std::string> off;
  for (Dependency& d : chart.requirements) {
    Decide(d, values, prefix);
    if (!d.enabled) off.insert(d.name);
  }
  std::erase_if(chart.charts, [&](const Chart& c) { return off.contains(c.name); });
  std::erase_if(chart.requirements, [&](const Dependency& d) { return off.contains(d.name); });
  for (Chart& c : chart.charts) FL_TRY(Enable(c, values, prefix + c.name + "."));
  return {};
}

Json Below(const std::string& path, Json v) {
  if (path == ".") return v;
  auto keys = Split(path, '.');
  for (size_t i = keys.size(); i-- > 0;) v = Json{{keys[i], std::move(v)}};
  return v;
}

Status Import(Chart& chart) {
  for (Chart& c : chart.charts) FL_TRY(Import(c));
  if (chart.requirements.empty()) return {};
  FL_ASSIGN(Json values, Combine(chart, Json::object(), Nulls::kKeep));
  Json imported = Json::object();
  for (const Dependency& d : chart.requirements) {
    if (!d.import_values.is_array()) continue;
    for (const Json& entry : d.import_values) {
      std::string child = entry.is_string() ? "exports." + entry.get<std::string>() : value::Str(entry, "child");
      std::string parent = entry.is_string() ? "." : value::Str(entry, "parent");
      if (const Json* table = Table(values, d.name + "." + child))
        MergeTables(imported, Below(parent, *table), Nulls::kKeep);
    }
  }
  MergeTables(values, imported, Nulls::kKeep);
  chart.values = std::move(values);
  return {};
}

}  // namespace

Status ProcessDependencies(Chart& chart, const Json& user) {
  FL_TRY(Enable(chart, user, ""));
  return Import(chart);
}

Result<Json> CoalesceValues(const Chart& chart, const Json& user) { return Combine(chart, user, Nulls::kApply); }

}  // namespace fairlead::chart
