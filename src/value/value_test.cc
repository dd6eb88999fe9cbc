#include <gtest/gtest.h>

#include "util/mutate.h"
#include "value/jsonpath.h"
#include "value/merge.h"
#include "value/yaml.h"

namespace fairlead::value {
namespace {

// Expectations of ParseYaml and ToYaml were taken from sigs.k8s.io/yaml 1.6 and go-yaml v2.4.
TEST(ParseYaml, ReadsScalarsByYaml11) {
  const std::pair<const char*, Json> cases[] = {{"0755", 493},
                                                {"0o755", 493},
                                                {"0x1F", 31},
                                                {"1_000", 1000},
                                                {"1e3", 1000.0},
                                                {"yes", true},
                                                {"off", false},
                                                {"~", nullptr},
                                                {"12:30", "12:30"},
                                                {"2001-01-01", "2001-01-01"},
                                                {"1.30", 1.3},
                                                {"'1'", "1"},
                                                {"\"true\"", "true"},
                                                {"-5", -5},
                                                {"+1", 1},
                                                {"1.2.3", "1.2.3"},
                                                {"v1.28.6", "v1.28.6"},
                                                {"- a", Json::array({"a"})},
                                                {"{}", Json::object()}};
  for (const auto& [text, want] : cases) {
    auto got = ParseYaml(text, "test");
    ASSERT_TRUE(got.ok()) << text;
    EXPECT_EQ(*got, want) << text;
  }
}

TEST(ParseYaml, MergesAnchorsAndSaysWhereItFails) {
  auto got = ParseYaml("base: &b {a: 1, b: 2}\nx:\n  <<: *b\n  b: 3\n", "test");
  ASSERT_TRUE(got.ok());
  EXPECT_EQ((*got)["x"], (Json{{"a", 1}, {"b", 3}}));
  EXPECT_EQ(*ParseYaml("y: 1", "test"), (Json{{"true", 1}})) << "YAML 1.1 takes the key y for a boolean";
  auto bad = ParseYaml("a: 1\nb: [1,\nc: }", "values.yaml");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().message.find("values.yaml: line"), std::string::npos) << bad.error().message;
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "[";
  EXPECT_FALSE(ParseYaml(deep, "deep").ok());
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    std::string last = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 0; k < 9; ++k) laughs += ", " + last;
    laughs += "]\n";
  }
  EXPECT_FALSE(ParseYaml(laughs, "laughs").ok()) << "aliases of aliases";
}

TEST(ToYaml, WritesAsGoYamlDoes) {
  const std::pair<Json, const char*> cases[] = {
      {Json{{"a", 1}}, "a: 1\n"},
      {Json{{"l", {1, 2}}}, "l:\n- 1\n- 2\n"},
      {Json{{"l", Json::array({Json{{"a", 1}, {"b", 2}}})}}, "l:\n- a: 1\n  b: 2\n"},
      {Json{{"l", Json::array({Json::array({1})})}}, "l:\n- - 1\n"},
      {Json{{"e", Json::array()}, {"m", Json::object()}, {"n", nullptr}}, "e: []\nm: {}\n\"n\": null\n"},
      {Json{{"s", "yes"}}, "s: \"yes\"\n"},
      {Json{{"s", ""}}, "s: \"\"\n"},
      {Json{{"s", "1.5"}}, "s: \"1.5\"\n"},
      {Json{{"s", "a: b"}}, "s: 'a: b'\n"},
      {Json{{"s", " x"}}, "s: ' x'\n"},
      {Json{{"s", "a\nb\n"}}, "s: |\n  a\n  b\n"},
      {Json{{"s", "a\nb"}}, "s: |-\n  a\n  b\n"},
      {Json{{"s", "12:30"}}, "s: \"12:30\"\n"},
      {Json{{"s", "*"}}, "s: '*'\n"},
      {Json{{"s", "a:b"}}, "s: a:b\n"},
      {Json{{"a10", 1}, {"a2", 2}}, "a2: 2\na10: 1\n"},
      {Json{{"f", 1e6}, {"g", 1.5}}, "f: 1000000\ng: 1.5\n"},
      {Json("x"), "x\n"}};
  for (const auto& [j, want] : cases) EXPECT_EQ(ToYaml(j), want);
}

TEST(ToYaml, IsReadBackAsTheSame) {
  Json j = {{"a",
             {{"b",
               {1, "two", nullptr, true, 1.5, "multi\nline\n", "- x", "#c", "a #c", "'q'", "\"q\"", "tab\there",
                "emoji \xF0\x9F\x98\x80", "{x", "no", "0x10", ".5", "~"}}}},
            {"empty", Json::object()}};
  auto back = ParseYaml(ToYaml(j), "test");
  ASSERT_TRUE(back.ok()) << back.error().message << "\n" << ToYaml(j);
  EXPECT_EQ(*back, j) << ToYaml(j);
}

