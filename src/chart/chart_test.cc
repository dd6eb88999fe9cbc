// The cases of tests/conformance/helm, whose answers were recorded from Helm itself, and what they do not reach:
// archives, directories, limits.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "chart/render.h"
#include "chart/set_values.h"
#include "chart/test_gzip.h"
#include "util/file.h"
#include "util/mutate.h"
#include "util/strings.h"

namespace fairlead::chart {
namespace {

const std::string kDirectory = "tests/conformance/helm/";

struct Case {
  std::string name;
  Json options;
  Files files;
};

// See tests/conformance/helm/oracle/main.go.
std::vector<Case> ReadCases(const std::string& family) {
  auto content = ReadFile(kDirectory + family + ".cases", 16 << 20);
  EXPECT_TRUE(content.ok()) << content.error().message << " (run from the repository's root)";
  std::vector<Case> out;
  if (!content.ok()) return out;
  auto blocks = [](const std::string& text, const std::string& mark) {
    std::vector<std::string> parts;
    for (size_t at = text.find(mark); at != text.npos;) {
      size_t next = text.find(mark, at + 1);
      parts.push_back(text.substr(at + mark.size(), next == text.npos ? text.npos : next - at - mark.size()));
      at = next;
    }
    return parts;
  };
  for (const std::string& block : blocks("\n" + *content, "\n== ")) {
    size_t first = block.find('\n'), second = block.find('\n', first + 1);
    Case c{block.substr(0, first), Json::parse(block.substr(first + 1, second - first - 1)), {}};
    std::string text = second == block.npos ? "" : block.substr(second + 1);
    if (!text.starts_with("-- ")) text = "-- templates/t.yaml --\n" + text;
    for (const std::string& part : blocks("\n" + text, "\n-- ")) {
      size_t end = part.find('\n');
      std::string body = end == part.npos ? "" : part.substr(end + 1);
      if (!body.empty() && !body.ends_with('\n')) body += '\n';
      c.files[part.substr(0, std::min(end, part.size()) - 3)] = body;
    }
    if (!c.files.contains("Chart.yaml")) c.files["Chart.yaml"] = "apiVersion: v2\nname: c\nversion: 0.1.0\n";
    out.push_back(std::move(c));
  }
  return out;
}

Result<Rendered> Evaluate(const Case& c) {
  FL_ASSIGN(Chart chart, LoadFiles(c.files));
  Json values = value::WithFloatNumbers(value::Member(c.options, "values"));
  if (!values.is_object()) values = Json::object();
  const std::pair<const char*, SetKind> settings[] = {
      {"setJson", SetKind::kJson}, {"set", SetKind::kTyped}, {"setString", SetKind::kString}};
  for (const auto& [option, kind] : settings)
    for (const Json& s : value::Member(c.options, option)) FL_TRY(SetValues(values, value::AsString(s), kind));
  FL_ASSIGN(std::string kube_version,
            ParseKubeVersion(value::AsString(value::Member(c.options, "kubeVersion"), "v1.34.0")));
  Release r{.name = value::AsString(value::Member(c.options, "name"), "release-name"),
            .ns = value::AsString(value::Member(c.options, "namespace"), "default"),
            .is_upgrade = value::Bool(c.options, "isUpgrade"),
            .kube_version = kube_version};
  for (const Json& v : value::Member(c.options, "apiVersions")) r.api_versions.push_back(value::AsString(v));
  return RenderChart(std::move(chart), values, r);
}

std::string Output(const Rendered& r, bool crds) {
  std::string out;
  if (crds)
    for (const auto& [path, text] : r.crds) out += "---\n# Source: " + path + "\n" + text + "\n";
  for (const Manifest& m : r.objects) out += "---\n# Source: " + m.path + "\n" + m.text + "\n";
  out = std::string(Trim(out)) + "\n";
  for (const Hook& h : r.hooks) out += "---\n# Source: " + h.path + "\n" + h.text + "\n";
  return out;
}

// Where go-yaml damages text, or escapes what it need not: ours comes back as it was.
const std::set<std::string> kDiffer = {R"(a string: "\u0085")", R"(a string: "\u2028")", R"(a string: "\ufeffa")"};

class HelmConformance : public ::testing::TestWithParam<const char*> {};

TEST_P(HelmConformance, AnswersAsRecorded) {
  std::string family = GetParam();
  Json recorded = *value::ParseJson(*ReadFile(kDirectory + "recorded/" + family + ".json", 64 << 20), family);
  std::vector<std::string> failed;
  auto cases = ReadCases(family);
  EXPECT_EQ(cases.size(), recorded.size()) << "record the answers again";
  for (const Case& c : cases) {
    const Json& want = value::Member(recorded, c.name);
    auto got = Evaluate(c);
    std::string is = got.ok() ? Output(*got, value::Bool(c.options, "includeCrds")) +
                                    (got->notes.empty() ? "" : "notes: " + got->notes)
                              : "error: " + got.error().message;
    std::string error = value::Str(want, "error"), notes = value::Str(want, "notes");
    std::string should =
        error.empty() ? value::Str(want, "output") + (notes.empty() ? "" : "notes: " + notes) : "error: " + error;
    if ((is != should) != kDiffer.contains(c.name))
      failed.push_back(c.name + "\n--- is\n" + is.substr(0, 3000) + "\n--- should\n" + should.substr(0, 3000));
  }
  EXPECT_TRUE(failed.empty()) << failed.size() << " of " << cases.size() << ":\n" << Join(failed, "\n\n");
}

INSTANTIATE_TEST_SUITE_P(Helm, HelmConformance,
                         ::testing::Values("engine", "yaml", "values", "manifests", "schema", "set", "functions"),
                         [](const auto& p) { return std::string(p.param); });

const Files kSmall = {
    {"Chart.yaml", "apiVersion: v2\nname: small\nversion: 1.0.0\n"},
    {"values.yaml", "a: 1\n"},
    {"templates/t.yaml", "kind: ConfigMap\nmetadata: {name: x}\ndata: {a: {{ .Values.a | quote }}}\n"}};

std::string Tar(const Files& files, char type = '0') {
  std::string out;
  for (const auto& [path, text] : files) {
    std::string header(512, '\0');
    header.replace(0, path.size(), path);
    char size[13];
    snprintf(size, sizeof size, "%011zo", text.size());
    header.replace(124, 11, size);
    header[156] = type;
    header.replace(257, 5, "ustar");
    out += header + text + std::string((512 - text.size() % 512) % 512, '\0');
  }
  return out + std::string(1024, '\0');
}

TEST(Archive, LoadsWhatHelmPackages) {
  Files packed;
  for (const auto& [path, text] : kSmall) packed["small/" + path] = text;
  packed["small/charts/sub-1.0.0.tgz"] = Gzip(Tar({{"sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n"},
                                                   {"sub/templates/s.yaml", "kind: Secret\nmetadata: {name: s}\n"}}));
  auto chart = LoadArchive(Gzip(Tar(packed)));
  ASSERT_TRUE(chart.ok()) << chart.error().message;
  auto objects = Render(*chart, Json::object(), {.name = "r", .ns = "n"});
  ASSERT_TRUE(objects.ok()) << objects.error().message;
  ASSERT_EQ(objects->size(), 2u);
  EXPECT_EQ(value::Str((*objects)[0], "kind"), "Secret");
  EXPECT_EQ(value::Str((*objects)[1], "data", "a"), "1");
}

TEST(Archive, LeadsNowhereElse) {
  for (const char* name :
       {"small/../../etc/x", "small//etc/passwd", "small/..", "small", "Chart.yaml", "small/c:/x", "..\\..\\x"})
    EXPECT_FALSE(LoadArchive(Gzip(Tar({{name, "x"}}))).ok()) << name;
  EXPECT_FALSE(LoadArchive("").ok());
  EXPECT_FALSE(LoadArchive("no archive").ok());
  EXPECT_FALSE(LoadArchive(Gzip("")).ok());
  EXPECT_FALSE(LoadArchive(Gzip(Tar({{"a/link", ""}}, '2'))).ok()) << "a link is no file";
}

TEST(Archive, IsNoBomb) {
  EXPECT_NE(LoadArchive(Gzip(Tar({{"a/big", std::string(kMaxFileBytes + 1, 'x')}})))
                .error()
                .message.find("larger than the maximum"),
            std::string::npos);
  EXPECT_NE(LoadArchive(Gzip(std::string(kMaxChartBytes + (20u << 20), '\0')))
                .error()
                .message.find("larger than the maximum"),
            std::string::npos);
  std::string whole = Gzip(Tar({{"a/Chart.yaml", "x"}}));
  EXPECT_FALSE(LoadArchive(whole.substr(0, whole.size() / 2)).ok());
}

class Directory : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/fairlead-chart-XXXXXX";
    root_ = mkdtemp(name);
    Write(kSmall);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void Write(const Files& files) const {
    for (const auto& [path, text] : files) {
      std::filesystem::create_directories(
          (root_ + "/" + path.substr(0, path.rfind('/') == path.npos ? 0 : path.rfind('/'))));
      std::ofstream(root_ + "/" + path) << text;
    }
  }
  std::string root_;
};

TEST_F(Directory, LeavesOutWhatIsIgnored) {
  Write({{".helmignore", "# comment\n*.bak\n/top.txt\ndocs/\n"},
         {"a.bak", ""},
         {"deep/b.bak", ""},
         {"top.txt", ""},
         {"deep/top.txt", "kept"},
         {"docs/x", ""},
         {"templates/.hidden", "{{ fail \"rendered\" }}"}});
  auto chart = Load(root_);
  ASSERT_TRUE(chart.ok()) << chart.error().message;
  EXPECT_EQ(chart->files.size(), 2u);
  EXPECT_TRUE(chart->files.contains("deep/top.txt"));
  EXPECT_TRUE(chart->files.contains(".helmignore"));
  EXPECT_EQ(chart->templates.size(), 1u);
  Write({{".helmignore", "a/**/b\n"}});
  EXPECT_NE(Load(root_).error().message.find("double-star"), std::string::npos);
}

TEST_F(Directory, RefusesLinksThatLeadOut) {
  std::filesystem::create_symlink("/etc/passwd", root_ + "/templates/passwd.yaml");
  EXPECT_NE(Load(root_).error().message.find("leads out"), std::string::npos);
  std::filesystem::remove(root_ + "/templates/passwd.yaml");
  std::filesystem::create_symlink("t.yaml", root_ + "/templates/again.yaml");
  EXPECT_TRUE(Load(root_).ok());
  std::filesystem::create_directory_symlink(".", root_ + "/loop");
  EXPECT_FALSE(Load(root_).ok()) << "a link to what it lies in";
}

TEST(Render, IsNotExhaustedByATemplateOrItsValues) {
  auto fails = [](const std::string& text, const std::string& values = "") {
    Files files = {{"Chart.yaml", kSmall.at("Chart.yaml")}, {"templates/t.yaml", text}, {"values.yaml", values}};
    auto chart = LoadFiles(files);
    return !chart.ok() || !RenderChart(std::move(*chart), Json::object(), {.name = "r", .ns = "n"}).ok();
  };
  EXPECT_TRUE(fails("{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}"));
  EXPECT_TRUE(fails("{{ define \"a\" }}{{ tpl \"{{ include \\\"a\\\" . }}\" . }}{{ end }}{{ include \"a\" . }}"));
  EXPECT_TRUE(fails("{{ range until 10000000 }}{{ . }}{{ end }}"));
  for (const std::string f :
       {"toYaml", "toYamlPretty", "toJson", "toToml", "toString", "quote", "deepCopy", "merge (dict)"})
    EXPECT_TRUE(fails("{{ $_ := set .Values \"v\" .Values }}{{ " + f + " .Values }}")) << f;
  EXPECT_TRUE(fails(
      "a: b",
      "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
      "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
      "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n"));
  EXPECT_TRUE(fails("a: b", std::string(100000, '[')));
  EXPECT_FALSE(fails("a: " + std::string(4 << 20, 'x')));
}

TEST(Render, SurvivesDamagedCharts) {
  ForEachMutation({"apiVersion: v2\nname: p\nversion: 1.0.0\ndependencies:\n- {name: sub, version: 1.x, alias: a, "
                   "tags: [t], condition: a.b, "
                   "import-values: [x, {child: y, parent: z}]}\n"},
                  500, [](const std::string& text) {
                    Files files = kSmall;
                    files["Chart.yaml"] = text;
                    files["charts/sub/Chart.yaml"] = kSmall.at("Chart.yaml");
                    if (auto chart = LoadFiles(files); chart.ok())
                      (void)RenderChart(std::move(*chart), {{"a", 1}}, {.name = "r", .ns = "n"}).ok();
                  });
  ForEachMutation({Gzip(Tar({{"a/Chart.yaml", kSmall.at("Chart.yaml")}, {"a/templates/t.yaml", "x: y"}})),
                   Tar({{"a/Chart.yaml", "x"}})},
                  500, [](const std::string& bytes) {
                    (void)LoadArchive(bytes).ok();
                    (void)LoadArchive(Gzip(bytes)).ok();
                  });
  ForEachMutation(
      {R"({"properties":{"a":{"type":"string","pattern":"^a"},"b":{"$ref":"#/definitions/c"}},"definitions":{"c":{"items":{"oneOf":[{}]}}}})"},
      500, [](const std::string& schema) {
        Files files = kSmall;
        files["values.schema.json"] = schema;
        if (auto chart = LoadFiles(files); chart.ok())
          (void)RenderChart(std::move(*chart), {{"b", {1}}}, {.name = "r", .ns = "n"}).ok();
      });
  ForEachMutation({"a.b[0].c={x,y},d\\.e=f,g[1][2]=null"}, 1000, [](const std::string& s) {
    Json values = {{"a", {{"b", 1}}}};
    for (SetKind kind : {SetKind::kTyped, SetKind::kString, SetKind::kJson}) (void)SetValues(values, s, kind).ok();
  });
}

}  // namespace
}  // namespace fairlead::chart
