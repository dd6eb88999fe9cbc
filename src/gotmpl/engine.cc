#include "gotmpl/engine.h"

#include "gotmpl/parser.h"
#include "util/strings.h"

namespace fairlead::gotmpl {
namespace {

bool IsBlank(const Nodes& nodes) {
  for (const Node& n : nodes)
    if (n.kind != Node::kText || !Trim(n.text).empty()) return false;
  return true;
}

constexpr int64_t kMaxIterations = 1000000;

enum class Flow { kNormal, kBreak, kContinue };

}  // namespace

class Executor {
 public:
  Executor(Engine& engine, const Template& t, std::string& out) : engine_(engine), template_(t), out_(out) {}

  Status Run(const Value& data) {
    variables_.push_back({"$", data});
    auto flow = Walk(data, template_.body);
    return flow.ok() ? Status() : flow.error();
  }

 private:
  Error At(int line, int column, const std::string& context, const std::string& message) const {
    return MakeError(Code::kInvalid, "template: " + template_.file + ":" + std::to_string(line) + ":" +
                                         std::to_string(column) + ": executing \"" + template_.name + "\" at <" +
                                         (context.size() > 20 ? context.substr(0, 20) + "..." : context) +
                                         ">: " + message);
  }
  Error At(const Operand& o, const std::string& message) const { return At(o.line, o.column, o.text, message); }

  Status Emit(std::string_view text) {
    out_ += text;
    engine_.written_ += text.size();
    if (engine_.written_ > engine_.limits_.output_bytes)
      return MakeError(Code::kInvalid, "template: " + template_.file + ": output exceeds " +
                                           std::to_string(engine_.limits_.output_bytes) + " bytes");
    return {};
  }

  Result<Flow> Walk(const Value& dot, const Nodes& nodes) {
    for (const Node& n : nodes) {
      if (SteadyNow() > engine_.deadline_)
        return MakeError(Code::kDeadlineExceeded, "template: " + template_.file + ":" + std::to_string(n.line) +
                                                      ": rendering takes longer than " +
                                                      std::to_string(engine_.limits_.time.count()) + " ms");
      switch (n.kind) {
        case Node::kText:
          FL_TRY(Emit(n.text));
          break;
        case Node::kAction: {
          FL_ASSIGN(Value v, Evaluate(dot, *n.pipe));
          if (n.pipe->variables.empty()) FL_TRY(Emit(v.is_nil() ? "<no value>" : Print(v)));
          break;
        }
        case Node::kIf:
        case Node::kWith: {
          size_t scope = variables_.size();
          FL_ASSIGN(Value v, Evaluate(dot, *n.pipe));
          bool yes = Truth(v);
          FL_ASSIGN(Flow flow, Walk(yes && n.kind == Node::kWith ? v : dot, yes ? n.body : n.otherwise));
          variables_.resize(scope);
          if (flow != Flow::kNormal) return flow;
          break;
        }
        case Node::kRange: {
          size_t scope = variables_.size();
          FL_TRY(Range(dot, n));
          variables_.resize(scope);
          break;
        }
        case Node::kTemplate:
          FL_TRY(Call(dot, n));
          break;
        case Node::kBreak:
          return Flow::kBreak;
        case Node::kContinue:
          return Flow::kContinue;
      }
    }
    return Flow::kNormal;
  }

  Status Range(const Value& dot, const Node& n) {
    // The pipeline's declarations are set per element, not to the collection.
    FL_ASSIGN(Value over, EvaluateCommands(dot, *n.pipe));
    std::vector<std::pair<Value, Value>> items;
    if (auto l = over.as_list()) {
      for (size_t i = 0; i < (*l)->size(); ++i) items.emplace_back(Value(static_cast<int64_t>(i)), (**l)[i]);
    } else if (auto m = over.as_map()) {
      for (const auto& [k, v] : **m) items.emplace_back(Value(k), v);
    } else if (auto i = over.as_int()) {
      if (n.pipe->variables.size() > 1)
        return At(n.pipe->line, n.pipe->column, n.pipe->text,
                  "can't use " + Print(over) + " to iterate over more than one variable");
      if (*i > kMaxIterations)
        return At(n.pipe->line, n.pipe->column, n.pipe->text,
                  "range over " + Print(over) + " exceeds " + std::to_string(kMaxIterations) + " iterations");
      for (int64_t k = 0; k < *i; ++k) items.emplace_back(Value(k), Value(k));
    } else if (!over.is_nil()) {
      return At(n.pipe->line, n.pipe->column, n.pipe->text, "range can't iterate over " + Print(over));
    }
    if (items.empty()) {
      FL_ASSIGN(Flow flow, Walk(dot, n.otherwise));
      (void)flow;
      return {};
    }
    const auto& names = n.pipe->variables;
    for (auto& [key, item] : items) {
      size_t scope = variables_.size();
      if (names.size() == 1) Set(names[0], item, n.pipe->assign);
      if (names.size() == 2) {
        Set(names[0], key, n.pipe->assign);
        Set(names[1], item, n.pipe->assign);
      }
      FL_ASSIGN(Flow flow, Walk(item, n.body));
      variables_.resize(scope);
      if (flow == Flow::kBreak) break;
    }
    return {};
  }

