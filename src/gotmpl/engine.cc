#include "gotmpl/engine.h"

#include <sys/random.h>

#include "gotmpl/parser.h"
#include "gotmpl/quote.h"
#include "util/strings.h"

namespace fairlead::gotmpl {
namespace {

constexpr int64_t kMaxIterations = 1000000;

enum class Flow { kNormal, kBreak, kContinue };

// A value as Go's reflection holds it: `wrapped` in an interface when it came out of a map or a list, and then its type
// prints as that of the interface.
struct Operand {
  Value value;
  bool wrapped = false;
  bool missing = false;  // no value at all: the end of a pipeline that has not begun
};

const Operand kMissing{Value(), false, true};

Operand Wrapped(const Value& v) { return {v.is_nil() ? Value::NilInterface() : v, true}; }
Operand Plain(const Value& v) { return {v.is_nil() ? Value() : v, false}; }
// What a container holds: an interface, but for the typed ones.
Operand Element(const Value& of, const Value& v) { return of.container_type() ? Plain(v) : Wrapped(v); }
std::string StaticType(const Operand& o) { return o.wrapped ? "interface {}" : TypeName(o.value); }

}  // namespace

// Source of the behaviour: Go's text/template/exec.go. `node_` is where a message says that it happened: the node that
// was looked at last.
class Executor {
 public:
  Executor(Engine& engine, const Template& t, std::string& out) : engine_(engine), template_(t), out_(out) {}

  Status Run(const Value& data) {
    variables_.push_back({"$", Plain(data)});
    try {
      auto flow = Walk(Plain(data), *template_.root);
      return flow.ok() ? Status() : flow.error();
    } catch (const ValueTooLarge&) {
      return Fail("a value is nested too deep, has too many parts or contains itself");
    }
  }

 private:
  void At(const Node& n) { node_ = &n; }

  Error Fail(const std::string& message) const {
    const std::string& text = *template_.text;
    size_t pos = std::min(node_->pos, text.size());
    size_t newline = pos == 0 ? text.npos : text.rfind('\n', pos - 1);
    auto line = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(pos), '\n');
    size_t column = newline == text.npos ? pos : pos - newline - 1;
    return MakeError(Code::kInvalid, "template: " + template_.file + ":" + std::to_string(line) + ":" +
                                         std::to_string(column) + ": executing " + QuoteGo(template_.name) + " at <" +
                                         node_->ToString() + ">: " + message);
  }

  // What recurses here is what the template nests: controls, parentheses, and calls of other templates.
  Status CheckStack() const {
    auto here = static_cast<const char*>(__builtin_frame_address(0));
    if (engine_.stack_ - here < static_cast<ptrdiff_t>(engine_.limits_.stack_bytes)) return {};
    return Fail("exceeded maximum template depth (" + std::to_string(engine_.limits_.stack_bytes) + " bytes of stack)");
  }

  Status Emit(std::string_view text) {
    out_ += text;
    engine_.written_ += text.size();
    if (engine_.written_ > engine_.limits_.output_bytes)
      return MakeError(Code::kInvalid, "template: " + template_.file + ": output exceeds " +
                                           std::to_string(engine_.limits_.output_bytes) + " bytes");
    return {};
  }

  Result<Flow> Walk(const Operand& dot, const Node& n) {
    if (SteadyNow() > engine_.deadline_)
      return MakeError(Code::kDeadlineExceeded, "template: " + template_.file + ":" + std::to_string(n.line) +
                                                    ": rendering takes longer than " +
                                                    std::to_string(engine_.limits_.time.count()) + " ms");
    At(n);
    FL_TRY(CheckStack());
    switch (n.kind) {
      case Node::kList:
        for (const NodePtr& child : n.nodes) {
          FL_ASSIGN(Flow flow, Walk(dot, *child));
          if (flow != Flow::kNormal) return flow;
        }
        return Flow::kNormal;
      case Node::kText: FL_TRY(Emit(n.text)); return Flow::kNormal;
      case Node::kAction: {
        FL_ASSIGN(Operand v, Pipeline(dot, n.pipe.get()));
        if (n.pipe->decl.empty()) FL_TRY(Emit(v.value.is_nil() ? "<no value>" : Print(v.value)));
        return Flow::kNormal;
      }
      case Node::kIf:
      case Node::kWith: return IfOrWith(dot, n);
      case Node::kRange: FL_TRY(Range(dot, n)); return Flow::kNormal;
      case Node::kTemplate: FL_TRY(Call(dot, n)); return Flow::kNormal;
      case Node::kBreak: return Flow::kBreak;
      case Node::kContinue: return Flow::kContinue;
      default: return Fail("unknown node");
    }
  }

