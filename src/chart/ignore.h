#pragma once
#include <vector>

#include "util/result.h"

namespace fairlead::chart {

// .helmignore: patterns of files that are not part of the chart. Source of the behaviour: helm pkg/ignore.
class IgnoreRules {
 public:
  // kInvalid: a pattern that Helm refuses.
  static Result<IgnoreRules> Parse(const std::string& text);
  // `path` is relative to the chart's root.
  bool Ignores(const std::string& path, bool directory) const;

 private:
  struct Rule {
    std::string pattern;
    bool negated = false, directories_only = false, name_only = false;
  };
  std::vector<Rule> rules_;
};

}  // namespace fairlead::chart