  Status Call(const Value& dot, const Node& n) {
    Value argument;
    if (n.pipe) {
      FL_ASSIGN(argument, Evaluate(dot, *n.pipe));
    }
    auto it = engine_.templates_.find(n.text);
    if (it == engine_.templates_.end())
      return At(n.line, n.column, "{{template \"" + n.text + "\"}}", "template \"" + n.text + "\" not defined");
    FL_ASSIGN(std::string text, engine_.Execute(n.text, argument));
    return Emit(text);
  }

  void Set(const std::string& name, const Value& v, bool assign) {
    if (assign)
      for (auto it = variables_.rbegin(); it != variables_.rend(); ++it)
        if (it->first == name) {
          it->second = v;
          return;
        }
    variables_.push_back({name, v});
  }

  Result<Value> Evaluate(const Value& dot, const Pipe& pipe) {
    FL_ASSIGN(Value v, EvaluateCommands(dot, pipe));
    for (const std::string& name : pipe.variables) Set(name, v, pipe.assign);
    return v;
  }

  Result<Value> EvaluateCommands(const Value& dot, const Pipe& pipe) {
    std::optional<Value> piped;
    for (const Command& c : pipe.commands) {
      FL_ASSIGN(Value v, EvaluateCommand(dot, c, piped));
      piped = std::move(v);
    }
    return *piped;
  }

  Result<Value> EvaluateCommand(const Value& dot, const Command& c, const std::optional<Value>& piped) {
    const Operand& first = c.args[0];
    if (first.kind == Operand::kIdentifier) return CallFunction(dot, first, c, piped);
    bool has_args = c.args.size() > 1 || piped;
    if (first.kind == Operand::kField || first.kind == Operand::kVariable || first.kind == Operand::kChain) {
      List args;
      for (size_t i = 1; i < c.args.size(); ++i) {
        FL_ASSIGN(Value v, Argument(dot, c.args[i]));
        args.push_back(std::move(v));
      }
      if (piped) args.push_back(*piped);
      return Fields(dot, first, args, has_args);
    }
    if (first.kind == Operand::kNil) return At(first, "nil is not a command");
    if (has_args) return At(first, "can't give argument to non-function " + first.text);
    return Argument(dot, first);
  }

  Result<Value> Argument(const Value& dot, const Operand& o) {
    switch (o.kind) {
      case Operand::kDot:
        return dot;
      case Operand::kNil:
        return Value();
      case Operand::kConstant:
        return o.constant;
      case Operand::kIdentifier: {
        Command alone{{o}};
        return CallFunction(dot, o, alone, std::nullopt);
      }
      default:
        return Fields(dot, o, {}, false);
    }
  }

  Result<Value> Fields(const Value& dot, const Operand& o, const List& args, bool has_args) {
    Value v = dot;
    bool parenthesised = o.kind == Operand::kChain;
    if (o.kind == Operand::kVariable) {
      for (auto it = variables_.rbegin(); it != variables_.rend(); ++it)
        if (it->first == o.name) {
          v = it->second;
          break;
        }
    } else if (parenthesised) {
      FL_ASSIGN(v, Evaluate(dot, *o.pipe));
    }
    if (o.fields.empty() && has_args) return At(o, "can't give argument to non-function " + o.text);
    for (size_t i = 0; i < o.fields.size(); ++i) {
      bool last = i + 1 == o.fields.size();
      // A nil that a parenthesised pipeline yields lets the first field through; a nil member does not (Go's quirk).
      FL_ASSIGN(v, Field(v, o, o.fields[i], last ? args : List{}, last && has_args, parenthesised));
    }
    return v;
  }