  Result<Flow> IfOrWith(const Operand& dot, const Node& n) {
    size_t scope = variables_.size();
    FL_ASSIGN(Operand v, Pipeline(dot, n.pipe.get()));
    Result<Flow> flow = Flow::kNormal;
    if (Truth(v.value))
      flow = Walk(n.kind == Node::kWith ? v : dot, *n.list);
    else if (n.else_list)
      flow = Walk(dot, *n.else_list);
    variables_.resize(scope);
    return flow;
  }

  // One element's turn: its variables were pushed with the pipeline and are set anew each time.
  Result<bool> Iterate(const Node& n, const Operand& index, const Operand& item) {
    const auto& decl = n.pipe->decl;
    size_t scope = variables_.size();
    if (!decl.empty()) {
      if (n.pipe->assign)
        FL_TRY(Assign(decl[0]->idents[0], decl.size() > 1 ? index : item));
      else
        variables_[scope - 1].second = item;
    }
    if (decl.size() > 1) {
      if (n.pipe->assign)
        FL_TRY(Assign(decl[1]->idents[0], item));
      else
        variables_[scope - 2].second = index;
    }
    FL_ASSIGN(Flow flow, Walk(item, *n.list));
    variables_.resize(scope);
    return flow != Flow::kBreak;
  }

  Status Range(const Operand& dot, const Node& n) {
    size_t scope = variables_.size();
    FL_ASSIGN(Operand over, Pipeline(dot, n.pipe.get()));
    bool any = false, more = true;
    if (auto l = ListIn(over.value)) {
      ListPtr list = *l;  // the body may replace what holds it
      for (size_t i = 0; more && i < list->size(); ++i) {
        any = true;
        FL_ASSIGN(more, Iterate(n, Plain(Value(static_cast<int64_t>(i))), Element(over.value, (*list)[i])));
      }
    } else if (const Map* m = MapIn(over.value)) {
      Map members = *m;  // Go ranges over the keys that were there at the beginning
      for (const auto& [k, v] : members) {
        if (!more) break;
        any = true;
        FL_ASSIGN(more, Iterate(n, Plain(Value(k)), Element(over.value, v)));
      }
    } else if (auto i = over.value.as_int()) {
      if (n.pipe->decl.size() > 1)
        return Fail("can't use " + Print(over.value) + " to iterate over more than one variable");
      if (*i > kMaxIterations)
        return Fail("range over " + Print(over.value) + " exceeds " + std::to_string(kMaxIterations) + " iterations");
      for (int64_t k = 0; more && k < *i; ++k) {
        any = true;
        FL_ASSIGN(more, Iterate(n, Plain(Value(k)), Plain(Value(k))));
      }
    } else if (!over.value.is_nil()) {
      return Fail("range can't iterate over " + Print(over.value));
    }
    if (!any && n.else_list) {
      FL_ASSIGN(Flow flow, Walk(dot, *n.else_list));
      (void)flow;
    }
    variables_.resize(scope);
    return {};
  }

  Status Call(const Operand& dot, const Node& n) {
    if (!engine_.templates_.contains(n.text)) return Fail("template " + QuoteGo(n.text) + " not defined");
    FL_ASSIGN(Operand argument, Pipeline(dot, n.pipe.get()));
    if (engine_.depth_ >= engine_.limits_.call_depth)
      return Fail("exceeded maximum template depth (" + std::to_string(engine_.limits_.call_depth) + ")");
    FL_ASSIGN(std::string text, engine_.Execute(n.text, argument.value));
    out_ += text;  // counted where it was written
    return {};
  }

