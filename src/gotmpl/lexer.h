// Splits template text into text and the tokens of its actions. Source of the behaviour: Go's
// text/template/parse/lex.go.
#pragma once
#include <string>
#include <vector>

#include "util/result.h"

namespace fairlead::gotmpl {

struct Token {
  enum Kind {
    kText,
    kOpen,
    kClose,
    kIdentifier,
    kField,
    kVariable,
    kString,
    kNumber,
    kChar,
    kDot,
    kPipe,
    kDeclare,
    kAssign,
    kComma,
    kLeftParen,
    kRightParen,
    kSpace,
    kEof
  } kind;
  std::string text;          // kString: the unquoted value
  int line = 1, column = 0;  // column counts bytes from 0
  size_t offset = 0;         // in the file
};

// Errors: "template: NAME:LINE: message".
Result<std::vector<Token>> Lex(const std::string& name, const std::string& text);

}  // namespace fairlead::gotmpl
