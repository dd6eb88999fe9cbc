// Semantic versions and constraints as Masterminds/semver v3 has them, which Helm and sprig use.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "util/result.h"

namespace fairlead::gotmpl {

struct SemanticVersion {
  uint64_t major = 0, minor = 0, patch = 0;
  std::string prerelease, metadata, original;
  // 1.2, v1.2.3-rc.1+build: what is missing is 0. kInvalid with semver's words.
  static Result<SemanticVersion> Parse(const std::string& text);
  std::string ToString() const;
  int Compare(const SemanticVersion& o) const;  // -1, 0, 1; metadata does not count
};

// ">=1.20-0 <2 || ~1.5, !=1.5.3", "1.2 - 1.4", "^0.3", "1.x". A prerelease only matches where the constraint names one.
class VersionConstraint {
 public:
  static Result<VersionConstraint> Parse(const std::string& text);
  bool Matches(const SemanticVersion& v) const;

 private:
  struct Part {
    std::string op;
    SemanticVersion version;
    bool dirty = false, minor_dirty = false, patch_dirty = false;  // x in place of a number, or none
    bool Matches(const SemanticVersion& v) const;
    bool MatchesTilde(const SemanticVersion& v) const;
    bool MatchesCaret(const SemanticVersion& v) const;
    bool MatchesNotEqual(const SemanticVersion& v) const;
  };
  std::vector<std::vector<Part>> alternatives_;
};

}  // namespace fairlead::gotmpl
