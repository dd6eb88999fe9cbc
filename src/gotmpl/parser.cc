#include "gotmpl/parser.h"

#include <charconv>

#include "gotmpl/lexer.h"
#include "util/strings.h"

namespace fairlead::gotmpl {
namespace {

constexpr int kMaxDepth = 500;

class Parser {
 public:
  Parser(const std::string& name, const std::string& text, const std::function<bool(const std::string&)>& has)
      : name_(name), source_(text), has_function_(has) {}

  Result<std::vector<Template>> Run() {
    FL_ASSIGN(tokens_, Lex(name_, source_));
    variables_ = {"$"};
    out_.push_back({name_, name_, {}});
    FL_ASSIGN(Nodes body, List(false, nullptr));
    out_[0].body = std::move(body);
    return std::move(out_);
  }

 private:
  const Token& Peek() const { return tokens_[at_]; }
  const Token& Next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  const Token& PeekNonSpace() {
    while (Peek().kind == Token::kSpace) Next();
    return Peek();
  }
  Error Fail(const Token& t, const std::string& message) const {
    return MakeError(Code::kInvalid, "template: " + name_ + ":" + std::to_string(t.line) + ": " + message);
  }
  Error Unexpected(const Token& t, const std::string& context) const {
    std::string what = t.kind == Token::kEof     ? "unexpected EOF"
                       : t.kind == Token::kClose ? "unexpected \"}}\""
                                                 : "unexpected \"" + t.text + "\"";
    return Fail(t, what + " in " + context);
  }

  // Nodes up to end/else/EOF. At the top level (ending == nullptr) only EOF ends them.
  Result<Nodes> List(bool in_block, std::string* ending) {
    if (++depth_ > kMaxDepth) return Fail(Peek(), "exceeded maximum nesting depth");
    Nodes nodes;
    while (true) {
      const Token& t = Next();
      if (t.kind == Token::kEof) {
        if (in_block) return Fail(t, "unexpected EOF");
        break;
      }
      if (t.kind == Token::kText) {
        nodes.push_back({Node::kText, t.text, nullptr, {}, {}, t.line, t.column});
        continue;
      }
      const Token word = PeekNonSpace();
      if (word.kind == Token::kIdentifier && (word.text == "end" || word.text == "else")) {
        if (!ending) return Fail(word, "unexpected {{" + word.text + "}}");
        Next();
        *ending = word.text;
        break;
      }
      FL_TRY(ActionNode(nodes, word));
    }
    --depth_;
    return nodes;
  }

  Status ActionNode(Nodes& nodes, const Token& word) {
    Node node{Node::kAction, "", nullptr, {}, {}, word.line, word.column};
    if (word.kind == Token::kIdentifier) {
      if (word.text == "if" || word.text == "with" || word.text == "range") {
        Next();
        FL_ASSIGN(node, Control(word));
        nodes.push_back(std::move(node));
        return {};
      }
      if (word.text == "define" || word.text == "block" || word.text == "template") {
        Next();
        return Named(nodes, word);
      }
      if (word.text == "break" || word.text == "continue") {
        Next();
        if (PeekNonSpace().kind != Token::kClose) return Unexpected(Peek(), "{{" + word.text + "}}");
        Next();
        if (!range_depth_) return Fail(word, "{{" + word.text + "}} outside {{range}}");
        node.kind = word.text == "break" ? Node::kBreak : Node::kContinue;
        nodes.push_back(std::move(node));
        return {};
      }
    }
    FL_ASSIGN(node.pipe, Pipeline("command", Token::kClose));
    nodes.push_back(std::move(node));
    return {};
  }

  Result<Node> Control(const Token& word) {
    Node node{word.text == "if"     ? Node::kIf
              : word.text == "with" ? Node::kWith
                                    : Node::kRange,
              "",
              nullptr,
              {},
              {},
              word.line,
              word.column};
    size_t scope = variables_.size();
    FL_ASSIGN(node.pipe, Pipeline(word.text, Token::kClose));
    bool range = word.text == "range";
    range_depth_ += range;
    std::string ending;
    FL_ASSIGN(node.body, List(true, &ending));
    range_depth_ -= range;
    if (ending == "else") {
      Token next = PeekNonSpace();
      if (next.kind == Token::kIdentifier && next.text == word.text && !range) {  // else if, else with
        Next();
        FL_ASSIGN(Node chained, Control(next));
        node.otherwise.push_back(std::move(chained));
        variables_.resize(scope);
        return node;
      }
      if (next.kind != Token::kClose) return Unexpected(next, "else");
      Next();
      FL_ASSIGN(node.otherwise, List(true, &ending));
      if (ending == "else") return Fail(Peek(), "expected end; found {{else}}");
    }
    if (PeekNonSpace().kind != Token::kClose) return Unexpected(Peek(), "end");
    Next();
    variables_.resize(scope);
    return node;
  }

