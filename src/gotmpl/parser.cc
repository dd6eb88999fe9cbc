#include "gotmpl/parser.h"

#include <cmath>

#include "gotmpl/lexer.h"
#include "gotmpl/quote.h"

namespace fairlead::gotmpl {
namespace {

// Nested parentheses and control structures recurse here and when they are executed; Go allows 10000.
constexpr int kMaxParentheses = 250, kMaxNesting = 250;

struct ParseError {
  std::string message;
};

bool HasAny(const std::string& text, const char* characters) { return text.find_first_of(characters) != text.npos; }

// strconv.ParseInt and ParseUint with base 0: prefixes 0x, 0o, 0b, 0 and underscores.
struct Integer {
  bool ok = false, overflow = false;
  uint64_t magnitude = 0;
  bool negative = false;
};
Integer ReadInteger(const std::string& text) {
  Integer out;
  std::string s;
  size_t i = 0;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) out.negative = text[i++] == '-';
  int base = 10;
  if (text.size() > i + 1 && text[i] == '0') {
    char p = static_cast<char>(tolower(static_cast<unsigned char>(text[i + 1])));
    base = p == 'x' ? 16 : p == 'b' ? 2 : 8;
    i += p == 'x' || p == 'b' || p == 'o' ? 2 : 1;
  }
  for (; i < text.size(); ++i)
    if (text[i] != '_') s += text[i];
  if (s.empty()) {
    out.ok = base == 8;  // "0_" and the like; a lone 0 has base 10
    return out;
  }
  for (char c : s) {
    int d = c >= '0' && c <= '9' ? c - '0' : isalpha(static_cast<unsigned char>(c)) ? tolower(c) - 'a' + 10 : 99;
    if (d >= base) return out;
    if (out.magnitude > (UINT64_MAX - static_cast<uint64_t>(d)) / static_cast<uint64_t>(base)) out.overflow = true;
    out.magnitude = out.magnitude * static_cast<uint64_t>(base) + static_cast<uint64_t>(d);
  }
  out.ok = !out.overflow;
  return out;
}

class Parser {
 public:
  Parser(const std::string& name, const std::string& text, const std::function<bool(const std::string&)>& has_function)
      : name_(name),
        text_(std::make_shared<const std::string>(text)),
        has_function_(has_function),
        lexer_(*text_, has_function("break"), has_function("continue")) {}

  std::vector<Template> Parse() {
    NodePtr root = New(Node::kList, Peek());
    while (Peek().kind != Token::kEof) {
      if (Peek().kind == Token::kLeftDelim) {
        Token delim = Next();
        if (NextNonSpace().kind == Token::kDefine) {
          Definition();
          continue;
        }
        Backup2(delim);
      }
      NodePtr n = TextOrAction();
      if (n->kind == Node::kEnd || n->kind == Node::kElse) Fail("unexpected " + n->ToString());
      root->nodes.push_back(n);
    }
    Add(name_, root);
    // The file's own template first.
    std::stable_partition(templates_.begin(), templates_.end(), [&](const Template& t) { return t.name == name_; });
    return std::move(templates_);
  }

 private:
  // -- tokens, with up to three put back
  Token Next() {
    if (peeked_ > 0)
      --peeked_;
    else
      tokens_[0] = lexer_.Next();
    return tokens_[peeked_];
  }
  void Backup() { ++peeked_; }
  void Backup2(const Token& before) {
    tokens_[1] = before;
    peeked_ = 2;
  }
  void Backup3(const Token& second, const Token& first) {  // in reverse: first was read first
    tokens_[1] = first;
    tokens_[2] = second;
    peeked_ = 3;
  }
  Token Peek() {
    if (peeked_ > 0) return tokens_[peeked_ - 1];
    peeked_ = 1;
    tokens_[0] = lexer_.Next();
    return tokens_[0];
  }
  Token NextNonSpace() {
    Token t = Next();
    while (t.kind == Token::kSpace) t = Next();
    return t;
  }
  Token PeekNonSpace() {
    Token t = NextNonSpace();
    Backup();
    return t;
  }

  [[noreturn]] void Fail(const std::string& message) const {
    throw ParseError{"template: " + name_ + ":" + std::to_string(tokens_[0].line) + ": " + message};
  }
  [[noreturn]] void Unexpected(const Token& t, const std::string& context) const {
    if (t.kind != Token::kError) Fail("unexpected " + t.ToString() + " in " + context);
    std::string extra;
    if (action_line_ != 0 && action_line_ != t.line) {
      extra = " in action started at " + name_ + ":" + std::to_string(action_line_);
      if (t.text.ends_with(" action")) extra = extra.substr(std::string_view(" in action").size());
    }
    Fail(t.text + extra);
  }
  Token Expect(Token::Kind kind, const std::string& context) {
    Token t = NextNonSpace();
    if (t.kind != kind) Unexpected(t, context);
    return t;
  }

