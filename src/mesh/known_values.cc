#include "mesh/known_values.h"

#include <re2/re2.h>

#include <set>

#include "util/edit_distance.h"
#include "util/strings.h"
#include "value/merge.h"

namespace fairlead::mesh {
namespace {

using value::At;

// Adds a path that a template names, `.Values.a.b`, where the defaults have nothing.
void AddPath(Json& tree, const std::vector<std::string>& path) {
  Json* at = &tree;
  for (const std::string& key : path) {
    if (at->is_null()) *at = Json::object();
    if (!at->is_object() || (at->empty() && at != &tree)) return;  // a value, or open already
    bool there = at->contains(key);
    at = &(*at)[key];
    if (there && at->is_null()) return;
  }
}

// What is written out or gone through as a whole has names of its own below it.
void Open(Json& tree, const std::set<std::string>& names) {
  if (!tree.is_object()) return;
  for (auto& [key, below] : tree.items()) {
    if (below.is_object() && names.contains(key)) below = Json::object();
    Open(below, names);
  }
}

void ReadTemplates(const chart::Chart& chart, Json& tree, std::set<std::string>& open) {
  static const RE2 path(R"(\.Values((?:\.[A-Za-z_]\w*)+))");
  static const RE2 whole(
      R"((?:toYaml|toJson|toPrettyJson|range|with|tpl|merge\w*|mustMerge\w*)\b[^{}|]*?\.(\w+)\s*(?:\)|\||-?\}\}))");
  static const RE2 piped(R"(\.(\w+)\s*\|\s*(?:toYaml|toJson|toPrettyJson))");
  for (const auto* files : {&chart.templates, &chart.files})
    for (const auto& [name, text] : *files) {
      std::string found;
      for (re2::StringPiece rest = text; RE2::FindAndConsume(&rest, path, &found);)
        AddPath(tree, SplitNonEmpty(found, '.'));
      for (const RE2* re : {&whole, &piped})
        for (re2::StringPiece rest = text; RE2::FindAndConsume(&rest, *re, &found);) open.insert(found);
    }
}

void AllPaths(const Json& tree, const std::string& prefix, std::vector<std::string>& out) {
  if (!tree.is_object()) return;
  for (const auto& [key, below] : tree.items()) {
    out.push_back(prefix + key);
    AllPaths(below, prefix + key + ".", out);
  }
}

// The name that was meant: one beside it that differs little, or the same one elsewhere.
std::string Nearest(const Json& siblings, const Json& tree, const std::string& prefix, const std::string& key) {
  std::string best;
  size_t least = std::max<size_t>(1, key.size() / 3) + 1;
  for (const auto& [name, below] : siblings.items())
    if (size_t d = EditDistance(ToLower(key), ToLower(name)); d < least) {
      least = d;
      best = prefix + name;
    }
  if (!best.empty()) return best;
  std::vector<std::string> all;
  AllPaths(tree, "", all);
  for (const std::string& p : all)
    if (ToLower(p.substr(p.rfind('.') + 1)) == ToLower(key)) return p;
  return "";
}

class Checker {
 public:
  explicit Checker(const Json& tree) : tree_(tree) {}

  void Walk(const Json& known, const Json& values, const std::string& prefix) {
    for (const auto& [key, value] : values.items()) {
      std::string path = prefix + key;
      if (!known.contains(key)) {
        std::string meant = Nearest(known, tree_, prefix, key);
        result.unknown.push_back("spec.values." + path + " is not read by any chart" +
                                 (meant.empty() ? "" : "; did you mean spec.values." + meant + "?"));
        continue;
      }
      const Json& as = known.at(key);
      if (value.is_null() || as.is_null()) continue;  // null takes a default away
      if (const char* must = Must(as, value)) {
        result.wrong.push_back("spec.values." + path + ": " + value::Dump(value).substr(0, 60) + " " + must);
        continue;
      }
      if (as.is_object() && !as.empty()) Walk(as, value, path + ".");
    }
  }

  ValuesCheck result;

 private:
  static const char* Must(const Json& as, const Json& value) {
    if (as.is_boolean() && !value.is_boolean()) return "must be true or false";
    if (as.is_array() && !value.is_array()) return "must be a list";
    if (as.is_object() && !value.is_object()) return "must be a map";
    if ((as.is_string() || as.is_number()) && (value.is_object() || value.is_array()))
      return as.is_string() ? "must be text" : "must be a number";
    return nullptr;
  }

  const Json& tree_;
};

// What is open in one is open; where they differ in type, anything may be.
void Unite(Json& into, const Json& from) {
  for (const auto& [key, below] : from.items()) {
    if (!into.contains(key)) {
      into[key] = below;
      continue;
    }
    Json& have = into[key];
    if (have.is_object() && below.is_object() && !have.empty() && !below.empty())
      Unite(have, below);
    else if (have.type() != below.type() && !(have.is_number() && below.is_number()))
      have = nullptr;
    else if (below.is_object())
      have = Json::object();
  }
}

}  // namespace

KnownValues KnownValuesOf(const chart::Chart& chart, const std::string& name) {
  Json tree = chart.values;
  for (const char* below : {"defaults", "_internal_defaults_do_not_set"})
    if (tree.contains(below)) {
      Json defaults = tree[below];
      tree.erase(below);
      if (defaults.is_object()) tree.update(defaults);
    }
  std::set<std::string> open = {"meshConfig", "env"};
  for (const char* key : {"profile", "compatibilityVersion", "platform"}) AddPath(tree, {key});
  for (const char* key : {"profile", "platform"}) AddPath(tree, {"global", key});
  ReadTemplates(chart, tree, open);
  Open(tree, open);
  for (auto it = tree.begin(); it != tree.end();) it = it.key().starts_with("_") ? tree.erase(it) : std::next(it);
  if (name == "cni" || name == "ztunnel" || name == "istiod") {
    std::string section = name == "istiod" ? "pilot" : name;
    Json own = tree;
    own.erase("global");
    own.erase(section);
    Unite(tree[section], own);
  }
  return tree;
}

ValuesCheck CheckValues(const Json& values, const std::vector<const KnownValues*>& charts) {
  Json tree = Json::object();
  for (const KnownValues* known : charts) Unite(tree, *known);
  Checker checker(tree);
  if (values.is_object()) checker.Walk(tree, values, "");
  return checker.result;
}

}  // namespace fairlead::mesh
