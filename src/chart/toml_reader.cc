// TOML 1.0. Source of the behaviour: toml.io, and for the types of values github.com/BurntSushi/toml.
#include <charconv>

#include "chart/toml.h"
#include "gotmpl/go_time.h"
#include "util/strings.h"
#include "util/unicode.h"

namespace fairlead::chart {
namespace {

using gotmpl::List;
using gotmpl::Map;
using gotmpl::Value;

constexpr int kMaxTomlDepth = 100;

struct TomlError {
  std::string message;
};

// What a name stands for while the text is read. As BurntSushi has it, dots may add to any table, also to an inline
// one, and a header to one that had none yet and was not inline.
struct Node {
  enum Kind { kValue, kTable, kTables } kind = kTable;
  bool has_header = false;
  Value value;
  std::map<std::string, std::unique_ptr<Node>> members;  // of a table
  std::vector<std::unique_ptr<Node>> items;              // of [[tables]]

  Value ToValue() const {
    if (kind == kValue) return value;
    if (kind == kTables) {
      List out;
      for (const auto& item : items) out.push_back(item->ToValue());
      return Value::NewTypedList(std::move(out), "[]map[string]interface {}");
    }
    Map out;
    for (const auto& [k, member] : members) out[k] = member->ToValue();
    return Value::NewMap(std::move(out));
  }
};

class TomlReader {
 public:
  explicit TomlReader(std::string_view text) : text_(text) {}

  Value Document() {
    Node root;
    Node* table = &root;
    for (SkipLines(); at_ < text_.size(); SkipLines()) {
      if (Peek() == '[')
        table = Header(root);
      else
        Assign(*table, 0);
      SkipBlanks();
      if (Peek() == '#') SkipComment();
      if (at_ < text_.size() && !TakeNewline()) Fail("expected the end of the line");
    }
    return root.ToValue();
  }

 private:
  using Path = std::vector<std::string>;