  static NodePtr New(Node::Kind kind, const Token& at) {
    auto n = std::make_shared<Node>();
    n->kind = kind;
    n->pos = at.pos;
    n->line = at.line;
    return n;
  }

  void Add(const std::string& name, const NodePtr& root) {
    auto it = std::find_if(templates_.begin(), templates_.end(), [&](const Template& t) { return t.name == name; });
    if (it == templates_.end()) {
      templates_.push_back({name, name_, text_, root});
    } else if (IsEmpty(*it->root)) {
      it->root = root;
    } else if (!IsEmpty(*root)) {
      Fail("template: multiple definition of template " + QuoteGo(name));
    }
  }

  // The body of a define or block, in a scope of its own.
  NodePtr Body(const std::string& context) {
    auto outer = std::exchange(variables_, {"$"});
    int outer_ranges = std::exchange(ranges_, 0);
    auto [list, end] = ItemList();
    if (end->kind != Node::kEnd) Fail("unexpected " + end->ToString() + " in " + context);
    variables_ = std::move(outer);
    ranges_ = outer_ranges;
    return list;
  }

  void Definition() {
    const std::string context = "define clause";
    Token t = NextNonSpace();
    std::string name = TemplateName(t, context);
    Expect(Token::kRightDelim, context);
    Add(name, Body(context));
  }

  std::string TemplateName(const Token& t, const std::string& context) const {
    if (t.kind != Token::kString && t.kind != Token::kRawString) Unexpected(t, context);
    auto name = Unquote(t.text);
    if (!name) Fail("invalid syntax");
    return *name;
  }

  std::pair<NodePtr, NodePtr> ItemList() {
    if (++nesting_ > kMaxNesting)
      Fail("control structures are nested more than " + std::to_string(kMaxNesting) + " deep");
    NodePtr list = New(Node::kList, PeekNonSpace());
    while (PeekNonSpace().kind != Token::kEof) {
      NodePtr n = TextOrAction();
      if (n->kind == Node::kEnd || n->kind == Node::kElse) {
        --nesting_;
        return {list, n};
      }
      list->nodes.push_back(n);
    }
    Fail("unexpected EOF");
  }

  NodePtr TextOrAction() {
    Token t = NextNonSpace();
    if (t.kind == Token::kText) {
      NodePtr n = New(Node::kText, t);
      n->text = t.text;
      return n;
    }
    if (t.kind != Token::kLeftDelim) Unexpected(t, "input");
    action_line_ = t.line;
    NodePtr n = Action();
    action_line_ = 0;
    return n;
  }

  NodePtr Action() {
    Token t = NextNonSpace();
    switch (t.kind) {
      case Token::kBlock: return Block();
      case Token::kBreak: return Leave(t, Node::kBreak, "{{break}}");
      case Token::kContinue: return Leave(t, Node::kContinue, "{{continue}}");
      case Token::kElse: return Else();
      case Token::kEnd: return New(Node::kEnd, Expect(Token::kRightDelim, "end"));
      case Token::kIf: return Control(Node::kIf, "if");
      case Token::kRange: return Control(Node::kRange, "range");
      case Token::kTemplate: return TemplateCall();
      case Token::kWith: return Control(Node::kWith, "with");
      default: break;
    }
    Backup();
    NodePtr n = New(Node::kAction, Peek());
    n->pipe = Pipeline("command", Token::kRightDelim);
    return n;
  }

  NodePtr Leave(const Token& t, Node::Kind kind, const std::string& context) {
    Token after = NextNonSpace();
    if (after.kind != Token::kRightDelim) Unexpected(after, context);
    if (ranges_ == 0) Fail(context + " outside {{range}}");
    return New(kind, t);
  }

  NodePtr Else() {
    Token t = PeekNonSpace();
    if (t.kind == Token::kIf || t.kind == Token::kWith) return New(Node::kElse, t);
    return New(Node::kElse, Expect(Token::kRightDelim, "else"));
  }

  NodePtr Control(Node::Kind kind, const std::string& context) {
    size_t scope = variables_.size();
    NodePtr pipe = Pipeline(context, Token::kRightDelim);
    NodePtr n = New(kind, Token{Token::kEof, pipe->pos, "", pipe->line});
    n->pipe = pipe;
    if (kind == Node::kRange) ++ranges_;
    auto [list, next] = ItemList();
    if (kind == Node::kRange) --ranges_;
    n->list = list;
    if (next->kind == Node::kElse) {
      Token::Kind chained = kind == Node::kIf ? Token::kIf : kind == Node::kWith ? Token::kWith : Token::kEof;
      if (chained != Token::kEof && Peek().kind == chained) {
        Next();
        n->else_list = New(Node::kList, Token{Token::kEof, next->pos, "", next->line});
        n->else_list->nodes.push_back(Control(kind, context));
      } else {
        auto [else_list, end] = ItemList();
        if (end->kind != Node::kEnd) Fail("expected end; found " + end->ToString());
        n->else_list = else_list;
      }
    }
    variables_.resize(scope);
    return n;
  }

