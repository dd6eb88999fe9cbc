#include "gotmpl/semver.h"

#include <re2/re2.h>

#include "util/strings.h"

namespace fairlead::gotmpl {
namespace {

// Source of the behaviour: Masterminds/semver v3 version.go and constraints.go.
const RE2& VersionExpression() {
  static const RE2 re(
      R"(^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(?:\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?$)");
  return re;
}

constexpr const char* kOperators = R"((=|!=|>|<|>=|=>|<=|=<|~|~>|\^)?)";
constexpr const char* kNumbers =
    R"(v?([0-9]+|[xX*])(\.[0-9]+|\.[xX*])?(\.[0-9]+|\.[xX*])?(-[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*)?(\+[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*)?)";

bool IsX(const std::string& s) { return s == "x" || s == "X" || s == "*"; }

bool Number(const std::string& s, uint64_t& into) {
  if (s.empty()) return true;
  errno = 0;
  into = strtoull(s.c_str(), nullptr, 10);
  return errno == 0;
}

bool IsNumeric(const std::string& s) { return !s.empty() && s.find_first_not_of("0123456789") == s.npos; }

int ComparePart(const std::string& a, const std::string& b) {
  if (a == b) return 0;
  if (a.empty()) return -1;  // fewer parts come first
  if (b.empty()) return 1;
  bool na = IsNumeric(a), nb = IsNumeric(b);
  if (na && nb) {
    uint64_t x = 0, y = 0;
    Number(a, x);
    Number(b, y);
    return x < y ? -1 : 1;
  }
  if (na != nb) return na ? -1 : 1;
  return a < b ? -1 : 1;
}

int ComparePrerelease(const std::string& a, const std::string& b) {
  if (a == b) return 0;
  if (a.empty()) return 1;  // a release comes after its prereleases
  if (b.empty()) return -1;
  auto x = Split(a, '.'), y = Split(b, '.');
  for (size_t i = 0; i < std::max(x.size(), y.size()); ++i)
    if (int c = ComparePart(i < x.size() ? x[i] : "", i < y.size() ? y[i] : ""); c != 0) return c;
  return 0;
}

}  // namespace

Result<SemanticVersion> SemanticVersion::Parse(const std::string& text) {
  SemanticVersion v;
  v.original = text;
  std::string major, minor, patch;
  if (!RE2::FullMatch(text, VersionExpression(), &major, &minor, &patch, &v.prerelease, &v.metadata) ||
      !Number(major, v.major) || !Number(minor, v.minor) || !Number(patch, v.patch))
    return MakeError(Code::kInvalid, "Invalid Semantic Version");
  for (const std::string& part : Split(v.prerelease, '.'))
    if (IsNumeric(part) && part.size() > 1 && part[0] == '0')
      return MakeError(Code::kInvalid, "Version segment starts with 0");
  return v;
}

std::string SemanticVersion::ToString() const {
  std::string out = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  if (!prerelease.empty()) out += "-" + prerelease;
  if (!metadata.empty()) out += "+" + metadata;
  return out;
}

int SemanticVersion::Compare(const SemanticVersion& o) const {
  if (major != o.major) return major < o.major ? -1 : 1;
  if (minor != o.minor) return minor < o.minor ? -1 : 1;
  if (patch != o.patch) return patch < o.patch ? -1 : 1;
  return ComparePrerelease(prerelease, o.prerelease);
}

Result<VersionConstraint> VersionConstraint::Parse(const std::string& text) {
  static const RE2 one(std::string(R"(^\s*)") + kOperators + R"(\s*)" + kNumbers + R"(\s*)");
  auto improper = [&](const std::string& what) { return MakeError(Code::kInvalid, "improper constraint: " + what); };
  std::string rest_of_ranges = text;
  // "1.2 - 1.4" is ">=1.2, <=1.4".
  static const RE2 ends(R"(([^\s,|]+)\s+-\s+([^\s,|]+))");
  RE2::GlobalReplace(&rest_of_ranges, ends, R"(>=\1,<=\2)");
  VersionConstraint out;
  size_t at = 0;
  while (at <= rest_of_ranges.size()) {
    size_t bar = rest_of_ranges.find("||", at);
    std::string group = rest_of_ranges.substr(at, bar == rest_of_ranges.npos ? bar : bar - at);
    at = bar == rest_of_ranges.npos ? rest_of_ranges.size() + 1 : bar + 2;
    std::vector<Part> parts;
    re2::StringPiece input(group);
    bool first = true;
    while (!Trim(std::string_view(input.data(), input.size())).empty()) {
      if (!first) RE2::Consume(&input, R"(\s*,?\s*)");
      first = false;
      Part p;
      std::string major, minor, patch, prerelease, metadata;
      if (!RE2::Consume(&input, one, &p.op, &major, &minor, &patch, &prerelease, &metadata)) return improper(group);
      auto digits = [](const std::string& s) { return s.starts_with('.') ? s.substr(1) : s; };
      std::string version = major + minor + patch;
      if (IsX(major)) {
        version = "0.0.0";
        p.dirty = p.minor_dirty = true;
      } else if (minor.empty() || IsX(digits(minor))) {
        version = major + ".0.0";
        p.dirty = p.minor_dirty = true;
      } else if (patch.empty() || IsX(digits(patch))) {
        version = major + minor + ".0";
        p.dirty = p.patch_dirty = true;
      }
      if (IsX(major)) p.minor_dirty = false;
      auto parsed = SemanticVersion::Parse(version + prerelease + metadata);
      if (!parsed.ok()) return MakeError(Code::kInvalid, "constraint parser error");
      p.version = std::move(*parsed);
      parts.push_back(std::move(p));
    }
    if (parts.empty()) return improper(group);
    out.alternatives_.push_back(std::move(parts));
  }
  return out;
}

bool VersionConstraint::Matches(const SemanticVersion& v) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(), [&](const auto& parts) {
    return std::all_of(parts.begin(), parts.end(), [&](const Part& p) { return p.Matches(v); });
  });
}

