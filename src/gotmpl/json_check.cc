#include "gotmpl/json_check.h"

#include "gotmpl/quote.h"
#include "util/unicode.h"

namespace fairlead::gotmpl {
namespace {

constexpr int kMaxDepth = 10000;

struct JsonError {
  std::string message;
};

class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  void Check() {
    Value(0);
    Space();
    if (at_ < text_.size()) Fail("after top-level value");
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  [[noreturn]] void Fail(const std::string& where) const {
    auto c = static_cast<unsigned char>(Inside());
    std::string shown = c == '\''  ? "'\\''"
                        : c == '"' ? "'\"'"
                                   : "'" +
                                         [&] {
                                           // The scanner sees bytes: one above ASCII is a character of its own.
                                           std::string rune = c < 0x80
                                                                  ? std::string(1, static_cast<char>(c))
                                                                  : std::string{static_cast<char>(0xc0 | c >> 6),
                                                                                static_cast<char>(0x80 | (c & 0x3f))};
                                           std::string quoted = QuoteGo(rune);
                                           return quoted.substr(1, quoted.size() - 2);
                                         }() +
                                         "'";
    throw JsonError{"invalid character " + shown + " " + where};
  }
  char Next() const {
    if (at_ >= text_.size()) throw JsonError{"unexpected end of JSON input"};
    return text_[at_];
  }
  // Within a word or a number, Go takes the end of the text for a space.
  char Inside() const { return at_ < text_.size() ? text_[at_] : ' '; }
  void Space() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }

  void Value(int depth) {
    if (depth > kMaxDepth) throw JsonError{"exceeded max depth"};
    Space();
    char c = Next();
    if (c == '{') return Object(depth);
    if (c == '[') return Array(depth);
    if (c == '"') return String();
    if (c == '-' || IsDigit(c)) return Number();
    for (std::string_view word : {"true", "false", "null"})
      if (c == word[0]) return Word(word);
    Fail("looking for beginning of value");
  }

  void Object(int depth) {
    ++at_;
    Space();
    if (Next() == '}') {
      ++at_;
      return;
    }
    while (true) {
      Space();
      if (Next() != '"') Fail("looking for beginning of object key string");
      String();
      Space();
      if (Next() != ':') Fail("after object key");
      ++at_;
      Value(depth + 1);
      Space();
      if (Next() == '}') break;
      if (text_[at_] != ',') Fail("after object key:value pair");
      ++at_;
    }
    ++at_;
  }

  void Array(int depth) {
    ++at_;
    Space();
    if (Next() == ']') {
      ++at_;
      return;
    }
    while (true) {
      Value(depth + 1);
      Space();
      if (Next() == ']') break;
      if (text_[at_] != ',') Fail("after array element");
      ++at_;
    }
    ++at_;
  }

  void String() {
    ++at_;
    while (Next() != '"') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) Fail("in string literal");
      if (text_[at_++] != '\\') continue;
      char c = Inside();
      if (!strchr("bfnrt\\/\"u", c)) Fail("in string escape code");
      ++at_;
      for (int digits = c == 'u' ? 4 : 0; digits > 0; --digits, ++at_)
        if (!isxdigit(static_cast<unsigned char>(Inside()))) Fail("in \\u hexadecimal character escape");
    }
    ++at_;
  }

  void Digits(const char* where) {
    if (!IsDigit(Inside())) Fail(where);
    while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
  }
  void Number() {
    if (text_[at_] == '-') ++at_;
    if (Inside() == '0')
      ++at_;
    else
      Digits("in numeric literal");
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      Digits("after decimal point in numeric literal");
    }
    if (at_ < text_.size() && (text_[at_] | 0x20) == 'e') {
      ++at_;
      if (char c = Inside(); c == '+' || c == '-') ++at_;
      Digits("in exponent of numeric literal");
    }
  }
  void Word(std::string_view word) {
    for (size_t i = 0; i < word.size(); ++i, ++at_)
      if (Inside() != word[i])
        Fail("in literal " + std::string(word) + " (expecting '" + std::string(1, word[i]) + "')");
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Status CheckJson(std::string_view text) {
  try {
    Checker(text).Check();
  } catch (const JsonError& e) {
    return MakeError(Code::kInvalid, e.message);
  }
  return {};
}

Result<Json> ParseGoJson(std::string_view text) {
  FL_TRY(CheckJson(text));
  return value::ParseJson(text, "JSON");
}

}  // namespace fairlead::gotmpl
