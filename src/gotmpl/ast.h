// The parsed form of a template, as Go's text/template/parse has it: nodes know where they stand and print themselves
// as messages quote them.
#pragma once
#include "gotmpl/value.h"

namespace fairlead::gotmpl {

struct Node;
using NodePtr = std::shared_ptr<Node>;

// What a number's text may stand for.
struct NumberValue {
  bool is_int = false, is_uint = false, is_float = false;
  int64_t integer = 0;
  double floating = 0;
};

struct Node {
  enum Kind {
    kList,
    kText,
    kAction,
    kPipe,
    kCommand,
    kIdentifier,
    kVariable,
    kField,
    kChain,
    kDot,
    kNil,
    kBool,
    kNumber,
    kString,
    kIf,
    kRange,
    kWith,
    kTemplate,
    kBreak,
    kContinue,
    kElse,  // these two only while parsing
    kEnd,
  } kind = kList;
  size_t pos = 0;  // byte offset in the text
  int line = 1;
  std::string text;                 // text; an identifier; a number or a string as written; a template's name
  std::string value;                // kString: unquoted
  std::vector<std::string> idents;  // kVariable (the first with its $), kField, kChain
  std::vector<NodePtr> nodes;       // kList; kPipe: commands; kCommand: its words; kChain: what the fields are of
  std::vector<NodePtr> decl;        // kPipe: variables
  bool assign = false;              // kPipe: = instead of :=
  bool truth = false;               // kBool
  NumberValue number;
  NodePtr pipe, list, else_list;  // actions and control structures
  std::string ToString() const;
};

struct Template {
  std::string name;                         // that of a define, or the file's
  std::string file;                         // where it was parsed
  std::shared_ptr<const std::string> text;  // the file's
  NodePtr root;
};

// Nothing but blank text.
bool IsEmpty(const Node& n);

}  // namespace fairlead::gotmpl
