// sprig's questions about types. Source of the behaviour: Masterminds/sprig v3.3 reflect.go.
#include "gotmpl/sprig.h"

namespace fairlead::gotmpl::sprig {

void RegisterTypes(Engine& e) {
  const S one{{S::kAny}}, target{{S::kString, S::kAny}};
  Define(e, "typeOf", one, [](const List& a) -> Result<Value> { return Value(TypeName(a[0])); });
  Define(e, "kindOf", one, [](const List& a) -> Result<Value> { return Value(KindOf(a[0])); });
  Define(e, "typeIs", target, [](const List& a) -> Result<Value> { return Value(Text(a[0]) == TypeName(a[1])); });
  Define(e, "typeIsLike", target, [](const List& a) -> Result<Value> {
    std::string t = TypeName(a[1]);
    return Value(Text(a[0]) == t || "*" + Text(a[0]) == t);
  });
  Define(e, "kindIs", target, [](const List& a) -> Result<Value> { return Value(Text(a[0]) == KindOf(a[1])); });
  Define(e, "deepEqual", {{S::kAny, S::kAny}},
         [](const List& a) -> Result<Value> { return Value(DeepEqual(a[0], a[1])); });
}

}  // namespace fairlead::gotmpl::sprig
