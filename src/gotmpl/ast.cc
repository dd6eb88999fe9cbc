#include "gotmpl/ast.h"

#include "gotmpl/quote.h"
#include "util/strings.h"

namespace fairlead::gotmpl {
namespace {

std::string All(const std::vector<NodePtr>& nodes, const char* separator) {
  std::string out;
  for (const NodePtr& n : nodes) out += (out.empty() ? "" : separator) + n->ToString();
  return out;
}

std::string Control(const Node& n, const char* word) {
  std::string out = std::string("{{") + word + " " + n.pipe->ToString() + "}}" + n.list->ToString();
  if (n.else_list) out += "{{else}}" + n.else_list->ToString();
  return out + "{{end}}";
}

}  // namespace

std::string Node::ToString() const {
  switch (kind) {
    case kList: return All(nodes, "");
    case kText:
    case kIdentifier:
    case kNumber:
    case kString: return text;
    case kAction: return "{{" + pipe->ToString() + "}}";
    case kPipe: {
      std::string out = All(decl, ", ");
      if (!decl.empty()) out += assign ? " = " : " := ";
      return out + All(nodes, " | ");
    }
    case kCommand: {
      std::string out;
      for (const NodePtr& n : nodes) {
        if (!out.empty()) out += " ";
        out += n->kind == kPipe ? "(" + n->ToString() + ")" : n->ToString();
      }
      return out;
    }
    case kVariable: return Join(idents, ".");
    case kField: return "." + Join(idents, ".");
    case kChain: {
      std::string out = nodes[0]->kind == kPipe ? "(" + nodes[0]->ToString() + ")" : nodes[0]->ToString();
      for (const std::string& f : idents) out += "." + f;
      return out;
    }
    case kDot: return ".";
    case kNil: return "nil";
    case kBool: return truth ? "true" : "false";
    case kIf: return Control(*this, "if");
    case kRange: return Control(*this, "range");
    case kWith: return Control(*this, "with");
    case kTemplate: return "{{template " + QuoteGo(text) + (pipe ? " " + pipe->ToString() : "") + "}}";
    case kBreak: return "{{break}}";
    case kContinue: return "{{continue}}";
    case kElse: return "{{else}}";
    case kEnd: return "{{end}}";
  }
  return "";
}

bool IsEmpty(const Node& n) {
  if (n.kind == Node::kText) return Trim(n.text).empty();
  if (n.kind != Node::kList) return false;
  return std::all_of(n.nodes.begin(), n.nodes.end(), [](const NodePtr& c) { return IsEmpty(*c); });
}

}  // namespace fairlead::gotmpl
