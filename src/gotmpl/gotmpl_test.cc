#include <gtest/gtest.h>

#include "gotmpl/engine.h"
#include "util/mutate.h"
#include "value/yaml.h"

namespace fairlead::gotmpl {
namespace {

Result<std::string> Render(const std::string& text, const Json& data = Json::object()) {
  Engine e({.output_bytes = 1 << 20, .call_depth = 50, .time = std::chrono::milliseconds(2000)});
  RegisterBuiltins(e);
  RegisterSprig(e);
  e.Register("include", [](Engine& engine, const List& args) -> Result<Value> {
    if (args.size() != 2 || !args[0].as_string()) return MakeError(Code::kInvalid, "include takes a name and a value");
    FL_ASSIGN(std::string out, engine.Execute(*args[0].as_string(), args[1]));
    return Value(out);
  });
  FL_TRY(e.Parse("t", text));
  return e.Execute("t", FromJson(data));
}

// Expectations were observed with Go 1.26 text/template and sprig 3.3.
TEST(Template, RendersAsGoDoes) {
  Json data = {{"Values",
                {{"s", "x"},
                 {"n", 1},
                 {"big", 1000000},
                 {"f", 1.5},
                 {"l", {"a", "b"}},
                 {"m", {{"k", "v"}, {"a", 1}}},
                 {"no", false},
                 {"e", ""}}}};
  const std::pair<const char*, const char*> cases[] = {
      {"a{{/* c */}}b", "ab"},
      {"a {{- 3 -}} b", "a3b"},
      {"{{ .Values.s }}", "x"},
      {"{{ .Values.nope }}", "<no value>"},
      {"{{ (.Values.nope).x }}", "<no value>"},
      {"{{ .Values.big }}", "1e+06"},
      {"{{ .Values.n }}", "1"},
      {"{{ .Values.f }}", "1.5"},
      {"{{ int .Values.big }}", "1000000"},
      {"{{ .Values.m }}", "map[a:1 k:v]"},
      {"{{ .Values.l }}", "[a b]"},
      {"{{ if .Values.no }}y{{ else if .Values.s }}z{{ else }}w{{ end }}", "z"},
      {"{{ range $i, $e := .Values.l }}{{ $i }}{{ $e }}{{ end }}", "0a1b"},
      {"{{ range $k, $v := .Values.m }}{{ $k }}={{ $v }};{{ end }}", "a=1;k=v;"},
      {"{{ range .Values.nope }}x{{ else }}none{{ end }}", "none"},
      {"{{ range 3 }}{{ . }}{{ end }}", "012"},
      {"{{ with .Values.m }}{{ .k }}{{ end }}", "v"},
      {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
      {"{{ range .Values.l }}{{ if eq . \"b\" }}{{ break }}{{ end }}{{ . }}{{ end }}", "a"},
      {"{{ define \"d\" }}<{{ . }}>{{ end }}{{ template \"d\" 1 }}{{ include \"d\" 2 }}", "<1><2>"},
      {"{{ and 1 0 2 }}{{ or 0 \"x\" }}{{ not 0 }}", "0xtrue"},
      {"{{ eq 1 2 1 }}{{ ne 1 2 }}{{ lt 1 2 }}{{ ge 2 2 }}", "truetruetruetrue"},
      {"{{ index .Values.l 1 }}{{ index .Values.m \"k\" }}", "bv"},
      {"{{ len .Values.l }}", "2"},
      {"{{ printf \"%s-%d-%05.2f-%q-%v\" \"a\" 3 1.5 \"q\" true }}", "a-3-01.50-\"q\"-true"},
      {"{{ printf \"%d\" 1.0 }}", "%!d(float64=1)"},
      {"{{ print 1 2 \"a\" \"b\" 3 }}", "1 2ab3"},
      {"{{ .Values.s | quote | printf \"%s!\" }}", "\"x\"!"},
      {"{{ default \"d\" .Values.e }}{{ \"\" | default \"q\" }}", "dq"},
      {"{{ ternary \"a\" \"b\" true }}", "a"},
      {"{{ trimSuffix \"b\" \"ab\" }}{{ trunc 2 \"abc\" }}{{ trunc -2 \"abc\" }}", "aabbc"},
      {"{{ \"a\\nb\" | indent 2 }}", "  a\n  b"},
      {"{{ \"a\" | nindent 2 }}", "\n  a"},
      {"{{ coalesce \"\" 0 \"c\" }}", "c"},
      {"{{ list 1 2 | join \"-\" }}", "1-2"},
      {"{{ dict \"a\" 1 | toJson }}", "{\"a\":1}"},
      {"{{ $d := dict \"a\" 1 }}{{ $_ := set $d \"b\" 2 }}{{ $d.b }}{{ hasKey $d \"a\" }}", "2true"},
      {"{{ has \"a\" .Values.l }}", "true"},
      {"{{ contains \"b\" \"abc\" }}{{ replace \"a\" \"x\" \"aba\" }}", "truexbx"},
      {"{{ quote nil }}|{{ cat \"a\" nil \"b\" }}", "|a b"},
      {"{{ dig \"a\" \"b\" \"d\" (dict \"a\" (dict \"b\" 1)) }}", "1"},
      {"{{ `raw\\n` }}{{ 'a' }}{{ 0x10 }}{{ 1e3 }}", "raw\\n97161000"},
      {"{{ true }}{{ \"quoted \\\"x\\\"\" }}", "truequoted \"x\""},
      {"{{ .Values.s | }}", "x"}};
  for (const auto& [text, want] : cases) {
    auto got = Render(text, data);
    ASSERT_TRUE(got.ok()) << text << ": " << got.error().message;
    EXPECT_EQ(*got, want) << text;
  }
}

TEST(Template, FailsInGosWords) {
  Json data = {{"Values", {{"n", 1}, {"s", "abc"}}}};
  const std::pair<const char*, const char*> cases[] = {
      {"{{ $x }}", "template: t:1: undefined variable \"$x\""},
      {"{{ nofunc }}", "template: t:1: function \"nofunc\" not defined"},
      {"{{ /* a */ }}", "unexpected \"/\" in command"},
      {"{{ .Values.nope.x }}", "nil pointer evaluating interface {}.x"},
      {"{{ .Values.s.x }}", "can't evaluate field x in type interface {}"},
      {"{{ eq .Values.n 1 }}", "incompatible types for comparison: float64 and int"},
      {"{{ range .Values.n }}{{ end }}", "range can't iterate over 1"},
      {"{{ index .Values.l 9 }}", "index of untyped nil"},
      {"{{ fail \"boo\" }}", "error calling fail: boo"},
      {"{{ if }}{{ end }}", "missing value for if"},
      {"{{ if true }}", "unexpected EOF"},
      {"{{ end }}", "unexpected {{end}}"},
      {"{{ break }}", "{{break}} outside {{range}}"},
      {"{{ 1 | 2 }}", "non executable command in pipeline stage 2"},
      {"{{ .Values.a-b }}", "bad character U+002D '-'"},
      {"{{ \"abc }}", "unterminated quoted string"},
      {"{{ true.x }}", "unexpected . after term \"true\""},
      {"{{/* a", "unclosed comment"},
      {"{{ .x", "unclosed action"},
      {"{{ template \"none\" }}", "template \"none\" not defined"}};
  for (const auto& [text, want] : cases) {
    auto got = Render(text, data);
    ASSERT_FALSE(got.ok()) << text << " rendered to " << *got;
    EXPECT_NE(got.error().message.find(want), std::string::npos) << text << ": " << got.error().message;
  }
  EXPECT_EQ(Render("a\n  {{ fail \"x\" }}").error().message,
            "template: t:2:5: executing \"t\" at <fail \"x\">: error calling fail: x");
}

TEST(Template, CannotHangOrExhaustItsCaller) {
  EXPECT_FALSE(Render("{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}").ok());
  EXPECT_FALSE(Render("{{ range 100000000 }}xxxxxxxxxxxxxxxxxxxxxx{{ end }}").ok());
  EXPECT_FALSE(Render("{{ repeat 100000000 \"x\" }}").ok());
  EXPECT_FALSE(Render(std::string(100000, '(')).ok() && Render("{{ " + std::string(100000, '(') + " }}").ok());
  std::string nested;
  for (int i = 0; i < 20000; ++i) nested += "{{ if true }}";
  EXPECT_FALSE(Render(nested).ok());

  auto times = [](int n, const std::string& text) {
    std::string out;
    for (int i = 0; i < n; ++i) out += text;
    return out;
  };
  EXPECT_EQ(*Render("{{ " + times(200, "(") + "1" + times(200, ")") + " }}"), "1");
  EXPECT_EQ(*Render(times(200, "{{ if 1 }}") + "x" + times(200, "{{ end }}")), "x");
  std::string calls =
      "{{ define \"a\" }}" + times(200, "{{ if 1 }}") + "{{ include \"a\" . }}" + times(200, "{{ end }}") + "{{ end }}";
  EXPECT_FALSE(Render(calls + "{{ include \"a\" . }}").ok());
}

TEST(Template, LimitsWhatItBuilds) {
  const std::string deep = "{{ $d := dict }}{{ range 100000 }}{{ $d = dict \"a\" $d }}{{ end }}";
  const std::string cycle = "{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ $_ := set $d \"b\" $d }}";
  for (const char* use : {"{{ $d }}", "{{ printf \"%v\" $d }}", "{{ toJson $d }}", "{{ $x := deepCopy $d }}",
                          "{{ eq $d $d }}", "{{ merge (deepCopy $d) $d }}", "{{ deepEqual $d (dict \"a\" $d) }}"})
    for (const std::string& made : {deep, cycle})
      EXPECT_FALSE(Render(made + use + "{{ $_ := unset $d \"a\" }}").ok()) << made << use;
  EXPECT_EQ(*Render(deep + "x"), "x");
}

TEST(Merge, OverwritesAndSharesAsMergoDoes) {
  EXPECT_EQ(*Render("{{ $a := dict \"x\" 1 \"m\" (dict \"p\" 1) }}{{ $b := dict \"x\" 0 \"m\" (dict \"q\" 2) }}{{ "
                    "toJson (mustMergeOverwrite $a $b) }}"),
            "{\"m\":{\"p\":1,\"q\":2},\"x\":0}");
  EXPECT_EQ(*Render("{{ $a := dict \"x\" 0 \"y\" 2 }}{{ $b := dict \"x\" 5 \"y\" 6 }}{{ toJson (merge $a $b) }}"),
            "{\"x\":5,\"y\":2}");
  EXPECT_EQ(*Render("{{ $b := dict \"m\" (dict \"q\" 1) }}{{ $a := mergeOverwrite (dict) $b }}{{ $_ := set $a.m \"q\" "
                    "9 }}{{ $b.m.q }}"),
            "9")
      << "a merged map is the source's own";
}

TEST(Template, SurvivesDamagedInput) {
  std::vector<std::string> seeds = {
      "{{- range $i, $e := .Values.l }}{{ if eq $e \"b\" }}{{ break }}{{ end }}{{ $i | printf \"%03d\" | quote }}{{ "
      "end -}}",
      "{{ define \"a\" }}{{ with .m }}{{ .k | default \"x\" }}{{ else }}{{ . }}{{ end }}{{ end }}{{ include \"a\" "
      ".Values }}",
      "{{ $d := dict \"a\" (list 1 2) }}{{ set $d \"b\" `raw` | toJson }}{{/* c */}}{{ index $d.a 1 }}{{ trunc -2 "
      "\"abc\" | indent 3 }}"};
  Json data = {{"Values", {{"l", {"a", "b"}}, {"m", {{"k", "v"}}}}}};
  ForEachMutation(seeds, 3000, [&](const std::string& text) { (void)Render(text, data).ok(); });
}

}  // namespace
}  // namespace fairlead::gotmpl
