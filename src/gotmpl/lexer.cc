#include "gotmpl/lexer.h"

#include <algorithm>
#include <map>

#include "gotmpl/quote.h"
#include "util/unicode.h"

namespace fairlead::gotmpl {
namespace {

constexpr std::string_view kLeft = "{{", kRight = "}}", kLeftComment = "/*", kRightComment = "*/";
constexpr size_t kTrimMarker = 2;  // a minus and a space

bool IsSpace(int c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsAlphaNumeric(int r) { return r == '_' || unicode::IsLetter(r) || unicode::IsDigit(r); }
bool HasLeftTrim(std::string_view s) { return s.size() >= 2 && s[0] == '-' && IsSpace(s[1]); }
bool HasRightTrim(std::string_view s) { return s.size() >= 2 && IsSpace(s[0]) && s[1] == '-'; }
int Lines(std::string_view s) { return static_cast<int>(std::count(s.begin(), s.end(), '\n')); }

size_t SpacesAtEnd(std::string_view s) {
  size_t n = 0;
  while (n < s.size() && IsSpace(s[s.size() - 1 - n])) ++n;
  return n;
}
size_t SpacesAtStart(std::string_view s) {
  size_t n = 0;
  while (n < s.size() && IsSpace(s[n])) ++n;
  return n;
}

const std::map<std::string, Token::Kind, std::less<>>& Keywords() {
  static const std::map<std::string, Token::Kind, std::less<>> words = {{"block", Token::kBlock},
                                                                        {"break", Token::kBreak},
                                                                        {"continue", Token::kContinue},
                                                                        {"define", Token::kDefine},
                                                                        {"else", Token::kElse},
                                                                        {"end", Token::kEnd},
                                                                        {"if", Token::kIf},
                                                                        {"range", Token::kRange},
                                                                        {"nil", Token::kNil},
                                                                        {"template", Token::kTemplate},
                                                                        {"with", Token::kWith}};
  return words;
}

}  // namespace

std::string Token::ToString() const {
  if (kind == kEof) return "EOF";
  if (kind == kError) return text;
  if (kind > kKeyword) return "<" + text + ">";
  // Go's %.10q: ten characters of it.
  size_t bytes = 0;
  int runes = 0;
  while (bytes < text.size() && runes < 10) {
    int size = 1;
    DecodeRune(std::string_view(text).substr(bytes), size);
    bytes += static_cast<size_t>(size);
    ++runes;
  }
  return text.size() > 10 ? QuoteGo(text.substr(0, bytes)) + "..." : QuoteGo(text);
}

Token Lexer::Next() {
  if (failed_) return token_;
  token_ = Token{Token::kEof, pos_, "EOF", start_line_};
  emitted_ = false;
  State state = inside_action_ ? State::kInsideAction : State::kText;
  while (!emitted_) {
    switch (state) {
      case State::kText: state = Text(); break;
      case State::kLeftDelim: state = LeftDelim(); break;
      case State::kComment: state = Comment(); break;
      case State::kRightDelim: state = RightDelim(); break;
      case State::kInsideAction: state = InsideAction(); break;
      case State::kSpace: state = Space(); break;
      default: return token_;
    }
  }
  return token_;
}

int Lexer::Rune() {
  if (pos_ >= input_.size()) {
    width_ = 0;
    return kEndOfInput;
  }
  int r = DecodeRune(input_.substr(pos_), width_);
  pos_ += static_cast<size_t>(width_);
  if (r == '\n') ++line_;
  return r;
}

void Lexer::Back() {
  if (width_ == 0) return;
  // The last one may have been read by Peek; what counts is what stands before the position.
  size_t at = pos_ - 1;
  while (at > start_ && (static_cast<unsigned char>(input_[at]) & 0xc0) == 0x80 && pos_ - at < 4) --at;
  pos_ = at;
  if (input_[pos_] == '\n') --line_;
}

int Lexer::Peek() {
  size_t pos = pos_;
  int line = line_, width = width_;
  int r = Rune();
  pos_ = pos;
  line_ = line;
  width_ = width;
  return r;
}

bool Lexer::Accept(std::string_view valid) {
  int r = Peek();
  if (r < 0 || r > 127 || valid.find(static_cast<char>(r)) == valid.npos) return false;
  Rune();
  return true;
}

void Lexer::AcceptRun(std::string_view valid) {
  while (Accept(valid)) {
  }
}

void Lexer::Ignore() {
  line_ += Lines(input_.substr(start_, pos_ - start_));
  start_ = pos_;
  start_line_ = line_;
}

Token Lexer::Here(Token::Kind kind) {
  Token t{kind, start_, std::string(input_.substr(start_, pos_ - start_)), start_line_};
  start_ = pos_;
  start_line_ = line_;
  return t;
}

Lexer::State Lexer::Emit(Token t) {
  token_ = std::move(t);
  emitted_ = true;
  return State::kDone;
}

Lexer::State Lexer::Fail(const std::string& message) {
  failed_ = true;
  return Emit({Token::kError, start_, message, start_line_});
}

bool Lexer::AtRightDelim(bool& trim) const {
  std::string_view rest = input_.substr(pos_);
  trim = HasRightTrim(rest) && rest.substr(kTrimMarker).starts_with(kRight);
  return trim || rest.starts_with(kRight);
}

Lexer::State Lexer::Text() {
  size_t x = input_.find(kLeft, pos_);
  if (x != input_.npos) {
    if (x > pos_) {
      pos_ = x;
      size_t trim =
          HasLeftTrim(input_.substr(pos_ + kLeft.size())) ? SpacesAtEnd(input_.substr(start_, pos_ - start_)) : 0;
      pos_ -= trim;
      line_ += Lines(input_.substr(start_, pos_ - start_));
      Token t = Here(Token::kText);
      pos_ += trim;
      Ignore();
      if (!t.text.empty()) return Emit(std::move(t));
    }
    return State::kLeftDelim;
  }
  pos_ = input_.size();
  if (pos_ > start_) {
    line_ += Lines(input_.substr(start_, pos_ - start_));
    return Emit(Token::kText);
  }
  Token end = Here(Token::kEof);
  end.text = "EOF";
  return Emit(std::move(end));
}

Lexer::State Lexer::LeftDelim() {
  pos_ += kLeft.size();
  size_t marker = HasLeftTrim(input_.substr(pos_)) ? kTrimMarker : 0;
  if (input_.substr(pos_ + marker).starts_with(kLeftComment)) {
    pos_ += marker;
    Ignore();
    return State::kComment;
  }
  Token t = Here(Token::kLeftDelim);
  inside_action_ = true;
  pos_ += marker;
  Ignore();
  paren_depth_ = 0;
  return Emit(std::move(t));
}

Lexer::State Lexer::Comment() {
  pos_ += kLeftComment.size();
  size_t x = input_.find(kRightComment, pos_);
  if (x == input_.npos) return Fail("unclosed comment");
  pos_ = x + kRightComment.size();
  bool trim = false;
  if (!AtRightDelim(trim)) return Fail("comment ends before closing delimiter");
  line_ += Lines(input_.substr(start_, pos_ - start_));
  (void)Here(Token::kText);
  if (trim) pos_ += kTrimMarker;
  pos_ += kRight.size();
  if (trim) pos_ += SpacesAtStart(input_.substr(pos_));
  Ignore();
  return State::kText;
}

Lexer::State Lexer::RightDelim() {
  bool trim = false;
  AtRightDelim(trim);
  if (trim) {
    pos_ += kTrimMarker;
    Ignore();
  }
  pos_ += kRight.size();
  Token t = Here(Token::kRightDelim);
  if (trim) {
    pos_ += SpacesAtStart(input_.substr(pos_));
    Ignore();
  }
  inside_action_ = false;
  return Emit(std::move(t));
}

Lexer::State Lexer::InsideAction() {
  bool trim = false;
  if (AtRightDelim(trim)) return paren_depth_ == 0 ? State::kRightDelim : Fail("unclosed left paren");
  int r = Rune();
  if (r == kEndOfInput) return Fail("unclosed action");
  if (IsSpace(r)) {
    Back();
    return State::kSpace;
  }
  switch (r) {
    case '=': return Emit(Token::kAssign);
    case ':':
      if (Rune() != '=') return Fail("expected :=");
      return Emit(Token::kDeclare);
    case '|': return Emit(Token::kPipe);
    case '"': return Quote();
    case '`': return RawQuote();
    case '$': return AtTerminator() ? Emit(Token::kVariable) : FieldOrVariable(Token::kVariable);
    case '\'': return Char();
    case '(': ++paren_depth_; return Emit(Token::kLeftParen);
    case ')':
      if (--paren_depth_ < 0) return Fail("unexpected right paren");
      return Emit(Token::kRightParen);
    default: break;
  }
  // A point begins a field, unless a digit follows.
  if (r == '.' && pos_ < input_.size() && (input_[pos_] < '0' || input_[pos_] > '9'))
    return FieldOrVariable(Token::kField);
  if (r == '.' || r == '+' || r == '-' || (r >= '0' && r <= '9')) {
    Back();
    return Number();
  }
  if (IsAlphaNumeric(r)) {
    Back();
    return Identifier();
  }
  if (r > 32 && r < 127) return Emit(Token::kChar);
  return Fail("unrecognized character in action: " + UnicodeName(r));
}

// A trim-marked delimiter begins with a space, so the last of several belongs to it.
Lexer::State Lexer::Space() {
  int spaces = 0;
  while (IsSpace(Peek())) {
    Rune();
    ++spaces;
  }
  std::string_view rest = input_.substr(pos_ - 1);
  if (HasRightTrim(rest) && rest.substr(kTrimMarker).starts_with(kRight)) {
    Back();
    if (spaces == 1) return State::kRightDelim;
  }
  return Emit(Token::kSpace);
}

Lexer::State Lexer::Identifier() {
  while (IsAlphaNumeric(Peek())) Rune();
  std::string_view word = input_.substr(start_, pos_ - start_);
  if (!AtTerminator()) return Fail("bad character " + UnicodeName(Peek()));
  if (auto it = Keywords().find(word); it != Keywords().end()) {
    bool word_only = (it->second == Token::kBreak && !break_ok_) || (it->second == Token::kContinue && !continue_ok_);
    return Emit(word_only ? Token::kIdentifier : it->second);
  }
  if (word == "true" || word == "false") return Emit(Token::kBool);
  return Emit(Token::kIdentifier);
}

Lexer::State Lexer::FieldOrVariable(Token::Kind kind) {
  if (AtTerminator()) return Emit(kind == Token::kVariable ? Token::kVariable : Token::kDot);
  while (IsAlphaNumeric(Peek())) Rune();
  if (!AtTerminator()) return Fail("bad character " + UnicodeName(Peek()));
  return Emit(kind);
}

bool Lexer::AtTerminator() {
  int r = Peek();
  if (IsSpace(r) || r == kEndOfInput || r == '.' || r == ',' || r == '|' || r == ':' || r == ')' || r == '(')
    return true;
  return input_.substr(pos_).starts_with(kRight);
}

Lexer::State Lexer::Char() {
  while (true) {
    int r = Rune();
    if (r == '\\') {
      r = Rune();
      if (r != kEndOfInput && r != '\n') continue;
    }
    if (r == kEndOfInput || r == '\n') return Fail("unterminated character constant");
    if (r == '\'') return Emit(Token::kCharConstant);
  }
}

Lexer::State Lexer::Quote() {
  while (true) {
    int r = Rune();
    if (r == '\\') {
      r = Rune();
      if (r != kEndOfInput && r != '\n') continue;
    }
    if (r == kEndOfInput || r == '\n') return Fail("unterminated quoted string");
    if (r == '"') return Emit(Token::kString);
  }
}

Lexer::State Lexer::RawQuote() {
  while (true) {
    int r = Rune();
    if (r == kEndOfInput) return Fail("unterminated raw quoted string");
    if (r == '`') return Emit(Token::kRawString);
  }
}

Lexer::State Lexer::Number() {
  if (!ScanNumber()) return Fail("bad number syntax: " + QuoteGo(std::string(input_.substr(start_, pos_ - start_))));
  if (int sign = Peek(); sign == '+' || sign == '-') {
    if (!ScanNumber() || input_[pos_ - 1] != 'i')
      return Fail("bad number syntax: " + QuoteGo(std::string(input_.substr(start_, pos_ - start_))));
    return Emit(Token::kComplex);
  }
  return Emit(Token::kNumber);
}

bool Lexer::ScanNumber() {
  Accept("+-");
  std::string_view digits = "0123456789_";
  int base = 10;
  if (Accept("0")) {
    if (Accept("xX")) {
      digits = "0123456789abcdefABCDEF_";
      base = 16;
    } else if (Accept("oO")) {
      digits = "01234567_";
      base = 8;
    } else if (Accept("bB")) {
      digits = "01_";
      base = 2;
    }
  }
  AcceptRun(digits);
  if (Accept(".")) AcceptRun(digits);
  if ((base == 10 && Accept("eE")) || (base == 16 && Accept("pP"))) {
    Accept("+-");
    AcceptRun("0123456789_");
  }
  Accept("i");
  if (IsAlphaNumeric(Peek())) {
    Rune();
    return false;
  }
  return true;
}

}  // namespace fairlead::gotmpl