bool VersionConstraint::Part::Matches(const SemanticVersion& v) const {
  // Those who ask for releases get no prerelease, unless they only say which version they do not want.
  if (op == "!=" && !dirty) return v.Compare(version) != 0;
  if (!v.prerelease.empty() && version.prerelease.empty()) return false;
  int c = v.Compare(version);
  if (op == "!=") return MatchesNotEqual(v);
  if (op == ">") {
    if (!dirty) return c > 0;
    if (v.major != version.major) return v.major > version.major;
    if (minor_dirty) return false;
    return patch_dirty ? v.minor > version.minor : c > 0;
  }
  if (op == "<") return c < 0;
  if (op == ">=" || op == "=>") return c >= 0;
  if (op == "<=" || op == "=<") {
    if (!dirty) return c <= 0;
    if (v.major > version.major) return false;
    return !(v.major == version.major && v.minor > version.minor && !minor_dirty);
  }
  if (op == "^") return MatchesCaret(v);
  if (op == "~" || op == "~>" || dirty) return MatchesTilde(v);
  return c == 0;
}

bool VersionConstraint::Part::MatchesNotEqual(const SemanticVersion& v) const {
  if (dirty) {
    if (version.major != v.major) return true;
    if (version.minor != v.minor && !minor_dirty) return true;
    if (minor_dirty) return false;
    if (version.patch != v.patch && !patch_dirty) return true;
    if (patch_dirty) {
      if (!v.prerelease.empty() || !version.prerelease.empty())
        return ComparePrerelease(v.prerelease, version.prerelease) != 0;
      return false;
    }
  }
  return v.Compare(version) != 0;
}

bool VersionConstraint::Part::MatchesTilde(const SemanticVersion& v) const {
  if (v.Compare(version) < 0) return false;
  bool zero = version.major == 0 && version.minor == 0 && version.patch == 0;
  if (zero && !minor_dirty && !patch_dirty) return true;  // anything
  if (v.major != version.major) return false;
  return v.minor == version.minor || minor_dirty;
}

bool VersionConstraint::Part::MatchesCaret(const SemanticVersion& v) const {
  if (v.Compare(version) < 0) return false;
  if (version.major > 0 || minor_dirty) return v.major == version.major;
  if (v.major > version.major) return false;
  if (version.minor > 0 || patch_dirty) return v.minor == version.minor;
  if (version.minor == 0 && v.minor > 0) return false;
  return v.patch == version.patch;
}

}  // namespace fairlead::gotmpl