  Status Assign(const std::string& name, const Operand& v) {
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it)
      if (it->first == name) {
        it->second = v;
        return {};
      }
    return Fail("undefined variable: " + name);
  }

  Result<Operand> Pipeline(const Operand& dot, const Node* pipe) {
    if (!pipe) return kMissing;
    At(*pipe);
    Operand value = kMissing;
    for (const NodePtr& c : pipe->nodes) {
      FL_ASSIGN(value, Command(dot, *c, value));
      value = Plain(value.value);  // out of its interface
    }
    for (const NodePtr& variable : pipe->decl) {
      if (pipe->assign)
        FL_TRY(Assign(variable->idents[0], value));
      else
        variables_.push_back({variable->idents[0], value});
    }
    return value;
  }

  Result<Operand> Command(const Operand& dot, const Node& cmd, const Operand& final) {
    const Node& first = *cmd.nodes[0];
    switch (first.kind) {
      case Node::kField: At(first); return Chain(dot, dot, first.idents, 0, first, cmd.nodes, final);
      case Node::kChain: return ChainNode(dot, first, cmd.nodes, final);
      case Node::kIdentifier: At(first); return Function(dot, first.text, cmd, cmd.nodes, final);
      case Node::kPipe: FL_TRY(NotAFunction(cmd.nodes, final)); return Pipeline(dot, &first);
      case Node::kVariable: return VariableNode(dot, first, cmd.nodes, final);
      default: break;
    }
    At(first);
    FL_TRY(NotAFunction(cmd.nodes, final));
    switch (first.kind) {
      case Node::kBool: return Plain(Value(first.truth));
      case Node::kDot: return dot;
      case Node::kNil: return Fail("nil is not a command");
      case Node::kNumber: return Constant(first);
      case Node::kString: return Plain(Value(first.value));
      default: return Fail("can't evaluate command " + QuoteGo(first.ToString()));
    }
  }

  Status NotAFunction(const std::vector<NodePtr>& args, const Operand& final) const {
    if (args.size() > 1 || !final.missing) return Fail("can't give argument to non-function " + args[0]->ToString());
    return {};
  }

  // An untyped number takes the type that its text suggests.
  Result<Operand> Constant(const Node& n) {
    At(n);
    const std::string& t = n.text;
    bool hex = t.size() > 2 && t[0] == '0' && (t[1] == 'x' || t[1] == 'X') && t.find_first_of("pP") == t.npos;
    bool rune = !t.empty() && t[0] == '\'';
    if (n.number.is_float && !hex && !rune && t.find_first_of(".eEpP") != t.npos)
      return Plain(Value(n.number.floating));
    if (n.number.is_int) return Plain(Value(n.number.integer));
    return Fail(t + " overflows int");
  }

  Result<Operand> ChainNode(const Operand& dot, const Node& chain, const std::vector<NodePtr>& args,
                            const Operand& final) {
    At(chain);
    if (chain.nodes[0]->kind == Node::kNil) return Fail("indirection through explicit nil in " + chain.ToString());
    FL_ASSIGN(Operand receiver, Argument(dot, *chain.nodes[0]));
    return Chain(dot, receiver, chain.idents, 0, chain, args, final);
  }

  Result<Operand> VariableNode(const Operand& dot, const Node& n, const std::vector<NodePtr>& args,
                               const Operand& final) {
    At(n);
    Operand value = kMissing;
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it)
      if (it->first == n.idents[0]) {
        value = it->second;
        value.missing = false;
        break;
      }
    if (n.idents.size() == 1) {
      FL_TRY(NotAFunction(args, final));
      return value;
    }
    return Chain(dot, value, n.idents, 1, n, args, final);
  }

  // x.f1.f2.f3: arguments belong to the last one.
  Result<Operand> Chain(const Operand& dot, Operand receiver, const std::vector<std::string>& idents, size_t from,
                        const Node& n, const std::vector<NodePtr>& args, const Operand& final) {
    for (size_t i = from; i < idents.size(); ++i) {
      bool last = i + 1 == idents.size();
      FL_ASSIGN(receiver, Field(dot, receiver, idents[i], n, last ? &args : nullptr, last ? final : kMissing));
    }
    return receiver;
  }

  Result<Operand> Field(const Operand& dot, const Operand& receiver, const std::string& name, const Node& n,
                        const std::vector<NodePtr>* args, const Operand& final) {
    const Value& v = receiver.value;
    if (auto object = v.as_object()) {
      List values;
      for (size_t i = 1; args && i < args->size(); ++i) {
        FL_ASSIGN(Operand a, Argument(dot, *(*args)[i]));
        values.push_back(a.value);
      }
      if (!final.missing) values.push_back(final.value);
      auto member = (*object)->Member(name, values);
      At(n);
      if (!member) return Fail("can't evaluate field " + name + " in type " + StaticType(receiver));
      if (!member->ok()) return Fail("error calling " + name + ": " + member->error().message);
      return Plain(member->value());
    }
    if (v.is_nil()) {
      if (!receiver.wrapped) return Operand{};  // no value has no fields, and says so later
      return Fail("nil pointer evaluating interface {}." + name);
    }
    auto m = v.as_map();
    if (!m) return Fail("can't evaluate field " + name + " in type " + StaticType(receiver));
    if ((args && args->size() > 1) || !final.missing) return Fail(name + " is not a method but has arguments");
    auto it = (*m)->find(name);
    if (v.container_type()) return Plain(it == (*m)->end() ? Value("") : it->second);
    return Wrapped(it == (*m)->end() ? Value() : it->second);
  }

  Result<Operand> Argument(const Operand& dot, const Node& n) {
    At(n);
    switch (n.kind) {
      case Node::kDot: return dot;
      case Node::kNil: return Operand{};
      case Node::kField: return Chain(dot, dot, n.idents, 0, n, {std::make_shared<Node>(n)}, kMissing);
      case Node::kVariable: return VariableNode(dot, n, {std::make_shared<Node>(n)}, kMissing);
      case Node::kPipe: return Pipeline(dot, &n);
      case Node::kIdentifier: return Function(dot, n.text, n, {std::make_shared<Node>(n)}, kMissing);
      case Node::kChain: return ChainNode(dot, n, {std::make_shared<Node>(n)}, kMissing);
      case Node::kBool: return Plain(Value(n.truth));
      case Node::kString: return Plain(Value(n.value));
      case Node::kNumber: return Constant(n);
      default: return Fail("can't handle " + QuoteGo(n.ToString()) + " for arg of type interface {}");
    }
  }

  // An argument for a parameter of that type, converted from nothing: Go's rules for constants and for values.
  Result<Operand> TypedArgument(const Operand& dot, const Node& n, Signature::Type type) {
    if (type == Signature::kAny) return Argument(dot, n);
    At(n);
    switch (n.kind) {
      case Node::kNil:
        if (CanBeNil(type)) return Operand{};
        return Fail("cannot assign nil to " + GoName(type));
      case Node::kBool:
      case Node::kNumber:
      case Node::kString: return TypedConstant(n, type);
      default: break;
    }
    FL_ASSIGN(Operand v, Argument(dot, n));
    FL_TRY(CheckType(v, type));
    return v;
  }

  Result<Operand> TypedConstant(const Node& n, Signature::Type type) {
    switch (type) {
      case Signature::kString:
        if (n.kind == Node::kString) return Plain(Value(n.value));
        return Fail("expected string; found " + n.ToString());
      case Signature::kBool:
        if (n.kind == Node::kBool) return Plain(Value(n.truth));
        return Fail("expected bool; found " + n.ToString());
      case Signature::kInt:
        if (n.kind == Node::kNumber && n.number.is_int) return Plain(Value(n.number.integer));
        return Fail("expected integer; found " + n.ToString());
      case Signature::kFloat:
        if (n.kind == Node::kNumber && n.number.is_float) return Plain(Value(n.number.floating));
        return Fail("expected float; found " + n.ToString());
      default: return Fail("can't handle " + n.ToString() + " for arg of type " + GoName(type));
    }
  }

  static bool CanBeNil(Signature::Type type) { return type == Signature::kMap || type == Signature::kList; }
  static std::string GoName(Signature::Type type) {
    switch (type) {
      case Signature::kString: return "string";
      case Signature::kInt: return "int";
      case Signature::kBool: return "bool";
      case Signature::kFloat: return "float64";
      case Signature::kMap: return "map[string]interface {}";
      case Signature::kList: return "[]interface {}";
      default: return "interface {}";
    }
  }

  Status CheckType(const Operand& o, Signature::Type type) const {
    const Value& v = o.value;
    if (type == Signature::kAny) return {};
    if (v.is_nil() && !o.wrapped) {
      if (CanBeNil(type)) return {};
      return Fail("invalid value; expected " + GoName(type));
    }
    bool fits = (type == Signature::kString && v.as_string()) ||
                (type == Signature::kInt && v.as_int() && !v.is_int64()) || (type == Signature::kBool && v.as_bool()) ||
                (type == Signature::kFloat && v.as_float()) ||
                (type == Signature::kMap && v.as_map() && !v.container_type()) ||
                (type == Signature::kList && v.as_list() && !v.container_type());
    if (fits) return {};
    return Fail("wrong type for value; expected " + GoName(type) + "; got " +
                (v.is_nil() ? "interface {}" : TypeName(v)));
  }

  // `node` is what an error within the function is about: the whole command.
  Result<Operand> Function(const Operand& dot, const std::string& name, const Node& node,
                           const std::vector<NodePtr>& args, const Operand& final) {
    const auto& f = engine_.functions_.at(name);
    size_t given = args.size() - 1 + (final.missing ? 0 : 1);
    if (f.signature) {
      size_t fixed = f.signature->params.size() - (f.signature->variadic ? 1 : 0);
      if (f.signature->variadic ? given < fixed : given != fixed)
        return Fail("wrong number of args for " + name + ": want " + (f.signature->variadic ? "at least " : "") +
                    std::to_string(fixed) + " got " + std::to_string(given));
    }
    if (name == "and" || name == "or") return ShortCircuit(dot, name, args, final);
    auto type = [&](size_t i) {
      if (!f.signature || f.signature->params.empty()) return Signature::kAny;
      return f.signature->params[std::min(i, f.signature->params.size() - 1)];
    };
    List values;
    // What is called stands first among call's arguments, as it is written.
    if (name == "call") values.push_back(args.size() > 1 ? Value(args[1]->ToString()) : Value(""));
    for (size_t i = 1; i < args.size(); ++i) {
      FL_ASSIGN(Operand v, TypedArgument(dot, *args[i], type(i - 1)));
      values.push_back(v.wrapped && v.value.is_nil() ? Value::NilInterface() : v.value);
    }
    if (!final.missing) {
      FL_TRY(CheckType(final, type(values.size())));
      values.push_back(final.value);
    }
    auto result = f.call(engine_, values);
    if (!result.ok()) {
      const std::string& message = result.error().message;
      if (message.starts_with("wrong number of args")) return Fail(message);
      At(node);
      return Fail("error calling " + name + ": " + message);
    }
    return Plain(*result);
  }

  Result<Operand> ShortCircuit(const Operand& dot, const std::string& name, const std::vector<NodePtr>& args,
                               const Operand& final) {
    Operand v;
    for (size_t i = 1; i < args.size(); ++i) {
      FL_ASSIGN(v, Argument(dot, *args[i]));
      if (Truth(v.value) == (name == "or")) return v;
    }
    return final.missing ? v : final;
  }

  Engine& engine_;
  const Template& template_;
  std::string& out_;
  const Node* node_ = nullptr;
  std::vector<std::pair<std::string, Operand>> variables_;
};