TEST(ParseJson, NamesTheInputAndLimitsDepth) {
  EXPECT_NE(ParseJson("{\"a\": }", "conflist").error().message.find("conflist: not valid JSON"), std::string::npos);
  EXPECT_FALSE(ParseJson(std::string(100000, '['), "deep").ok());
  EXPECT_FALSE(ParseJson("{}", "small", 1).ok());
}

TEST(MergePatch, FollowsRfc7386) {
  Json t = {{"a", 1}, {"b", {{"c", 1}, {"d", 2}}}};
  MergePatch(t, {{"a", nullptr}, {"b", {{"c", 3}}}, {"e", {1}}});
  EXPECT_EQ(t, (Json{{"b", {{"c", 3}, {"d", 2}}}, {"e", {1}}}));
  Json from = {{"a", 1}, {"b", {{"c", 1}}}}, to = {{"b", {{"c", 2}}}};
  Json again = from;
  MergePatch(again, DiffMergePatch(from, to));
  EXPECT_EQ(again, to);
}

TEST(JsonPatch, ChangesAllOrNothing) {
  Json t = {{"a", 1}};
  Json before = t;
  EXPECT_FALSE(
      JsonPatch(t, Json::parse(R"([{"op":"add","path":"/b","value":2},{"op":"test","path":"/a","value":9}])")).ok());
  EXPECT_EQ(t, before);
  EXPECT_TRUE(JsonPatch(t, Json::parse(R"([{"op":"replace","path":"/a","value":2}])")).ok());
  EXPECT_EQ(t["a"], 2);
}

TEST(MergeValues, DeletesByNullAndReplacesLists) {
  Json base = {{"a", {{"b", 1}, {"c", {1, 2}}}}, {"d", 1}};
  MergeValues(base, {{"a", {{"b", nullptr}, {"c", {3}}}}});
  EXPECT_EQ(base, (Json{{"a", {{"c", {3}}}}, {"d", 1}}));
}

TEST(JsonPath, FindsWhatPrinterColumnsName) {
  Json o = {
      {"status", {{"conditions", {{{"type", "Ready"}, {"status", "True"}}, {{"type", "Other"}, {"status", "False"}}}}}},
      {"m", {{"a.b/c", 1}}}};
  EXPECT_EQ(JsonPath::Create(".status.conditions[?(@.type==\"Ready\")].status")->First(o), "True");
  EXPECT_EQ(JsonPath::Create("{.status.conditions[*].type}")->Find(o).size(), 2u);
  EXPECT_EQ(JsonPath::Create(".status.conditions[-1].type")->First(o), "Other");
  EXPECT_EQ(JsonPath::Create(".m['a.b/c']")->First(o), 1);
  EXPECT_TRUE(JsonPath::Create(".no.such")->First(o).is_null());
  EXPECT_FALSE(JsonPath::Create(".a[?(x)]").ok());
  EXPECT_FALSE(JsonPath::Create(".a[0").ok());
}

TEST(Parsers, SurviveDamagedInput) {
  std::vector<std::string> yaml = {"a: 1\nb: [x, {y: z}]\nc: |\n  text\n  more\n",
                                   "base: &b {a: 1}\nx:\n  <<: *b\n---\n- 1\n- 'q'\n", "\"\\u00e9\": !!binary aGk=\n"};
  ForEachMutation(yaml, 1500, [](const std::string& text) {
    auto j = ParseYaml(text, "t");
    if (j.ok()) (void)ToYaml(*j);
  });
  ForEachMutation({R"({"a":[1,2.5,null,true],"b":{"c":"\u0041"}})"}, 1500,
                  [](const std::string& text) { (void)ParseJson(text, "t").ok(); });
  ForEachMutation({".a.b[0]['x'][?(@.t==\"R\")].s", "{.items[*].metadata.name}"}, 1500, [](const std::string& text) {
    auto p = JsonPath::Create(text);
    if (p.ok()) (void)p->Find({{"a", {{"b", {1, 2}}}}});
  });
  ForEachMutation({R"([{"op":"add","path":"/a/0","value":1},{"op":"move","from":"/a","path":"/b"}])"}, 1500,
                  [](const std::string& text) {
                    Json target = {{"a", {1}}};
                    if (auto ops = ParseJson(text, "t"); ops.ok()) (void)JsonPatch(target, *ops).ok();
                  });
}

}  // namespace
}  // namespace fairlead::value
