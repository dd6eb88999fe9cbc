// The parsed form of a template. Source of the behaviour: Go's text/template/parse.
#pragma once
#include "gotmpl/value.h"

namespace fairlead::gotmpl {

struct Pipe;

// An operand or a command argument.
struct Operand {
  enum Kind { kDot, kNil, kConstant, kIdentifier, kField, kVariable, kChain } kind = kDot;
  Value constant;                   // kConstant
  std::string name;                 // kIdentifier, kVariable (with its $)
  std::vector<std::string> fields;  // kField, kVariable, kChain: .a.b
  std::shared_ptr<Pipe> pipe;       // kChain, a parenthesised pipeline
  std::string text;                 // as written, for messages
  int line = 1, column = 0;
};

struct Command {
  std::vector<Operand> args;
};

struct Pipe {
  std::vector<std::string> variables;  // $x := or $x =
  bool assign = false;                 // =
  std::vector<Command> commands;
  std::string text;
  int line = 1, column = 0;
};
using PipePtr = std::shared_ptr<Pipe>;

struct Node;
using Nodes = std::vector<Node>;

struct Node {
  enum Kind { kText, kAction, kIf, kWith, kRange, kTemplate, kBreak, kContinue } kind = kText;
  std::string text;  // kText; kTemplate: the name
  PipePtr pipe;
  Nodes body, otherwise;
  int line = 1, column = 0;
};

struct Template {
  std::string name;  // that of a define, or the file's
  std::string file;  // where it was parsed
  Nodes body;
};

}  // namespace fairlead::gotmpl
