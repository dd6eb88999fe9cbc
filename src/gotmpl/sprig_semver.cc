// sprig's versions. Source of the behaviour: Masterminds/sprig v3.3 semver.go.
#include "gotmpl/semver.h"
#include "gotmpl/sprig.h"

namespace fairlead::gotmpl::sprig {
namespace {

class VersionObject : public Object {
 public:
  explicit VersionObject(SemanticVersion v) : v_(std::move(v)) {}
  const char* TypeName() const override { return "*semver.Version"; }
  std::string Print() const override { return v_.ToString(); }
  std::optional<Result<Value>> Member(const std::string& name, const List& args) override {
    if (name == "Compare" && args.size() == 1) {
      auto other = args[0].as_object() ? dynamic_cast<const VersionObject*>(args[0].as_object()->get()) : nullptr;
      if (!other) return Fail("wrong type for value; expected *semver.Version; got " + gotmpl::TypeName(args[0]));
      return Value(static_cast<int64_t>(v_.Compare(other->v_)));
    }
    if (!args.empty()) return std::nullopt;
    if (auto text = TextMember(name)) return Result<Value>(Value(*text));
    if (auto number = NumberMember(name)) return Result<Value>(Value::Int64(static_cast<int64_t>(*number)));
    return std::nullopt;
  }

 private:
  std::optional<std::string> TextMember(const std::string& name) const {
    if (name == "Prerelease") return v_.prerelease;
    if (name == "Metadata") return v_.metadata;
    if (name == "Original") return v_.original;
    if (name == "String") return v_.ToString();
    return std::nullopt;
  }
  std::optional<uint64_t> NumberMember(const std::string& name) const {
    if (name == "Major") return v_.major;
    if (name == "Minor") return v_.minor;
    if (name == "Patch") return v_.patch;
    return std::nullopt;
  }
  SemanticVersion v_;
};

}  // namespace

void RegisterSemver(Engine& e) {
  Define(e, "semver", {{S::kString}}, [](const List& a) -> Result<Value> {
    FL_ASSIGN(SemanticVersion v, SemanticVersion::Parse(Text(a[0])));
    return Value(ObjectPtr(std::make_shared<VersionObject>(std::move(v))));
  });
  Define(e, "semverCompare", {{S::kString, S::kString}}, [](const List& a) -> Result<Value> {
    FL_ASSIGN(VersionConstraint c, VersionConstraint::Parse(Text(a[0])));
    FL_ASSIGN(SemanticVersion v, SemanticVersion::Parse(Text(a[1])));
    return Value(c.Matches(v));
  });
}

}  // namespace fairlead::gotmpl::sprig