std::string Sources::RandomBytes(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t at = 0; at < bytes;) {
    ssize_t n = getrandom(out.data() + at, bytes - at, 0);
    if (n > 0) at += static_cast<size_t>(n);
  }
  return out;
}

Engine::~Engine() {
  for (const auto& map : filled_)
    if (auto m = map.lock()) m->clear();
}

Status Engine::Parse(const std::string& name, const std::string& text) {
  FL_ASSIGN(auto parsed, gotmpl::Parse(name, text, [this](const std::string& f) { return HasFunction(f); }));
  for (Template& t : parsed) {
    if (templates_.contains(t.name) && IsEmpty(*t.root)) continue;
    std::string key = t.name;
    templates_[key] = std::make_shared<const Template>(std::move(t));
  }
  return {};
}

Result<std::string> Engine::Execute(const std::string& name, const Value& data) {
  auto it = templates_.find(name);
  if (it == templates_.end())
    return MakeError(Code::kInvalid, "template: no template " + QuoteGo(name) + " associated with template \"gotpl\"");
  if (depth_ == 0) {
    deadline_ = SteadyNow() + limits_.time;
    written_ = 0;
    stack_ = static_cast<const char*>(__builtin_frame_address(0));
  }
  if (depth_ >= limits_.call_depth)
    return MakeError(Code::kInvalid, "template: " + name + ": exceeded maximum template depth (" +
                                         std::to_string(limits_.call_depth) + ")");
  auto t = it->second;
  std::string out;
  ++depth_;
  Status status = Executor(*this, *t, out).Run(data);
  --depth_;
  if (!status.ok()) return status.error();
  return out;
}

Result<std::string> Engine::ExecuteText(const std::string& name, const std::string& text, const Value& data,
                                        bool* parsed) {
  auto saved = templates_;
  templates_.erase(name);
  Status status = Parse(name, text);
  if (parsed) *parsed = status.ok();
  Result<std::string> out = status.ok() ? Execute(name, data) : Result<std::string>(status.error());
  templates_ = std::move(saved);
  return out;
}

}  // namespace fairlead::gotmpl
