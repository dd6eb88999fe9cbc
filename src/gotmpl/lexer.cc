#include "gotmpl/lexer.h"

namespace fairlead::gotmpl {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsAlnum(char c) { return c == '_' || isalnum(static_cast<unsigned char>(c)) || (c & 0x80); }

void AppendUtf8(std::string& out, unsigned cp) {
  if (cp < 0x80)
    out += static_cast<char>(cp);
  else if (cp < 0x800)
    (out += static_cast<char>(0xc0 | cp >> 6)) += static_cast<char>(0x80 | (cp & 63));
  else if (cp < 0x10000)
    ((out += static_cast<char>(0xe0 | cp >> 12)) += static_cast<char>(0x80 | (cp >> 6 & 63))) +=
        static_cast<char>(0x80 | (cp & 63));
  else
    (((out += static_cast<char>(0xf0 | cp >> 18)) += static_cast<char>(0x80 | (cp >> 12 & 63))) +=
     static_cast<char>(0x80 | (cp >> 6 & 63))) += static_cast<char>(0x80 | (cp & 63));
}

// Go's strconv.Unquote for the inside of "..." or '...'. nullopt: bad syntax.
std::optional<std::string> Unquote(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\') {
      out += s[i];
      continue;
    }
    if (++i == s.size()) return std::nullopt;
    constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
    if (size_t at = kNames.find(s[i]); at != kNames.npos) {
      out += kValues[at];
      continue;
    }
    size_t n = s[i] == 'x' ? 2 : s[i] == 'u' ? 4 : s[i] == 'U' ? 8 : s[i] >= '0' && s[i] <= '7' ? 3 : 0;
    bool octal = n == 3;
    size_t from = octal ? i : i + 1;
    if (n == 0 || from + n > s.size()) return std::nullopt;
    char* end = nullptr;
    std::string digits(s.substr(from, n));
    unsigned long v = strtoul(digits.c_str(), &end, octal ? 8 : 16);
    if (*end) return std::nullopt;
    if (s[i] == 'u' || s[i] == 'U')
      AppendUtf8(out, static_cast<unsigned>(v));
    else
      out += static_cast<char>(v);
    i = from + n - 1;
  }
  return out;
}

class Lexer {
 public:
  Lexer(const std::string& name, const std::string& text) : name_(name), s_(text) {}

  Result<std::vector<Token>> Run() {
    while (true) {
      size_t open = s_.find("{{", pos_);
      size_t end = open == s_.npos ? s_.size() : open;
      bool trim_left = open != s_.npos && open + 3 < s_.size() && s_[open + 2] == '-' && IsSpace(s_[open + 3]);
      size_t text_end = end;
      if (trim_left)
        while (text_end > pos_ && IsSpace(s_[text_end - 1])) --text_end;
      if (text_end > pos_) Emit(Token::kText, pos_, s_.substr(pos_, text_end - pos_));
      if (open == s_.npos) break;
      pos_ = open + (trim_left ? 3 : 2);
      size_t comment = pos_;
      if (trim_left)
        while (comment < s_.size() && IsSpace(s_[comment])) ++comment;
      if (s_.compare(comment, 2, "/*") == 0) {
        pos_ = comment;
        FL_TRY(Comment());
        continue;
      }
      Emit(Token::kOpen, open, "{{");
      FL_TRY(Action());
    }
    Emit(Token::kEof, s_.size(), "");
    return std::move(tokens_);
  }

