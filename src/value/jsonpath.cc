#include "value/jsonpath.h"

#include "util/strings.h"

namespace fairlead::value {
namespace {

Error Bad(std::string_view text, std::string_view why) {
  return MakeError(Code::kInvalid, "JSONPath \"" + std::string(text) + "\": " + std::string(why));
}

std::string Unquote(std::string_view s) {
  if (s.size() >= 2 && (s.front() == '"' || s.front() == '\'') && s.back() == s.front()) s = s.substr(1, s.size() - 2);
  return std::string(s);
}

}  // namespace

Result<JsonPath> JsonPath::Create(std::string_view text) {
  std::string_view s = Trim(text);
  if (s.size() >= 2 && s.front() == '{' && s.back() == '}') s = s.substr(1, s.size() - 2);
  if (!s.empty() && s.front() == '$') s.remove_prefix(1);
  JsonPath out;
  while (!s.empty()) {
    if (s.front() == '[') {
      size_t end = s.find(s.size() > 1 && s[1] == '?' ? ")]" : "]");
      if (end == s.npos) return Bad(text, "unterminated [");
      std::string_view inner = s.substr(1, end - 1);
      if (inner.starts_with("?(")) {
        inner.remove_prefix(2);
        s.remove_prefix(end + 2);
        size_t at = inner.find("==");
        std::string op = "==";
        if (at == inner.npos) {
          at = inner.find("!=");
          op = "!=";
        }
        std::string_view member = Trim(inner.substr(0, at));
        if (at == inner.npos || !member.starts_with("@."))
          return Bad(text, "a filter is written [?(@.member==\"value\")]");
        out.steps_.push_back(
            {Step::kFilter, std::string(member.substr(2)), 0, op, Unquote(Trim(inner.substr(at + 2)))});
        continue;
      }
      s.remove_prefix(end + 1);
      if (inner == "*") {
        out.steps_.push_back({Step::kAll, "", 0, "", ""});
      } else if (auto n = ParseInt(inner); n.ok()) {
        out.steps_.push_back({Step::kIndex, "", static_cast<long>(*n), "", ""});
      } else {
        out.steps_.push_back({Step::kKey, Unquote(inner), 0, "", ""});
      }
      continue;
    }
    if (s.front() == '.') s.remove_prefix(1);
    std::string key;
    while (!s.empty() && s.front() != '.' && s.front() != '[') {
      if (s.front() == '\\' && s.size() > 1) s.remove_prefix(1);
      key += s.front();
      s.remove_prefix(1);
    }
    if (key.empty()) {
      if (s.empty()) break;
      return Bad(text, "empty member name");
    }
    if (key == "*")
      out.steps_.push_back({Step::kAll, "", 0, "", ""});
    else
      out.steps_.push_back({Step::kKey, key, 0, "", ""});
  }
  return out;
}

std::vector<const Json*> JsonPath::Find(const Json& root) const {
  std::vector<const Json*> now{&root};
  for (const Step& step : steps_) {
    std::vector<const Json*> next;
    for (const Json* j : now) {
      switch (step.kind) {
        case Step::kKey:
          if (j->is_object() && j->contains(step.key)) next.push_back(&(*j)[step.key]);
          break;
        case Step::kIndex: {
          if (!j->is_array()) break;
          long i = step.index < 0 ? static_cast<long>(j->size()) + step.index : step.index;
          if (i >= 0 && i < static_cast<long>(j->size())) next.push_back(&(*j)[static_cast<size_t>(i)]);
          break;
        }
        case Step::kAll:
          if (j->is_structured())
            for (const Json& m : *j) next.push_back(&m);
          break;
        case Step::kFilter:
          if (!j->is_array()) break;
          for (const Json& m : *j) {
            const Json& v = Member(m, step.key);
            std::string have = v.is_string() ? v.get<std::string>() : Dump(v);
            if (!v.is_null() && (have == step.literal) == (step.op == "==")) next.push_back(&m);
          }
          break;
      }
    }
    now = std::move(next);
  }
  return now;
}

const Json& JsonPath::First(const Json& root) const {
  auto all = Find(root);
  return all.empty() ? Null() : *all.front();
}

}  // namespace fairlead::value
