#include "cmd/chart_diff.h"

#include "util/line_diff.h"
#include "value/yaml.h"

namespace fairlead::cmd {
namespace {

using value::Str;

// "default, web, Deployment (apps)": namespace, name, kind and group, or the version where there is no group.
std::string TitleOf(const Json& object, const std::string& ns) {
  std::string own = kube::Namespace(object), api = Str(object, "apiVersion");
  if (own.empty()) own = ns;
  return (own.empty() ? "" : own + ", ") + kube::Name(object) + ", " + Str(object, "kind") + " (" +
         api.substr(0, api.find('/')) + ")";
}

std::string Section(const std::string& title, const std::string& before, const std::string& after, int context) {
  std::string changes = DiffText(before, after, context);
  if (changes.empty()) return "";
  const char* what = before.empty() ? " has been added" : after.empty() ? " has been removed" : " has changed";
  return title + what + ":\n" + changes + "\n";
}

std::map<std::string, std::string> TextsByTitle(const chart::Rendered& r, const std::string& ns) {
  std::map<std::string, std::string> out;
  auto add = [&](const chart::Manifest& m) {
    if (!m.object.is_null()) out[TitleOf(m.object, ns)] = "# Source: " + m.path + "\n" + m.text + "\n";
  };
  for (const chart::Manifest& m : r.objects) add(m);
  for (const chart::Hook& h : r.hooks) add(h);
  return out;
}

// Without what the server keeps for itself.
std::string TextOf(Json object) {
  for (const char* kept : {"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"})
    object["metadata"].erase(kept);
  object.erase("status");
  return value::ToYaml(object);
}

}  // namespace

std::string DiffRenderings(const chart::Rendered& before, const chart::Rendered& after, const std::string& ns,
                           int context) {
  auto old_texts = TextsByTitle(before, ns), new_texts = TextsByTitle(after, ns);
  auto titles = old_texts;
  titles.insert(new_texts.begin(), new_texts.end());
  std::string out;
  for (const auto& [title, text] : titles) out += Section(title, old_texts[title], new_texts[title], context);
  return out;
}

Result<std::string> DiffCluster(kube::Api& api, kube::ResourceMapper& mapper, const chart::Rendered& after,
                                const std::string& ns, const std::string& field_manager, int context) {
  std::string out;
  for (const chart::Manifest& m : after.objects) {
    if (m.object.is_null()) continue;
    Json object = m.object;
    FL_ASSIGN(kube::Resource r, mapper.Find(Str(object, "apiVersion"), Str(object, "kind")));
    if (r.namespaced && kube::Namespace(object).empty()) object["metadata"]["namespace"] = ns;
    const std::string in = r.namespaced ? kube::Namespace(object) : "";
    auto live = api.Get(r, in, kube::Name(object));
    if (!live.ok() && live.error().code != Code::kNotFound) return live.error();
    // A server cannot say what becomes of an object in a namespace that does not exist yet.
    std::string would_be = value::ToYaml(object);
    if (live.ok()) {
      FL_ASSIGN(Json applied,
                api.Patch(r, in, kube::Name(object), kube::PatchType::kApply, object,
                          {.subresource = "", .field_manager = field_manager, .force = true, .dry_run = true}));
      would_be = TextOf(std::move(applied));
    }
    out += Section(TitleOf(object, ns), live.ok() ? TextOf(*live) : "", would_be, context);
  }
  return out;
}

std::string DiffObject(const Json& before, const Json& after, int context) {
  auto text = [](const Json& o) { return o.is_null() ? std::string() : TextOf(o); };
  return Section(TitleOf(after.is_null() ? before : after, ""), text(before), text(after), context);
}

}  // namespace fairlead::cmd