  Status Named(Nodes& nodes, const Token& word) {
    Token name = PeekNonSpace();
    if (name.kind != Token::kString) return Unexpected(name, word.text + " clause");
    Next();
    Node call{Node::kTemplate, name.text, nullptr, {}, {}, word.line, word.column};
    if (word.text != "define") {
      if (PeekNonSpace().kind == Token::kClose) {
        Next();
      } else {
        FL_ASSIGN(call.pipe, Pipeline(word.text + " clause", Token::kClose));
      }
      nodes.push_back(call);
      if (word.text == "template") return {};
    } else {
      if (PeekNonSpace().kind != Token::kClose) return Unexpected(Peek(), "define clause");
      Next();
      if (depth_ > 1) return Fail(word, "unexpected {{define}}");
    }
    auto saved = std::exchange(variables_, {"$"});
    int saved_range = std::exchange(range_depth_, 0);
    std::string ending;
    FL_ASSIGN(Nodes body, List(true, &ending));
    if (ending != "end") return Fail(word, "unexpected {{else}} in " + word.text + " clause");
    if (PeekNonSpace().kind != Token::kClose) return Unexpected(Peek(), "end");
    Next();
    variables_ = std::move(saved);
    range_depth_ = saved_range;
    out_.push_back({name.text, name_, std::move(body)});
    return {};
  }

  Result<PipePtr> Pipeline(const std::string& context, Token::Kind end) {
    auto pipe = std::make_shared<Pipe>();
    const Token first = PeekNonSpace();
    pipe->line = first.line;
    pipe->column = first.column;
    FL_TRY(Declarations(*pipe, context));
    while (true) {
      const Token& t = PeekNonSpace();
      if (t.kind == end) {
        if (pipe->commands.empty()) return Fail(t, "missing value for " + context);
        pipe->text = std::string(Trim(source_.substr(first.offset, t.offset - first.offset)));
        if (pipe->text.ends_with('-')) pipe->text = std::string(Trim(pipe->text.substr(0, pipe->text.size() - 1)));
        Next();
        break;
      }
      FL_ASSIGN(Command command, OneCommand(context));
      if (!pipe->commands.empty()) {
        auto kind = command.args[0].kind;
        if (kind == Operand::kConstant || kind == Operand::kDot || kind == Operand::kNil)
          return Fail(t, "non executable command in pipeline stage " + std::to_string(pipe->commands.size() + 1));
      }
      pipe->commands.push_back(std::move(command));
    }
    for (const std::string& v : pipe->variables)
      if (!pipe->assign) variables_.push_back(v);
    return pipe;
  }

  Status Declarations(Pipe& pipe, const std::string& context) {
    size_t mark = at_;
    const Token v = PeekNonSpace();
    if (v.kind != Token::kVariable) return {};
    Next();
    const Token op = PeekNonSpace();
    if (op.kind == Token::kDeclare || op.kind == Token::kAssign) {
      Next();
      pipe.assign = op.kind == Token::kAssign;
      pipe.variables.push_back(v.text);
      if (pipe.assign && !Known(v.text)) return Fail(v, "undefined variable \"" + v.text + "\"");
      return {};
    }
    if (op.kind == Token::kComma && context == "range") {
      Next();
      const Token second = PeekNonSpace();
      Next();
      const Token declare = PeekNonSpace();
      if (second.kind != Token::kVariable || (declare.kind != Token::kDeclare && declare.kind != Token::kAssign))
        return Unexpected(second, "range");
      Next();
      pipe.variables = {v.text, second.text};
      pipe.assign = declare.kind == Token::kAssign;
      return {};
    }
    at_ = mark;
    return {};
  }

  bool Known(const std::string& variable) const {
    return std::find(variables_.begin(), variables_.end(), variable) != variables_.end();
  }