  [[noreturn]] void Fail(const std::string& message) const {
    auto line =
        1 + std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(std::min(at_, text_.size())), '\n');
    throw TomlError{"toml: line " + std::to_string(line) + ": " + message};
  }

  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool Take(std::string_view expected) {
    if (!text_.substr(std::min(at_, text_.size())).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }
  bool TakeNewline() { return Take("\n") || Take("\r\n"); }
  void SkipBlanks() {
    while (Peek() == ' ' || Peek() == '\t') ++at_;
  }
  void SkipComment() {
    while (at_ < text_.size() && Peek() != '\n' && text_.substr(at_, 2) != "\r\n") {
      auto c = static_cast<unsigned char>(text_[at_++]);
      if ((c < 0x20 && c != '\t') || c == 0x7f) Fail("a control character in a comment");
    }
  }
  // Blanks, comments and ends of lines.
  void SkipLines() {
    do {
      SkipBlanks();
      if (Peek() == '#') SkipComment();
    } while (TakeNewline());
  }

  static bool IsBare(char c) { return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; }

  Path Key() {
    Path out;
    do {
      SkipBlanks();
      std::string part;
      if (Peek() == '"' || Peek() == '\'') {
        part = Peek() == '"' ? BasicString() : LiteralString();
      } else {
        while (IsBare(Peek())) part += text_[at_++];
        if (part.empty()) Fail("expected a key");
      }
      out.push_back(std::move(part));
      if (out.size() > kMaxTomlDepth) Fail("nested too deep");
      SkipBlanks();
    } while (Take("."));
    return out;
  }

  [[noreturn]] void FailKey(const std::string& key) const { Fail("key \"" + key + "\" is there already"); }

  // [a.b] and [[a.b]]: the table that the next lines fill.
  Node* Header(Node& root) {
    bool array = Take("[[");
    if (!array) Take("[");
    Path path = Key();
    if (!Take(array ? "]]" : "]")) Fail(std::string("expected ") + (array ? "]]" : "]"));
    Node* node = &root;
    for (size_t i = 0; i + 1 < path.size(); ++i) {
      auto& next = node->members[path[i]];
      if (!next) next = std::make_unique<Node>();
      if (next->kind == Node::kValue) FailKey(path[i]);
      node = next->kind == Node::kTables ? next->items.back().get() : next.get();
    }
    auto& last = node->members[path.back()];
    if (array) {
      if (!last) {
        last = std::make_unique<Node>();
        last->kind = Node::kTables;
      }
      if (last->kind != Node::kTables) FailKey(path.back());
      last->items.push_back(std::make_unique<Node>());
      return last->items.back().get();
    }
    if (!last) last = std::make_unique<Node>();
    if (last->kind != Node::kTable || last->has_header) FailKey(path.back());
    last->has_header = true;
    return last.get();
  }

  // key = value
  void Assign(Node& table, int depth) {
    Path path = Key();
    if (!Take("=")) Fail("expected = after the key");
    SkipBlanks();
    Node* node = &table;
    for (size_t i = 0; i + 1 < path.size(); ++i) {
      auto& next = node->members[path[i]];
      if (!next) next = std::make_unique<Node>();
      if (next->kind != Node::kTable) FailKey(path[i]);
      node = next.get();
    }
    auto& last = node->members[path.back()];
    if (last) FailKey(path.back());
    last = std::make_unique<Node>();
    if (Peek() == '{') return InlineTable(*last, depth);
    last->kind = Node::kValue;
    last->value = ReadValue(depth);
  }

  Value ReadValue(int depth) {
    if (depth > kMaxTomlDepth) Fail("nested too deep");
    char c = Peek();
    if (c == '"') return Value(Take("\"\"\"") ? Multiline('"') : BasicString());
    if (c == '\'') return Value(Take("'''") ? Multiline('\'') : LiteralString());
    if (c == '[') return Array(depth);
    if (c == '{') {
      Node table;
      InlineTable(table, depth);
      return table.ToValue();
    }
    std::string word;
    while (IsBare(Peek()) || (Peek() && strchr("+.:", Peek()))) word += text_[at_++];
    // A date may have a blank before its time.
    if (word.size() == 10 && word[4] == '-' && Peek() == ' ' && isdigit(static_cast<unsigned char>(Peek(1)))) {
      ++at_;
      word += 'T';
      while (IsBare(Peek()) || (Peek() && strchr("+.:", Peek()))) word += text_[at_++];
    }
    if (word.empty()) Fail("expected a value");
    if (word == "true" || word == "false") return Value(word == "true");
    if (word.size() > 4 && (word[4] == '-' || word[2] == ':') && isdigit(static_cast<unsigned char>(word[0])))
      return Moment(word);
    return Number(word);
  }

  Value Array(int depth) {
    Take("[");
    List out;
    for (SkipLines(); !Take("]"); SkipLines()) {
      out.push_back(ReadValue(depth + 1));
      SkipLines();
      if (!Take(",") && Peek() != ']') Fail("expected , or ] in the array");
    }
    bool tables = !out.empty() && std::all_of(out.begin(), out.end(), [](const Value& v) { return v.as_map(); });
    return tables ? Value::NewTypedList(std::move(out), "[]map[string]interface {}") : Value::NewList(std::move(out));
  }

  void InlineTable(Node& table, int depth) {
    if (depth > kMaxTomlDepth) Fail("nested too deep");
    Take("{");
    table.has_header = true;
    SkipBlanks();
    if (Take("}")) return;
    do {
      Assign(table, depth + 1);
      SkipBlanks();
    } while (Take(","));
    if (!Take("}")) Fail("expected , or } in the table");
  }

  std::string LiteralString() {
    Take("'");
    std::string out;
    while (!Take("'")) out += Character();
    return out;
  }
  std::string BasicString() {
    Take("\"");
    std::string out;
    while (!Take("\"")) out += Peek() == '\\' ? Escape() : std::string(1, Character());
    return out;
  }
  char Character() {
    if (at_ >= text_.size() || Peek() == '\n') Fail("the string does not end on its line");
    auto c = static_cast<unsigned char>(Peek());
    if ((c < 0x20 && c != '\t') || c == 0x7f) Fail("a control character in a string");
    return text_[at_++];
  }

  // After the opening quotes; a newline right there does not count.
  std::string Multiline(char quote) {
    const std::string three(3, quote);
    TakeNewline();
    std::string out;
    while (true) {
      if (at_ >= text_.size()) Fail("the string does not end");
      if (text_.substr(at_).starts_with(three)) {
        size_t quotes = 3;  // two more belong to the text
        while (quotes < 5 && Peek(quotes) == quote) ++quotes;
        at_ += quotes;
        return out + std::string(quotes - 3, quote);
      }
      if (TakeNewline()) {
        out += '\n';
      } else if (quote == '"' && Peek() == '\\') {
        size_t start = at_++;
        SkipBlanks();
        if (TakeNewline()) {
          while (Peek() == ' ' || Peek() == '\t' || TakeNewline())
            if (Peek() == ' ' || Peek() == '\t') ++at_;
        } else {
          at_ = start;
          out += Escape();
        }
      } else {
        out += Character();
      }
    }
  }

  std::string Escape() {
    Take("\\");
    constexpr std::string_view kShort = "btnfr\"\\", kMeaning = "\b\t\n\f\r\"\\";
    char c = Peek();
    if (size_t i = kShort.find(c); c && i != kShort.npos) {
      ++at_;
      return std::string(1, kMeaning[i]);
    }
    size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) Fail("an unknown escape in a string");
    std::string_view hex = text_.substr(std::min(at_ + 1, text_.size()), digits);
    unsigned code = 0;
    auto [end, ec] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
    if (hex.size() != digits || ec != std::errc() || end != hex.data() + digits || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000))
      Fail("an escape that is no character");
    at_ += 1 + digits;
    return EncodeRune(static_cast<int>(code));
  }

