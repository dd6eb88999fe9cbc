// The cases of tests/conformance/gotmpl, whose answers were recorded from Go's own programs.
#include <gtest/gtest.h>

#include "gotmpl/engine.h"
#include "util/file.h"
#include "util/strings.h"

namespace fairlead::gotmpl {
namespace {

const std::string kDirectory = "tests/conformance/gotmpl/";

struct Case {
  std::string name, data, text;
};

// "== NAME", a line of JSON data, the template.
std::vector<Case> ReadCases(const std::string& family) {
  auto content = ReadFile(kDirectory + family + ".cases", 16 << 20);
  EXPECT_TRUE(content.ok()) << content.error().message << " (run from the repository's root)";
  std::vector<Case> out;
  if (!content.ok()) return out;
  std::string all = "\n" + *content;
  size_t at = all.find("\n== ");
  while (at != all.npos) {
    size_t next = all.find("\n== ", at + 1);
    std::string block = all.substr(at + 4, next == all.npos ? all.npos : next - at - 4);
    size_t first = block.find('\n'), second = block.find('\n', first + 1);
    Case c{block.substr(0, first), block.substr(first + 1, second - first - 1), ""};
    if (second != block.npos) c.text = block.substr(second + 1);
    if (c.text.ends_with('\n')) c.text.pop_back();
    out.push_back(std::move(c));
    at = next;
  }
  return out;
}

class Conformance : public ::testing::TestWithParam<const char*> {};

TEST_P(Conformance, AnswersAsRecorded) {
  std::string family = GetParam();
  Json recorded = *value::ParseJson(*ReadFile(kDirectory + "recorded/" + family + ".json", 16 << 20), family);
  std::vector<std::string> failed;
  auto cases = ReadCases(family);
  EXPECT_EQ(cases.size(), recorded.size()) << "record the answers again";
  for (const Case& c : cases) {
    const Json& want = value::Member(recorded, c.name);
    Engine engine;
    RegisterBuiltins(engine);
    if (family.starts_with("sprig")) RegisterSprig(engine);
    Status parsed = engine.Parse("main", c.text);
    auto got =
        parsed.ok() ? engine.Execute("main", FromJson(Json::parse(c.data))) : Result<std::string>(parsed.error());
    std::string is = got.ok() ? *got : "error: " + got.error().message;
    std::string error = value::Str(want, "error");
    std::string should = error.empty() ? value::Str(want, "output") : "error: " + error;
    if (is != should) failed.push_back(c.name + "\n    is     " + is + "\n    should " + should);
  }
  EXPECT_TRUE(failed.empty()) << failed.size() << " of " << cases.size() << ":\n  " << Join(failed, "\n  ");
}

INSTANTIATE_TEST_SUITE_P(Go, Conformance,
                         ::testing::Values("lexer", "parser", "exec", "printf", "sprig-crypto", "sprig-dates",
                                           "sprig-names", "sprig-math", "sprig-strings", "sprig-lists", "sprig-text",
                                           "sprig-regex", "sprig-semver", "sprig-values"),
                         [](const auto& p) { return ReplaceAll(p.param, "-", "_"); });

}  // namespace
}  // namespace fairlead::gotmpl
