#include "chart/set_values.h"

#include "gotmpl/quote.h"
#include "util/strings.h"
#include "util/unicode.h"

namespace fairlead::chart {
namespace {

constexpr int kMaxNesting = 30;
constexpr int64_t kMaxIndex = 65536;

Error Fail(const std::string& message) { return MakeError(Code::kInvalid, message); }
std::string Quoted(const std::string& s) { return gotmpl::QuoteGo(s); }

// Go's %q of a list of characters: ['a' 'b'].
std::string QuotedRunes(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    int size = 1, r = DecodeRune(std::string_view(s).substr(i), size);
    out += (i ? " " : "") + gotmpl::QuoteRune(r);
    i += static_cast<size_t>(size);
  }
  return "[" + out + "]";
}

class Setter {
 public:
  Setter(const std::string& text, SetKind kind) : text_(text), kind_(kind) {}

  Status Run(Json& values) {
    while (at_ < text_.size()) {
      FL_TRY(Key(values, 0));
      if (ended_) break;
    }
    return {};
  }

 private:
  // Text up to one of `stops`, which is taken as well; '\0': the end came first.
  std::string Until(const char* stops, char& stop) {
    std::string out;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (strchr(stops, c)) {
        stop = c;
        return out;
      }
      if (c == '\\') {
        if (at_ == text_.size()) break;
        c = text_[at_++];
      }
      out += c;
    }
    stop = '\0';
    return out;
  }

  Json Read(const std::string& s) const {
    if (kind_ == SetKind::kString) return s;
    if (EqualFold(s, "true")) return true;
    if (EqualFold(s, "false")) return false;
    if (EqualFold(s, "null")) return nullptr;
    if (s == "0") return 0;
    if (!s.empty() && s[0] != '0') {
      std::string digits = s[0] == '+' ? s.substr(1) : s;
      if (auto n = ParseInt(digits);
          n.ok() && !digits.empty() && (isdigit(static_cast<unsigned char>(digits[0])) || s[0] == '-'))
        return *n;
    }
    return s;
  }

  static void Put(Json& values, const std::string& key, Json v) {
    if (!key.empty()) values[key] = std::move(v);
  }

  Status Key(Json& values, int nesting) {
    char stop = 0;
    std::string key = Until("=[,.", stop);
    switch (stop) {
      case '\0':
        ended_ = true;
        if (key.empty()) return {};
        return Fail("key " + Quoted(key) + " has no value");
      case '=': {
        FL_ASSIGN(Json v, Value());
        Put(values, key, std::move(v));
        return {};
      }
      case ',': return Fail("key " + Quoted(key) + " has no value (cannot end with ,)");
      case '[': {
        FL_ASSIGN(int64_t index, Index());
        Json list = values.contains(key) ? values[key] : Json::array();
        if (!list.is_array()) return Fail("unable to parse key: " + key + " is no list");
        FL_TRY(Item(list, index, nesting));
        Put(values, key, std::move(list));
        return {};
      }
      default: break;
    }
    if (++nesting > kMaxNesting)
      return Fail("value name nested level is greater than maximum supported nested level of " +
                  std::to_string(kMaxNesting));
    Json inner = values.contains(key) ? values[key] : Json::object();
    if (!inner.is_object()) return Fail("unable to parse key: interface conversion: " + key + " is no map");
    FL_TRY(Key(inner, nesting));
    if (inner.empty() && !ended_) return Fail("key map " + Quoted(key) + " has no value");
    if (!inner.empty()) Put(values, key, std::move(inner));
    return {};
  }

  Result<int64_t> Index() {
    char stop = 0;
    std::string text = Until("]", stop);
    auto n = ParseInt(text);
    if (stop != ']') return Fail("error parsing index: EOF");
    if (!n.ok()) return Fail("error parsing index: strconv.Atoi: parsing " + Quoted(text) + ": invalid syntax");
    return *n;
  }

  static Status PutAt(Json& list, int64_t index, Json v) {
    if (index > kMaxIndex)
      return Fail("index of " + std::to_string(index) + " is greater than maximum supported index of " +
                  std::to_string(kMaxIndex));
    while (static_cast<int64_t>(list.size()) <= index) list.push_back(nullptr);
    list[static_cast<size_t>(index)] = std::move(v);
    return {};
  }

  Status Item(Json& list, int64_t index, int nesting) {
    if (index < 0) return Fail("negative " + std::to_string(index) + " index not allowed");
    char stop = 0;
    std::string rest = Until("[.=", stop);
    if (!rest.empty()) return Fail("unexpected data at end of array index: " + QuotedRunes(rest));
    Json at = index < static_cast<int64_t>(list.size()) ? list[static_cast<size_t>(index)] : Json();
    if (stop == '=') {
      FL_ASSIGN(at, Value());
    } else if (stop == '[') {
      FL_ASSIGN(int64_t next, Index());
      if (!at.is_array()) at = Json::array();
      FL_TRY(Item(at, next, nesting));
    } else if (stop == '.') {
      if (!at.is_object()) at = Json::object();
      FL_TRY(Key(at, nesting));
    } else {
      ended_ = true;
      return {};
    }
    return PutAt(list, index, std::move(at));
  }

  Result<Json> Value() {
    if (kind_ == SetKind::kJson) return JsonValue();
    char stop = 0;
    if (at_ < text_.size() && text_[at_] == '{') {
      ++at_;
      Json list = Json::array();
      do {
        std::string item = Until(",}", stop);
        if (stop == '\0') return Fail("list must terminate with '}'");
        list.push_back(Read(item));
      } while (stop == ',');
      if (at_ < text_.size() && text_[at_] == ',') ++at_;
      return list;
    }
    if (at_ == text_.size()) {
      ended_ = true;
      return Json("");
    }
    return Read(Until(",", stop));
  }

  // A JSON value, then blanks and a comma.
  Result<Json> JsonValue() {
    size_t start = at_;
    while (start < text_.size() && isspace(static_cast<unsigned char>(text_[start]))) ++start;
    if (start == text_.size() || text_[start] == ',') {
      at_ = std::min(start + 1, text_.size());
      return Json();
    }
    size_t end = start;
    int depth = 0;
    bool quoted = false;
    for (; end < text_.size(); ++end) {
      char c = text_[end];
      if (quoted) {
        if (c == '\\') ++end;
        if (c == '"') quoted = false;
      } else if (c == '"') {
        quoted = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        --depth;
      } else if (c == ',' && depth == 0) {
        break;
      }
    }
    at_ = std::min(end + 1, text_.size());
    FL_ASSIGN(Json v, value::ParseJson(text_.substr(start, std::min(end, text_.size()) - start), "--set-json"));
    return value::WithFloatNumbers(v);
  }

  const std::string& text_;
  SetKind kind_;
  size_t at_ = 0;
  bool ended_ = false;
};

}  // namespace

Status SetValues(Json& values, const std::string& settings, SetKind kind) { return Setter(settings, kind).Run(values); }

}  // namespace fairlead::chart
