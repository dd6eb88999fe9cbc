#include "lab/cel.h"

#include <re2/re2.h>

#include "util/strings.h"

namespace fairlead::lab {
namespace {

constexpr int kMaxDepth = 200;

// Evaluates while it parses. An error inside a branch that does not count (false && x) is dropped, as CEL does.
class Evaluator {
 public:
  Evaluator(const std::string& rule, const Json& self, const Json& old_self)
      : s_(rule), self_(self), old_self_(old_self) {}

  Result<Json> Run() {
    FL_ASSIGN(Json v, Ternary());
    Space();
    if (at_ != s_.size()) return Fail("unexpected \"" + s_.substr(at_, 20) + "\"");
    return v;
  }

 private:
  using V = Result<Json>;
  Error Fail(const std::string& why) const {
    return MakeError(Code::kInvalid, why + " at position " + std::to_string(at_) + " of rule " + s_);
  }
  void Space() {
    while (at_ < s_.size() && isspace(static_cast<unsigned char>(s_[at_]))) ++at_;
  }
  bool Eat(std::string_view token) {
    Space();
    if (s_.compare(at_, token.size(), token) != 0) return false;
    at_ += token.size();
    return true;
  }

  // Everything that nests does so through this or a negation.
  V Ternary() { return Nested(&Evaluator::Choice); }
  V Nested(V (Evaluator::*part)()) {
    if (depth_ > kMaxDepth) return Fail("nested too deep");
    ++depth_;
    V v = (this->*part)();
    --depth_;
    return v;
  }
  V Choice() {
    V condition = Or();
    if (!Eat("?")) return condition;
    V yes = Ternary();
    if (!Eat(":")) return Fail("expected \":\"");
    V no = Ternary();
    if (!condition.ok()) return condition;
    return value::AsBool(*condition) ? yes : no;
  }
  V Or() {
    V left = And();
    while (Eat("||")) {
      V right = And();
      bool yes = (left.ok() && value::AsBool(*left)) || (right.ok() && value::AsBool(*right));
      if (yes)
        left = V(Json(true));
      else if (left.ok())
        left = right;
    }
    return left;
  }
  V And() {
    V left = Relation();
    while (Eat("&&")) {
      V right = Relation();
      bool no = (left.ok() && *left == false) || (right.ok() && *right == false);
      if (no)
        left = V(Json(false));
      else if (left.ok())
        left = right;
    }
    return left;
  }
  V Relation() {
    V left = Unary();
    for (std::string_view op : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (!Eat(op)) continue;
      V right = Unary();
      if (!left.ok()) return left;
      if (!right.ok()) return right;
      if (op == "==") return Json(*left == *right);
      if (op == "!=") return Json(*left != *right);
      if (op == "<") return Json(*left < *right);
      if (op == "<=") return Json(*left <= *right);
      if (op == ">") return Json(*left > *right);
      return Json(*left >= *right);
    }
    size_t mark = at_;
    if (Eat("in ") || Eat("in[")) {
      at_ = s_[at_ - 1] == '[' ? at_ - 1 : at_;
      V right = Unary();
      if (!left.ok()) return left;
      if (!right.ok()) return right;
      if (right->is_object()) return Json(right->contains(value::AsString(*left)));
      return Json(std::find(right->begin(), right->end(), *left) != right->end());
    }
    at_ = mark;
    return left;
  }
  V Unary() {
    Space();
    if (at_ < s_.size() && s_[at_] == '!' && s_.compare(at_, 2, "!=") != 0) {
      ++at_;
      V v = Nested(&Evaluator::Unary);
      if (!v.ok()) return v;
      return Json(!value::AsBool(*v));
    }
    return Postfix();
  }
  V Postfix() {
    V v = Primary();
    while (true) {
      if (Eat(".")) {
        std::string name = Identifier();
        if (name.empty()) return Fail("expected a member name");
        if (Eat("("))
          v = Method(v, name);
        else
          v = Select(v, Unescape(name));
      } else if (Eat("[")) {
        V index = Ternary();
        if (!Eat("]")) return Fail("expected \"]\"");
        if (!v.ok() || !index.ok()) continue;
        if (index->is_string())
          v = Select(v, index->get<std::string>());
        else if (v->is_array() && index->is_number_integer() && index->get<size_t>() < v->size())
          v = V(Json((*v)[index->get<size_t>()]));
        else
          v = Fail("index out of range");
      } else {
        return v;
      }
    }
  }
  V Select(const V& v, const std::string& name) {
    if (!v.ok()) return v;
    if (!v->is_object() || !v->contains(name)) return MakeError(Code::kInvalid, "no such key: " + name);
    return Json((*v)[name]);
  }
  V Method(const V& target, const std::string& name) {
    std::vector<Json> args;
    while (!Eat(")")) {
      FL_ASSIGN(Json a, Ternary());
      args.push_back(std::move(a));
      Eat(",");
      if (at_ >= s_.size()) return Fail("expected \")\"");
    }
    if (!target.ok()) return target;
    if (name == "size" && args.empty()) return Size(*target);
    std::string text = value::AsString(*target), arg = args.empty() ? "" : value::AsString(args[0]);
    if (name == "startsWith") return Json(text.starts_with(arg));
    if (name == "endsWith") return Json(text.ends_with(arg));
    if (name == "contains") return Json(text.find(arg) != text.npos);
    if (name == "matches") return Matches(text, arg);
    return Fail("function " + name + " is not known");
  }
  V Matches(const std::string& text, const std::string& pattern) const {
    RE2 re(pattern, RE2::Quiet);
    if (!re.ok()) return Fail("pattern \"" + pattern + "\": " + re.error());
    return Json(RE2::PartialMatch(text, re));
  }
  static Json Size(const Json& v) {
    return v.is_string() ? Json(v.get_ref<const std::string&>().size()) : Json(v.size());
  }
  V Primary() {
    Space();
    if (at_ >= s_.size()) return Fail("unexpected end");
    if (Eat("(")) {
      V v = Ternary();
      if (!Eat(")")) return Fail("expected \")\"");
      return v;
    }
    if (Eat("[")) {
      Json list = Json::array();
      while (!Eat("]")) {
        FL_ASSIGN(Json v, Ternary());
        list.push_back(v);
        Eat(",");
        if (at_ >= s_.size()) return Fail("expected \"]\"");
      }
      return list;
    }
    char c = s_[at_];
    if (c == '\'' || c == '"') {
      size_t end = s_.find(c, at_ + 1);
      if (end == s_.npos) return Fail("unterminated string");
      std::string text = s_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      return Json(text);
    }
    if (isdigit(static_cast<unsigned char>(c)) || c == '-') {
      char* end = nullptr;
      long v = strtol(s_.c_str() + at_, &end, 10);
      if (end == s_.c_str() + at_) return Fail("\"-\" is not known");
      at_ = static_cast<size_t>(end - s_.c_str());
      return Json(v);
    }
    std::string name = Identifier();
    if (name == "true" || name == "false") return Json(name == "true");
    if (name == "null") return Json(nullptr);
    if (name == "self") return Json(self_);
    if (name == "oldSelf") return Json(old_self_);
    if (name == "has" && Eat("(")) {
      V v = Postfix();
      if (!Eat(")")) return Fail("expected \")\"");
      return Json(v.ok());
    }
    if (name == "size" && Eat("(")) {
      V v = Ternary();
      if (!Eat(")")) return Fail("expected \")\"");
      if (!v.ok()) return v;
      return Size(*v);
    }
    return Fail("\"" + (name.empty() ? std::string(1, c) : name) + "\" is not known");
  }
  std::string Identifier() {
    Space();
    size_t start = at_;
    while (at_ < s_.size() && (isalnum(static_cast<unsigned char>(s_[at_])) || s_[at_] == '_')) ++at_;
    return s_.substr(start, at_ - start);
  }
  // Kubernetes writes the member "namespace" as __namespace__, as it is a reserved word of CEL.
  static std::string Unescape(const std::string& name) {
    if (name.size() > 4 && name.starts_with("__") && name.ends_with("__")) {
      std::string inner = name.substr(2, name.size() - 4);
      if (inner.find("__") == inner.npos) return inner;
    }
    std::string out = ReplaceAll(name, "__dot__", ".");
    return ReplaceAll(ReplaceAll(out, "__dash__", "-"), "__slash__", "/");
  }

  const std::string& s_;
  const Json& self_;
  const Json& old_self_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<bool> EvaluateRule(const std::string& rule, const Json& self, const Json& old_self) {
  FL_ASSIGN(Json v, Evaluator(rule, self, old_self).Run());
  if (!v.is_boolean()) return MakeError(Code::kInvalid, "the rule yields no boolean");
  return v.get<bool>();
}

}  // namespace fairlead::lab