  // _ only between digits.
  static bool DropUnderscores(std::string& s) {
    for (size_t i = 0; i < s.size(); ++i)
      if (s[i] == '_' && (i == 0 || i + 1 == s.size() || !isxdigit(static_cast<unsigned char>(s[i - 1])) ||
                          !isxdigit(static_cast<unsigned char>(s[i + 1]))))
        return false;
    s = ReplaceAll(s, "_", "");
    return true;
  }

  Value Number(const std::string& word) {
    const std::string shown = "\"" + word + "\" is no value; text needs quotes";
    bool negative = word[0] == '-';
    std::string s = word.substr(negative || word[0] == '+' ? 1 : 0);
    if (s == "inf" || s == "nan") return Value(s == "nan" ? std::nan("") : negative ? -HUGE_VAL : HUGE_VAL);
    if (s.empty() || !isdigit(static_cast<unsigned char>(s[0])) || !DropUnderscores(s)) Fail(shown);
    int base = s.starts_with("0x") ? 16 : s.starts_with("0o") ? 8 : s.starts_with("0b") ? 2 : 10;
    if (base != 10) {
      if (s.size() != word.size() - static_cast<size_t>(std::count(word.begin(), word.end(), '_'))) Fail(shown);
      s.erase(0, 2);
    } else if (s.size() > 1 && s[0] == '0' && isdigit(static_cast<unsigned char>(s[1]))) {
      Fail(shown);
    }
    if (base == 10 && s.find_first_of(".eE") != s.npos) return Float(s, negative, shown);
    if (negative) s.insert(0, "-");
    int64_t n = 0;
    auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), n, base);
    if (ec == std::errc::result_out_of_range) Fail("\"" + word + "\" is out of range");
    if (ec != std::errc() || end != s.data() + s.size()) Fail(shown);
    return Value::Int64(n);
  }

  Value Float(const std::string& s, bool negative, const std::string& shown) {
    size_t point = s.find('.'), e = s.find_first_of("eE");
    auto digit = [&](size_t i) { return i < s.size() && isdigit(static_cast<unsigned char>(s[i])); };
    if (point != s.npos && (!digit(point + 1) || point == 0 || !digit(point - 1))) Fail(shown);
    if (e != s.npos && !digit(e - 1)) Fail(shown);
    std::string plain = s;
    if (e != s.npos && e + 1 < s.size() && s[e + 1] == '+') plain.erase(e + 1, 1);
    double d = 0;
    auto [end, ec] = std::from_chars(plain.data(), plain.data() + plain.size(), d);
    if (ec == std::errc::result_out_of_range) Fail("\"" + s + "\" is out of range");
    if (ec != std::errc() || end != plain.data() + plain.size()) Fail(shown);
    return Value(negative ? -d : d);
  }

  // A date or a time without the other, or without a zone, gets what is missing from Go's zero time, and a zone that
  // says so.
  Value Moment(std::string word) {
    std::string zone;
    std::replace(word.begin(), word.end(), 't', 'T');
    std::replace(word.begin(), word.end(), 'z', 'Z');
    std::string text = word;
    if (word[2] == ':') {
      text = "0000-01-01T" + word + "Z";
      zone = "time-local";
    } else if (word.size() == 10) {
      text += "T00:00:00Z";
      zone = "date-local";
    } else if (!word.ends_with('Z') && word.find_first_of("+-", 11) == word.npos) {
      text += 'Z';
      zone = "datetime-local";
    }
    auto t = gotmpl::ParseTime("2006-01-02T15:04:05.999999999Z07:00", text);
    if (!t.ok()) Fail("\"" + word + "\" is no date and no time");
    if (!zone.empty()) t->zone = zone;
    return gotmpl::TimeValue(*t);
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<Value> FromToml(const std::string& text) {
  if (ValidUtf8(text) != text || text.find('\0') != text.npos)
    return MakeError(Code::kInvalid, "toml: the text is no UTF-8, or has a NUL");
  try {
    return TomlReader(text).Document();
  } catch (const TomlError& e) {
    return MakeError(Code::kInvalid, e.message);
  }
}

}  // namespace fairlead::chart
