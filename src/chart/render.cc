#include "chart/render.h"

#include <pthread.h>

#include "chart/context.h"
#include "chart/functions.h"
#include "chart/metadata.h"
#include "chart/schema.h"
#include "chart/values.h"
#include "util/strings.h"

namespace fairlead::chart {
namespace {

// Helm lets templates include each other 1,000 deep; that takes more stack than a thread has.
#ifdef __SANITIZE_THREAD__
constexpr size_t kStackBytes = 24u << 20;  // the sanitizer takes no more than 65,536 calls within each other
#else
constexpr size_t kStackBytes = 128u << 20;
#endif
constexpr size_t kTemplateStackBytes = kStackBytes / 16 * 15;

void OnLargeStack(const std::function<void()>& work) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread{};
  auto run = [](void* arg) -> void* {
    (*static_cast<const std::function<void()>*>(arg))();
    return nullptr;
  };
  int rc = pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&work));
  pthread_attr_destroy(&attributes);
  if (rc != 0) return;
  pthread_join(thread, nullptr);
}

Result<Files> ExecuteTemplates(const std::vector<TemplateFile>& files, const Release& release) {
  gotmpl::Engine engine({.call_depth = 100000, .stack_bytes = kTemplateStackBytes});
  gotmpl::RegisterBuiltins(engine);
  gotmpl::RegisterSprig(engine);
  RegisterHelm(engine, release);
  for (const TemplateFile& f : files)
    if (Status s = engine.Parse(f.path, f.text); !s.ok()) return ParseErrorOf(f.path, s.error());
  Files out;
  for (const TemplateFile& f : files) {
    if (f.path.substr(f.path.rfind('/') + 1).starts_with('_')) continue;
    (**f.context.as_map())["Template"] =
        gotmpl::Value::NewMap({{"Name", gotmpl::Value(f.path)}, {"BasePath", gotmpl::Value(f.base_path)}});
    auto text = engine.Execute(f.path, f.context);
    if (!text.ok()) return ExecutionErrorOf(text.error());
    out[f.path] = ReplaceAll(*text, "<no value>", "");
  }
  return out;
}

void CollectCrds(const Chart& chart, const std::string& prefix, std::vector<std::pair<std::string, std::string>>& out) {
  for (const auto& [path, text] : chart.files)
    if (path.starts_with("crds/") && (path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json")))
      out.emplace_back(prefix + chart.name + "/" + path, text);
  for (const Chart& sub : chart.charts) CollectCrds(sub, prefix + chart.name + "/charts/", out);
}

}  // namespace

Result<std::string> ParseKubeVersion(const std::string& text) {
  auto fail = [&](const std::string& why) {
    return MakeError(Code::kInvalid, "invalid kube version '" + text + "': " + why);
  };
  std::string digits = text.starts_with('v') ? text.substr(1) : text;
  digits.resize(std::min(digits.find_first_not_of("0123456789."), digits.size()));
  auto parts = Split(digits, '.');
  if (parts.size() < 2 || std::any_of(parts.begin(), parts.end(), [](const std::string& p) { return p.empty(); }))
    return fail("could not parse \"" + text + "\" as version");
  parts.resize(std::max<size_t>(parts.size(), 3), "0");
  for (const std::string& p : parts)
    if (p.size() > 1 && p[0] == '0')
      return fail("illegal zero-prefixed version component \"" + p + "\" in \"" + text + "\"");
  return "v" + Join(parts, ".");
}

Result<Rendered> RenderChart(Chart chart, const Json& values, const Release& release) {
  FL_TRY(ProcessDependencies(chart, values));
  FL_ASSIGN(Json all, CoalesceValues(chart, values));
  FL_TRY(ValidateAgainstSchemas(chart, all));
  std::string range = value::Str(chart.metadata, "kubeVersion");
  if (!range.empty() && !IsCompatibleRange(range, release.kube_version))
    return MakeError(Code::kInvalid, "chart requires kubeVersion: " + range +
                                         " which is incompatible with Kubernetes " + release.kube_version);
  Result<Files> files = MakeError(Code::kInternal, "no thread could be started to render the chart");
  OnLargeStack([&] { files = ExecuteTemplates(TemplateFiles(chart, all, release), release); });
  if (!files.ok()) return files.error();
  Rendered out;
  for (auto it = files->begin(); it != files->end();) {
    if (!it->first.ends_with("NOTES.txt")) {
      ++it;
      continue;
    }
    if (it->first == chart.name + "/templates/NOTES.txt") out.notes = it->second;
    it = files->erase(it);
  }
  FL_ASSIGN(static_cast<Manifests&>(out), SortManifests(*files));
  CollectCrds(chart, "", out.crds);
  return out;
}

Result<std::vector<Json>> Render(const Chart& chart, const Json& values, const Release& release) {
  FL_ASSIGN(Rendered rendered, RenderChart(chart, values, release));
  std::vector<Json> out;
  for (Manifest& m : rendered.objects) {
    if (m.object.is_null()) continue;
    if (value::Str(m.object, "kind").empty() || value::Str(m.object, "metadata", "name").empty())
      return MakeError(Code::kInvalid, m.path + ": renders to something that has no kind or no metadata.name");
    out.push_back(std::move(m.object));
  }
  return out;
}

}  // namespace fairlead::chart
