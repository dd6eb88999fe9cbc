#include "chart/ignore.h"

#include <fnmatch.h>

#include "util/strings.h"

namespace fairlead::chart {

Result<IgnoreRules> IgnoreRules::Parse(const std::string& text) {
  IgnoreRules out;
  for (const std::string& line : Split(text + "\ntemplates/.?*", '\n')) {
    std::string rule(Trim(line));
    if (rule.empty() || rule.starts_with('#')) continue;
    if (rule.find("**") != rule.npos)
      return MakeError(Code::kInvalid, ".helmignore: \"" + rule + "\": double-star (**) syntax is not supported");
    if (rule.find('[') != rule.npos && rule.find(']') == rule.npos)
      return MakeError(Code::kInvalid, ".helmignore: \"" + rule + "\": syntax error in pattern");
    Rule r;
    if (rule.starts_with('!')) {
      r.negated = true;
      rule.erase(0, 1);
    }
    if (rule.ends_with('/')) {
      r.directories_only = true;
      rule.pop_back();
    }
    r.name_only = rule.find('/') == rule.npos;
    r.pattern = rule.starts_with('/') ? rule.substr(1) : rule;
    out.rules_.push_back(std::move(r));
  }
  return out;
}

bool IgnoreRules::Ignores(const std::string& path, bool directory) const {
  for (const Rule& r : rules_) {
    std::string subject = r.name_only ? path.substr(path.rfind('/') + 1) : path;
    bool matches = fnmatch(r.pattern.c_str(), subject.c_str(), FNM_PATHNAME) == 0;
    if (r.negated) {
      // As Helm does it: what a negated rule does not match is ignored.
      if ((r.directories_only && !directory) || !matches) return true;
    } else if ((!r.directories_only || directory) && matches) {
      return true;
    }
  }
  return false;
}

}  // namespace fairlead::chart