 private:
  Error Fail(size_t at, const std::string& message) const {
    return MakeError(Code::kInvalid,
                     "template: " + name_ + ":" +
                         std::to_string(1 + std::count(s_.begin(), s_.begin() + static_cast<long>(at), '\n')) + ": " +
                         message);
  }
  void Emit(Token::Kind kind, size_t at, std::string text) {
    for (; counted_ < at; ++counted_)
      if (s_[counted_] == '\n') {
        ++line_;
        line_start_ = counted_ + 1;
      }
    tokens_.push_back({kind, std::move(text), line_, static_cast<int>(at - line_start_), at});
  }
  void SkipTrimmed() {
    while (pos_ < s_.size() && IsSpace(s_[pos_])) ++pos_;
  }
  Status Comment() {
    size_t end = s_.find("*/", pos_);
    if (end == s_.npos) return Fail(pos_, "unclosed comment");
    size_t after = end + 2;
    if (s_.compare(after, 2, "}}") == 0) {
      pos_ = after + 2;
      return {};
    }
    size_t close = after;
    while (close < s_.size() && IsSpace(s_[close])) ++close;
    if (close > after && s_.compare(close, 3, "-}}") == 0) {
      pos_ = close + 3;
      SkipTrimmed();
      return {};
    }
    return Fail(after, "comment ends before closing delimiter");
  }
  Status Action() {
    int parens = 0;
    size_t begin = pos_;
    while (true) {
      if (pos_ >= s_.size()) return Fail(begin, "unclosed action");
      char c = s_[pos_];
      if (s_.compare(pos_, 2, "}}") == 0) {
        if (parens) return Fail(pos_, "unclosed left paren");
        Emit(Token::kClose, pos_, "}}");
        pos_ += 2;
        return {};
      }
      if (IsSpace(c)) {
        size_t start = pos_;
        while (pos_ < s_.size() && IsSpace(s_[pos_])) ++pos_;
        if (s_.compare(pos_, 3, "-}}") == 0) {
          if (parens) return Fail(pos_, "unclosed left paren");
          Emit(Token::kClose, pos_, "}}");
          pos_ += 3;
          SkipTrimmed();
          return {};
        }
        Emit(Token::kSpace, start, " ");
        continue;
      }
      if (s_.compare(pos_, 2, ":=") == 0) {
        Emit(Token::kDeclare, pos_, ":=");
        pos_ += 2;
      } else if (c == '=')
        Single(Token::kAssign);
      else if (c == '|')
        Single(Token::kPipe);
      else if (c == ',')
        Single(Token::kComma);
      else if (c == '(') {
        ++parens;
        Single(Token::kLeftParen);
      } else if (c == ')') {
        if (--parens < 0) return Fail(pos_, "unexpected right paren");
        Single(Token::kRightParen);
      } else if (c == '"' || c == '\'')
        FL_TRY(Quoted(c));
      else if (c == '`') {
        size_t end = s_.find('`', pos_ + 1);
        if (end == s_.npos) return Fail(pos_, "unterminated raw quoted string");
        Emit(Token::kString, pos_, s_.substr(pos_ + 1, end - pos_ - 1));
        pos_ = end + 1;
      } else if (c == '$')
        FL_TRY(Word(Token::kVariable));
      else if (c == '.' && !(pos_ + 1 < s_.size() && isdigit(static_cast<unsigned char>(s_[pos_ + 1]))))
        FL_TRY(Word(Token::kField));
      else if (isdigit(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.')
        Number();
      else if (IsAlnum(c))
        FL_TRY(Word(Token::kIdentifier));
      else
        return Fail(pos_, std::string("unexpected ") + (c >= 32 && c < 127 ? "\"" + std::string(1, c) + "\" in command"
                                                                           : "unrecognized character in action"));
    }
  }
  void Single(Token::Kind kind) {
    Emit(kind, pos_, std::string(1, s_[pos_]));
    ++pos_;
  }
  Status Quoted(char quote) {
    size_t end = pos_ + 1;
    while (end < s_.size() && s_[end] != quote && s_[end] != '\n') end += s_[end] == '\\' ? 2 : 1;
    if (end >= s_.size() || s_[end] == '\n')
      return Fail(pos_, quote == '"' ? "unterminated quoted string" : "unterminated character constant");
    auto text = Unquote(std::string_view(s_).substr(pos_ + 1, end - pos_ - 1));
    if (!text) return Fail(pos_, "invalid syntax");
    Emit(quote == '"' ? Token::kString : Token::kChar, pos_, *text);
    pos_ = end + 1;
    return {};
  }
  Status Word(Token::Kind kind) {
    size_t start = pos_++;
    while (pos_ < s_.size() && IsAlnum(s_[pos_])) ++pos_;
    char c = pos_ < s_.size() ? s_[pos_] : ' ';
    bool terminated =
        IsSpace(c) || std::string_view(".,|:)(=").find(c) != std::string_view::npos || s_.compare(pos_, 2, "}}") == 0;
    if (!terminated) {
      char buf[64];
      snprintf(buf, sizeof buf, "bad character U+%04X '%c'", static_cast<unsigned char>(c), c);
      return Fail(pos_, buf);
    }
    std::string text = s_.substr(start, pos_ - start);
    Emit(kind == Token::kField && text == "." ? Token::kDot : kind, start, text);
    return {};
  }
  void Number() {
    size_t start = pos_++;
    while (pos_ < s_.size() && (IsAlnum(s_[pos_]) || s_[pos_] == '.' ||
                                ((s_[pos_] == '+' || s_[pos_] == '-') &&
                                 (s_[pos_ - 1] == 'e' || s_[pos_ - 1] == 'E' || s_[pos_ - 1] == 'p'))))
      ++pos_;
    Emit(Token::kNumber, start, s_.substr(start, pos_ - start));
  }

  const std::string& name_;
  const std::string& s_;
  size_t pos_ = 0, counted_ = 0, line_start_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> Lex(const std::string& name, const std::string& text) { return Lexer(name, text).Run(); }

}  // namespace fairlead::gotmpl