  // Operands up to a pipe (consumed) or the end of the pipeline (not consumed).
  Result<Command> OneCommand(const std::string& context) {
    Command command;
    while (true) {
      const Token t = PeekNonSpace();
      if (t.kind == Token::kClose || t.kind == Token::kRightParen) break;
      if (t.kind == Token::kPipe) {
        Next();
        break;
      }
      FL_ASSIGN(Operand operand, OneOperand(context));
      command.args.push_back(std::move(operand));
      const Token& after = Peek();
      if (after.kind == Token::kSpace || after.kind == Token::kClose || after.kind == Token::kRightParen ||
          after.kind == Token::kPipe)
        continue;
      return Unexpected(after, "operand");
    }
    if (command.args.empty()) return Fail(Peek(), "missing value for " + context);
    return command;
  }

  Result<Operand> OneOperand(const std::string& context) {
    Operand o;
    const Token t = Next();
    o.line = t.line;
    o.column = t.column;
    o.text = t.text;
    switch (t.kind) {
      case Token::kDot:
        o.kind = Operand::kDot;
        break;
      case Token::kField:
        o.kind = Operand::kField;
        o.fields.push_back(t.text.substr(1));
        break;
      case Token::kVariable:
        if (!Known(t.text)) return Fail(t, "undefined variable \"" + t.text + "\"");
        o.kind = Operand::kVariable;
        o.name = t.text;
        break;
      case Token::kString:
        o.kind = Operand::kConstant;
        o.constant = Value(t.text);
        o.text = "\"" + t.text + "\"";
        break;
      case Token::kChar:
        o.kind = Operand::kConstant;
        o.constant = Value(static_cast<int64_t>(static_cast<unsigned char>(t.text.empty() ? 0 : t.text[0])));
        break;
      case Token::kNumber:
        FL_TRY(Number(t, o));
        break;
      case Token::kIdentifier:
        if (t.text == "true" || t.text == "false") {
          o.kind = Operand::kConstant;
          o.constant = Value(t.text == "true");
        } else if (t.text == "nil") {
          o.kind = Operand::kNil;
        } else {
          if (!has_function_(t.text)) return Fail(t, "function \"" + t.text + "\" not defined");
          o.kind = Operand::kIdentifier;
          o.name = t.text;
        }
        break;
      case Token::kLeftParen: {
        if (++depth_ > kMaxDepth) return Fail(t, "max expression depth exceeded");
        FL_ASSIGN(o.pipe, Pipeline("parenthesized pipeline", Token::kRightParen));
        --depth_;
        o.kind = Operand::kChain;
        o.text = "(" + o.pipe->text + ")";
        break;
      }
      default:
        return Unexpected(t, context);
    }
    while (Peek().kind == Token::kField) {
      const Token f = Next();
      if (o.kind == Operand::kConstant || o.kind == Operand::kNil || o.kind == Operand::kIdentifier ||
          o.kind == Operand::kDot)
        return Fail(f, "unexpected . after term \"" + o.text + "\"");
      o.fields.push_back(f.text.substr(1));
      o.text += f.text;
    }
    return o;
  }

  Status Number(const Token& t, Operand& o) {
    o.kind = Operand::kConstant;
    std::string text = ReplaceAll(t.text, "_", "");
    auto bad = [&] { return Fail(t, "bad number syntax: \"" + t.text + "\""); };
    bool negative = text[0] == '-';
    std::string body = text[0] == '-' || text[0] == '+' ? text.substr(1) : text;
    int base = body.starts_with("0x") ? 16 : body.starts_with("0b") ? 2 : body.starts_with("0o") ? 8 : 10;
    if (base == 10 && body.find_first_of(".eEpP") != body.npos) {
      double d = 0;
      auto [end, ec] = std::from_chars(body.data(), body.data() + body.size(), d);
      if (ec != std::errc() || end != body.data() + body.size()) return bad();
      o.constant = Value(negative ? -d : d);
      return {};
    }
    std::string digits = base == 10 ? body : body.substr(2);
    if (base == 10 && digits.size() > 1 && digits[0] == '0') base = 8;
    int64_t v = 0;
    auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), v, base);
    if (ec == std::errc::result_out_of_range) return Fail(t, t.text + " overflows int");
    if (ec != std::errc() || end != digits.data() + digits.size()) return bad();
    o.constant = Value(negative ? -v : v);
    return {};
  }

  const std::string& name_;
  const std::string& source_;
  const std::function<bool(const std::string&)>& has_function_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0, range_depth_ = 0;
  std::vector<std::string> variables_;
  std::vector<Template> out_;
};

}  // namespace

Result<std::vector<Template>> Parse(const std::string& name, const std::string& text,
                                    const std::function<bool(const std::string&)>& has) {
  return Parser(name, text, has).Run();
}

}  // namespace fairlead::gotmpl
