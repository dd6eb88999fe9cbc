// Splits template text into text and the tokens of its actions. Source of the behaviour: Go's
// text/template/parse/lex.go.
#pragma once
#include <string>
#include <string_view>

namespace fairlead::gotmpl {

struct Token {
  enum Kind {
    kError,  // text is the message
    kBool,
    kChar,  // a printable ASCII character, such as a comma
    kCharConstant,
    kComplex,
    kAssign,
    kDeclare,
    kEof,
    kField,
    kIdentifier,
    kLeftDelim,
    kLeftParen,
    kNumber,
    kPipe,
    kRawString,
    kRightDelim,
    kRightParen,
    kSpace,
    kString,
    kText,
    kVariable,
    kKeyword,  // only to tell the ones below, which are printed as <word>
    kBlock,
    kBreak,
    kContinue,
    kDot,
    kDefine,
    kElse,
    kEnd,
    kIf,
    kNil,
    kRange,
    kTemplate,
    kWith,
  } kind = kEof;
  size_t pos = 0;  // byte offset in the text
  std::string text;
  int line = 1;
  std::string ToString() const;  // as Go's messages quote it
};

class Lexer {
 public:
  // `break_is_function`: whether break (continue) is a function's name and thus no keyword.
  Lexer(std::string_view input, bool break_is_function, bool continue_is_function)
      : input_(input), break_ok_(!break_is_function), continue_ok_(!continue_is_function) {}
  Token Next();

 private:
  enum class State { kText, kLeftDelim, kComment, kRightDelim, kInsideAction, kSpace, kQuote, kDone };
  static constexpr int kEndOfInput = -1;

  State Text();
  State LeftDelim();
  State Comment();
  State RightDelim();
  State InsideAction();
  State Space();
  State Identifier();
  State FieldOrVariable(Token::Kind kind);
  State Char();
  State Number();
  bool ScanNumber();
  State Quote();
  State RawQuote();

  int Rune();   // the next one, and goes past it
  void Back();  // undoes one Rune
  int Peek();
  bool Accept(std::string_view valid);
  void AcceptRun(std::string_view valid);
  void Ignore();
  Token Here(Token::Kind kind);
  State Emit(Token t);
  State Emit(Token::Kind kind) { return Emit(Here(kind)); }
  State Fail(const std::string& message);
  bool AtTerminator();
  bool AtRightDelim(bool& trim) const;

  std::string_view input_;
  bool break_ok_, continue_ok_;
  size_t pos_ = 0, start_ = 0;
  int width_ = 0;  // of the last rune; 0 at the end
  int line_ = 1, start_line_ = 1;
  bool inside_action_ = false, emitted_ = false, failed_ = false;
  int paren_depth_ = 0;
  Token token_;
};

}  // namespace fairlead::gotmpl