  NodePtr Block() {
    const std::string context = "block clause";
    Token t = NextNonSpace();
    std::string name = TemplateName(t, context);
    NodePtr n = New(Node::kTemplate, t);
    n->text = name;
    n->pipe = Pipeline(context, Token::kRightDelim);
    Add(name, Body(context));
    return n;
  }

  NodePtr TemplateCall() {
    const std::string context = "template clause";
    Token t = NextNonSpace();
    NodePtr n = New(Node::kTemplate, t);
    n->text = TemplateName(t, context);
    if (NextNonSpace().kind != Token::kRightDelim) {
      Backup();
      n->pipe = Pipeline(context, Token::kRightDelim);
    }
    return n;
  }

  NodePtr Pipeline(const std::string& context, Token::Kind end) {
    NodePtr pipe = New(Node::kPipe, PeekNonSpace());
    Declarations(*pipe, context);
    while (true) {
      Token t = NextNonSpace();
      if (t.kind == end) {
        CheckPipeline(*pipe, context);
        return pipe;
      }
      switch (t.kind) {
        case Token::kBool:
        case Token::kCharConstant:
        case Token::kComplex:
        case Token::kDot:
        case Token::kField:
        case Token::kIdentifier:
        case Token::kNumber:
        case Token::kNil:
        case Token::kRawString:
        case Token::kString:
        case Token::kVariable:
        case Token::kLeftParen:
          Backup();
          pipe->nodes.push_back(Command());
          break;
        default: Unexpected(t, context);
      }
    }
  }

  void Declarations(Node& pipe, const std::string& context) {
    while (true) {
      Token v = PeekNonSpace();
      if (v.kind != Token::kVariable) return;
      Next();
      // A space is a token, so up to three are looked at and put back.
      Token after = Peek();
      Token next = PeekNonSpace();
      if (next.kind == Token::kAssign || next.kind == Token::kDeclare) {
        pipe.assign = next.kind == Token::kAssign;
        NextNonSpace();
        Declare(pipe, v);
        return;
      }
      if (next.kind == Token::kChar && next.text == ",") {
        NextNonSpace();
        Declare(pipe, v);
        if (context == "range" && pipe.decl.size() < 2) {
          Token::Kind k = PeekNonSpace().kind;
          if (k == Token::kVariable || k == Token::kRightDelim || k == Token::kRightParen) continue;
          Fail("range can only initialize variables");
        }
        Fail("too many declarations in " + context);
      }
      if (after.kind == Token::kSpace)
        Backup3(v, after);
      else
        Backup2(v);
      return;
    }
  }

  void Declare(Node& pipe, const Token& v) {
    pipe.decl.push_back(Variable(v.pos, v.text, v.line));
    variables_.push_back(v.text);
  }

  void CheckPipeline(const Node& pipe, const std::string& context) const {
    if (pipe.nodes.empty()) Fail("missing value for " + context);
    for (size_t i = 1; i < pipe.nodes.size(); ++i) {
      Node::Kind first = pipe.nodes[i]->nodes[0]->kind;
      if (first == Node::kBool || first == Node::kDot || first == Node::kNil || first == Node::kNumber ||
          first == Node::kString)
        Fail("non executable command in pipeline stage " + std::to_string(i + 1));
    }
  }

  NodePtr Command() {
    NodePtr cmd = New(Node::kCommand, PeekNonSpace());
    while (true) {
      PeekNonSpace();
      if (NodePtr operand = Operand()) cmd->nodes.push_back(operand);
      Token t = Next();
      if (t.kind == Token::kSpace) continue;
      if (t.kind == Token::kRightDelim || t.kind == Token::kRightParen)
        Backup();
      else if (t.kind != Token::kPipe)
        Unexpected(t, "operand");
      break;
    }
    if (cmd->nodes.empty()) Fail("empty command");
    return cmd;
  }

  NodePtr Operand() {
    NodePtr node = Term();
    if (!node) return nullptr;
    if (Peek().kind != Token::kField) return node;
    NodePtr chain = New(Node::kChain, Peek());
    chain->nodes.push_back(node);
    while (Peek().kind == Token::kField) {
      std::string field = Next().text;
      chain->idents.push_back(field.substr(1));
    }
    switch (node->kind) {
      case Node::kField:
      case Node::kVariable: {
        NodePtr longer = New(node->kind, Token{Token::kEof, chain->pos, "", chain->line});
        longer->idents = node->idents;
        longer->idents.insert(longer->idents.end(), chain->idents.begin(), chain->idents.end());
        return longer;
      }
      case Node::kBool:
      case Node::kString:
      case Node::kNumber:
      case Node::kNil:
      case Node::kDot: Fail("unexpected . after term " + QuoteGo(node->ToString()));
      default: return chain;
    }
  }

