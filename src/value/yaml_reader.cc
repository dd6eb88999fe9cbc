// Reads YAML with libyaml, from which go-yaml's parser was made: what one takes the other takes, and their messages are
// the same. Source of the behaviour: go-yaml v2 decode.go, sigs.k8s.io/yaml.
#include <yaml.h>

#include <charconv>
#include <cmath>
#include <map>

#include "util/strings.h"
#include "util/unicode.h"
#include "value/yaml.h"
#include "value/yaml_scalar.h"

namespace fairlead::value {
namespace {

constexpr int kMaxYamlDepth = 256;
constexpr size_t kMaxNodes = 2000000;

// A node of the document, kept until the document has been read: an alias refers to one, and a merge needs its parts in
// order.
struct Node {
  enum Kind { kScalar, kSequence, kMapping } kind = kScalar;
  Json scalar;
  std::vector<std::shared_ptr<Node>> parts;  // of a mapping: key, value, key, value...
  bool merge = false;                        // the key <<
  bool open = false;                         // while its parts are read
  size_t line = 0;
};
using NodePtr = std::shared_ptr<Node>;

struct YamlError {
  std::string message;
  bool is_json = false;  // the YAML is right, and JSON cannot hold it
};

std::string KeyText(const Json& key) {
  if (key.is_string()) return key.get<std::string>();
  if (!key.is_number_float()) return Dump(key);
  char buffer[64];  // as a number of single precision
  auto f = static_cast<float>(key.get<double>());
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, f);
  return {buffer, end};
}

class Reader {
 public:
  explicit Reader(std::string_view text) {
    if (!yaml_parser_initialize(&parser_)) throw std::bad_alloc();
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Reader() {
    yaml_event_delete(&event_);
    yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The next document, or nullopt at the end.
  std::optional<Json> Next() {
    while (event_.type == YAML_NO_EVENT || event_.type == YAML_STREAM_START_EVENT ||
           event_.type == YAML_DOCUMENT_END_EVENT)
      Advance();
    if (event_.type != YAML_DOCUMENT_START_EVENT) return std::nullopt;
    anchors_.clear();
    nodes_ = 0;
    Advance();
    NodePtr root = Compose(0);
    size_t budget = kMaxNodes;
    Json out = Convert(*root, 0, budget);
    return out;  // what follows is not looked at before it is asked for
  }

 private:
  void Advance() {
    yaml_event_delete(&event_);
    if (!yaml_parser_parse(&parser_, &event_)) Fail();
  }

  // The line as go-yaml counts it: from 0, but for the scanner's errors from 1; none for the first.
  [[noreturn]] void Fail() {
    size_t line = parser_.problem_mark.line;
    if (line != 0)
      line += parser_.error == YAML_SCANNER_ERROR ? 1 : 0;
    else
      line = parser_.context_mark.line;
    throw YamlError{(line ? "line " + std::to_string(line) + ": " : "") +
                    (parser_.problem ? parser_.problem : "unknown problem parsing YAML content")};
  }
  [[noreturn]] static void Fail(size_t line, const std::string& message) {
    throw YamlError{"line " + std::to_string(line + 1) + ": " + message};
  }

  static std::string Text(const yaml_char_t* s) { return s ? reinterpret_cast<const char*>(s) : ""; }

  void Remember(const yaml_char_t* anchor, const NodePtr& node) {
    if (anchor) anchors_[Text(anchor)] = node;
  }

  NodePtr Compose(int depth) {
    if (depth > kMaxYamlDepth) Fail(event_.start_mark.line, "nested deeper than " + std::to_string(kMaxYamlDepth));
    if (++nodes_ > kMaxNodes) Fail(event_.start_mark.line, "more than " + std::to_string(kMaxNodes) + " values");
    auto node = std::make_shared<Node>();
    node->line = event_.start_mark.line;
    switch (event_.type) {
      case YAML_ALIAS_EVENT: {
        std::string name = Text(event_.data.alias.anchor);
        auto it = anchors_.find(name);
        if (it == anchors_.end()) throw YamlError{"unknown anchor '" + name + "' referenced"};
        if (it->second->open) throw YamlError{"anchor '" + name + "' value contains itself"};
        node = it->second;
        break;
      }
      case YAML_SCALAR_EVENT:
        Remember(event_.data.scalar.anchor, node);
        Scalar(*node);
        break;
      case YAML_SEQUENCE_START_EVENT:
      case YAML_MAPPING_START_EVENT: {
        bool sequence = event_.type == YAML_SEQUENCE_START_EVENT;
        node->kind = sequence ? Node::kSequence : Node::kMapping;
        Remember(sequence ? event_.data.sequence_start.anchor : event_.data.mapping_start.anchor, node);
        node->open = true;
        Advance();
        auto end = sequence ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;
        while (event_.type != end) node->parts.push_back(Compose(depth + 1));
        node->open = false;
        break;
      }
      default: Fail(event_.start_mark.line, "unexpected event");
    }
    Advance();
    return node;
  }

  void Scalar(Node& node) {
    const auto& s = event_.data.scalar;
    std::string text(reinterpret_cast<const char*>(s.value), s.length), tag = Text(s.tag);
    constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
    if (!s.plain_implicit && (tag.empty() || tag == "!")) {
      node.scalar = text;
    } else if (tag.empty()) {
      node.merge = text == "<<";
      node.scalar = ResolveScalar(text).value_or(Json(text));
    } else if (!tag.starts_with(kPrefix) || tag == "tag:yaml.org,2002:str") {
      node.scalar = text;
    } else if (tag == "tag:yaml.org,2002:binary") {
      auto bytes = Base64Decode(text);
      if (!bytes.ok()) throw YamlError{"!!binary value contains invalid base64 data"};
      node.scalar = ValidUtf8(*bytes);
    } else {
      node.scalar = Tagged(text, tag.substr(kPrefix.size()));
    }
  }

  static Json Tagged(const std::string& text, const std::string& tag) {
    Json is = ResolveScalar(text).value_or(Json(text));
    std::string type = is.is_null()           ? "null"
                       : is.is_boolean()      ? "bool"
                       : is.is_number_float() ? "float"
                       : is.is_number()       ? "int"
                                              : "str";
    if (tag == "float" && type == "int") return is.get<double>();
    bool known = tag == "bool" || tag == "int" || tag == "float" || tag == "null" || tag == "timestamp";
    if (!known) return text;
    if (type != tag && tag != "timestamp") throw YamlError{"cannot decode !!" + type + " `" + text + "` as a !!" + tag};
    return is;
  }

  // `budget`: values that may still be made; aliases multiply, and a few lines of them could fill the memory.
  static Json Convert(const Node& node, int depth, size_t& budget) {
    if (depth > kMaxYamlDepth) Fail(node.line, "nested deeper than " + std::to_string(kMaxYamlDepth));
    if (budget-- == 0) throw YamlError{"document contains excessive aliasing"};
    if (node.kind == Node::kScalar) {
      if (node.scalar.is_number_float() && !std::isfinite(node.scalar.get<double>()))
        throw YamlError{"json: unsupported value: " + FormatFloat(node.scalar.get<double>(), 21), true};
      return node.scalar;
    }
    if (node.kind == Node::kSequence) {
      Json out = Json::array();
      for (const NodePtr& part : node.parts) out.push_back(Convert(*part, depth + 1, budget));
      return out;
    }
    Json out = Json::object();
    Fill(out, node, depth, budget);
    return out;
  }

  // As Go's %#v prints a value.
  static std::string GoSyntax(const Node& node, int depth) {
    if (depth > 20) return "...";
    if (node.kind == Node::kScalar) {
      if (node.scalar.is_null()) return depth == 0 ? "<nil>" : "interface {}(nil)";
      return node.scalar.is_number_float() ? FormatFloat(node.scalar.get<double>(), 21) : Dump(node.scalar);
    }
    bool map = node.kind == Node::kMapping;
    std::string out = map ? "map[interface {}]interface {}{" : "[]interface {}{";
    for (size_t i = 0; i < node.parts.size(); ++i) {
      if (i) out += map && i % 2 == 1 ? ":" : ", ";
      out += GoSyntax(*node.parts[i], depth + 1);
    }
    return out + "}";
  }

  // A merge puts its members where it stands: what comes after it wins, what came before it loses.
  static void Fill(Json& out, const Node& mapping, int depth, size_t& budget) {
    for (size_t i = 0; i + 1 < mapping.parts.size(); i += 2) {
      const Node &key = *mapping.parts[i], &value = *mapping.parts[i + 1];
      if (key.merge) {
        Merge(out, value, depth + 1, budget);
        continue;
      }
      if (key.kind != Node::kScalar) throw YamlError{"invalid map key: " + GoSyntax(key, 0)};
      if (key.scalar.is_null())
        throw YamlError{"unsupported map key of type: %!s(<nil>), key: <nil>, value: " + GoSyntax(value, 0), true};
      out[KeyText(key.scalar)] = Convert(value, depth + 1, budget);
    }
  }

  static void Merge(Json& out, const Node& source, int depth, size_t& budget) {
    if (depth > kMaxYamlDepth || budget-- == 0) throw YamlError{"document contains excessive aliasing"};
    if (source.kind == Node::kMapping) return Fill(out, source, depth, budget);
    if (source.kind == Node::kSequence) {
      for (size_t i = source.parts.size(); i-- > 0;) {
        if (source.parts[i]->kind != Node::kMapping)
          throw YamlError{"map merge requires map or sequence of maps as the value"};
        Fill(out, *source.parts[i], depth, budget);
      }
      return;
    }
    throw YamlError{"map merge requires map or sequence of maps as the value"};
  }

  yaml_parser_t parser_{};
  yaml_event_t event_{};
  std::map<std::string, NodePtr> anchors_;
  size_t nodes_ = 0;
};

Result<std::vector<Json>> Load(std::string_view text, std::string_view what, bool first_only) {
  std::vector<Json> out;
  try {
    Reader reader(text);
    while (auto document = reader.Next()) {
      if (!document->is_null()) out.push_back(std::move(*document));
      if (first_only) break;
    }
  } catch (const YamlError& e) {
    if (e.is_json && what.ends_with(": yaml")) what.remove_suffix(std::string_view(": yaml").size());
    return MakeError(Code::kInvalid, std::string(what) + ": " + e.message);
  }
  return out;
}

}  // namespace

Result<Json> ParseYaml(std::string_view text, std::string_view what) {
  FL_ASSIGN(auto docs, Load(text, what, true));
  return docs.empty() ? Json(nullptr) : std::move(docs[0]);
}

Result<std::vector<Json>> ParseYamlStream(std::string_view text, std::string_view what) {
  return Load(text, what, false);
}

}  // namespace fairlead::value