  Result<Value> Field(const Value& v, const Operand& o, const std::string& name, const List& args, bool has_args,
                      bool lenient_nil) {
    if (auto object = v.as_object()) {
      auto member = (*object)->Member(name, args);
      if (!member) return At(o, "can't evaluate field " + name + " in type " + (*object)->TypeName());
      if (!member->ok()) return At(o, "error calling " + name + ": " + member->error().message);
      return std::move(*member).value();
    }
    if (v.is_nil()) {
      if (lenient_nil) return Value();
      return At(o, "nil pointer evaluating interface {}." + name);
    }
    auto m = v.as_map();
    if (!m)
      return At(o, "can't evaluate field " + name + " in type " + (v.as_list() ? "[]interface {}" : "interface {}"));
    if (has_args) return At(o, name + " is not a method but has arguments");
    auto it = (*m)->find(name);
    return it == (*m)->end() ? Value() : it->second;
  }

  Result<Value> CallFunction(const Value& dot, const Operand& f, const Command& c, const std::optional<Value>& piped) {
    if (f.name == "and" || f.name == "or") return ShortCircuit(dot, f, c, piped);
    List args;
    for (size_t i = 1; i < c.args.size(); ++i) {
      FL_ASSIGN(Value v, Argument(dot, c.args[i]));
      args.push_back(std::move(v));
    }
    if (piped) args.push_back(*piped);
    auto result = engine_.functions_.at(f.name)(engine_, args);
    if (!result.ok()) {
      std::string message = result.error().message;
      bool arity = message.starts_with("wrong ");
      return At(f.line, f.column, Text(c), arity ? message : "error calling " + f.name + ": " + message);
    }
    return result;
  }

  static std::string Text(const Command& c) {
    std::string out;
    for (const Operand& o : c.args) out += (out.empty() ? "" : " ") + o.text;
    return out;
  }

  Result<Value> ShortCircuit(const Value& dot, const Operand& f, const Command& c, const std::optional<Value>& piped) {
    if (c.args.size() < 2 && !piped) return At(f, "wrong number of args for " + f.name + ": want at least 1 got 0");
    Value v;
    for (size_t i = 1; i < c.args.size(); ++i) {
      FL_ASSIGN(v, Argument(dot, c.args[i]));
      if (Truth(v) == (f.name == "or")) return v;
    }
    return piped ? *piped : v;
  }

  Engine& engine_;
  const Template& template_;
  std::string& out_;
  std::vector<std::pair<std::string, Value>> variables_;
};

Status Engine::Parse(const std::string& name, const std::string& text) {
  FL_ASSIGN(auto parsed, gotmpl::Parse(name, text, [this](const std::string& f) { return HasFunction(f); }));
  for (Template& t : parsed) {
    if (templates_.contains(t.name) && IsBlank(t.body)) continue;
    std::string key = t.name;
    templates_[key] = std::make_shared<const Template>(std::move(t));
  }
  return {};
}

Result<std::string> Engine::Execute(const std::string& name, const Value& data) {
  auto it = templates_.find(name);
  if (it == templates_.end())
    return MakeError(Code::kInvalid, "template: no template \"" + name + "\" associated with template \"gotpl\"");
  if (depth_ == 0) {
    deadline_ = SteadyNow() + limits_.time;
    written_ = 0;
  }
  if (depth_ >= limits_.call_depth)
    return MakeError(Code::kInvalid, "rendering template has a nested reference name: " + name +
                                         ": unable to execute template (more than " +
                                         std::to_string(limits_.call_depth) + " nested calls)");
  auto t = it->second;
  std::string out;
  ++depth_;
  Status status = Executor(*this, *t, out).Run(data);
  --depth_;
  if (!status.ok()) return status.error();
  return out;
}

Result<std::string> Engine::ExecuteText(const std::string& name, const std::string& text, const Value& data) {
  auto saved = templates_;
  Status parsed = Parse(name, text);
  Result<std::string> out = parsed.ok() ? Execute(name, data) : Result<std::string>(parsed.error());
  templates_ = std::move(saved);
  return out;
}

}  // namespace fairlead::gotmpl