  NodePtr Term() {
    Token t = NextNonSpace();
    NodePtr n;
    switch (t.kind) {
      case Token::kIdentifier:
        if (!has_function_(t.text)) Fail("function " + QuoteGo(t.text) + " not defined");
        n = New(Node::kIdentifier, t);
        n->text = t.text;
        return n;
      case Token::kDot: return New(Node::kDot, t);
      case Token::kNil: return New(Node::kNil, t);
      case Token::kVariable:
        if (std::find(variables_.begin(), variables_.end(), t.text) == variables_.end())
          Fail("undefined variable " + QuoteGo(t.text));
        return Variable(t.pos, t.text, t.line);
      case Token::kField:
        n = New(Node::kField, t);
        n->idents.push_back(t.text.substr(1));
        return n;
      case Token::kBool:
        n = New(Node::kBool, t);
        n->truth = t.text == "true";
        return n;
      case Token::kCharConstant:
      case Token::kComplex:
      case Token::kNumber: return NumberOf(t);
      case Token::kLeftParen:
        if (++parentheses_ > kMaxParentheses) Fail("max expression depth exceeded");
        n = Pipeline("parenthesized pipeline", Token::kRightParen);
        --parentheses_;
        return n;
      case Token::kString:
      case Token::kRawString: {
        auto value = Unquote(t.text);
        if (!value) Fail("invalid syntax");
        n = New(Node::kString, t);
        n->text = t.text;
        n->value = *value;
        return n;
      }
      default: Backup(); return nullptr;
    }
  }

  static NodePtr Variable(size_t pos, const std::string& name, int line) {
    NodePtr n = New(Node::kVariable, Token{Token::kEof, pos, "", line});
    n->idents.push_back(name);
    return n;
  }

  NodePtr NumberOf(const Token& t) const {
    NodePtr n = New(Node::kNumber, t);
    n->text = t.text;
    NumberValue& v = n->number;
    if (t.kind == Token::kCharConstant) {
      auto r = UnquoteChar(t.text);
      if (!r) Fail("malformed character constant: " + t.text);
      v = {true, true, true, *r, static_cast<double>(*r)};
      return n;
    }
    if (t.kind == Token::kComplex || t.text.ends_with('i'))
      Fail("complex numbers are not supported: " + QuoteGo(t.text));
    Integer i = ReadInteger(t.text);
    if (i.ok && !HasAny(t.text, ".") && (!HasAny(t.text, "eEpP") || t.text.find_first_of("xX") != t.text.npos)) {
      v.is_uint = !i.negative;
      v.is_int = i.magnitude <= static_cast<uint64_t>(INT64_MAX) + (i.negative ? 1 : 0);
      if (v.is_int) v.integer = static_cast<int64_t>(i.negative ? 0 - i.magnitude : i.magnitude);
      v.is_float = true;
      v.floating = (i.negative ? -1.0 : 1.0) * static_cast<double>(i.magnitude);
      return n;
    }
    std::string digits;
    for (char c : t.text)
      if (c != '_') digits += c;
    char* end = nullptr;
    double d = strtod(digits.c_str(), &end);
    bool whole =
        !digits.empty() && end == digits.c_str() + digits.size() && digits.find_first_of("0123456789") != digits.npos;
    if (whole && std::isfinite(d)) {
      if (!HasAny(t.text, ".eEpP")) Fail("integer overflow: " + QuoteGo(t.text));
      v.is_float = true;
      v.floating = d;
      if (std::floor(d) == d && std::fabs(d) < 9.2e18) {
        v.is_int = true;
        v.integer = static_cast<int64_t>(d);
      }
      return n;
    }
    Fail("illegal number syntax: " + QuoteGo(t.text));
  }

  const std::string& name_;
  std::shared_ptr<const std::string> text_;
  const std::function<bool(const std::string&)>& has_function_;
  Lexer lexer_;
  Token tokens_[3];
  int peeked_ = 0, action_line_ = 0, ranges_ = 0, nesting_ = 0, parentheses_ = 0;
  std::vector<std::string> variables_{"$"};
  std::vector<Template> templates_;
};

}  // namespace

Result<std::vector<Template>> Parse(const std::string& name, const std::string& text,
                                    const std::function<bool(const std::string&)>& has_function) {
  try {
    return Parser(name, text, has_function).Parse();
  } catch (const ParseError& e) {
    return MakeError(Code::kInvalid, e.message);
  }
}

}  // namespace fairlead::gotmpl
