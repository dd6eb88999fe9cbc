// sprig's lists. Source of the behaviour: Masterminds/sprig v3.3 list.go. The functions whose name begins with must
// fail; the others panic, which the executor makes the same error of.
#include <algorithm>

#include "gotmpl/sprig.h"

namespace fairlead::gotmpl::sprig {
namespace {

// The list, or sprig's complaint: "Cannot find first on type string".
Result<ListPtr> ListOf(const Value& v, const std::string& cannot) {
  if (auto l = ListIn(v)) return *l;
  if (v.is_nil()) return Fail("runtime error: invalid memory address or nil pointer dereference");
  return Fail(cannot + " on type " + KindOf(v));
}

void Both(Engine& e, const std::string& name, const std::string& must, Signature s, Body body) {
  Define(e, name, s, body);
  Define(e, must, std::move(s), std::move(body));
}

bool In(const List& list, const Value& v) {
  return std::any_of(list.begin(), list.end(), [&](const Value& item) { return DeepEqual(item, v); });
}

Result<Value> Slice(const List& args) {
  auto l = args[0].as_list();
  if (args[0].is_nil()) return Fail("runtime error: invalid memory address or nil pointer dereference");
  if (!l) return Fail("list should be type of slice or array but " + KindOf(args[0]));
  auto size = static_cast<int64_t>((*l)->size());
  if (size == 0) return Value();
  int64_t from = args.size() > 1 ? ToInt64(args[1]) : 0, to = args.size() > 2 ? ToInt64(args[2]) : size;
  if (from < 0 || to < from || to > size) return Fail("reflect.Value.Slice: slice index out of bounds");
  List part((*l)->begin() + from, (*l)->begin() + to);
  auto type = args[0].container_type();
  return type ? Value::NewTypedList(std::move(part), type) : Value::NewList(std::move(part));
}

Result<Value> Chunk(const List& args) {
  FL_ASSIGN(ListPtr l, ListOf(args[1], "Cannot chunk"));
  int64_t size = *args[0].as_int();
  if (size <= 0) return Fail("runtime error: makeslice: len out of range");
  List out;
  for (size_t i = 0; i < l->size(); i += static_cast<size_t>(size))
    out.push_back(
        Value::NewList(List(l->begin() + static_cast<ptrdiff_t>(i),
                            l->begin() + static_cast<ptrdiff_t>(std::min(l->size(), i + static_cast<size_t>(size))))));
  return Value::NewTypedList(std::move(out), "[][]interface {}");
}

}  // namespace

void RegisterLists(Engine& e) {
  const S one{{S::kAny}}, two{{S::kAny, S::kAny}}, more{{S::kAny}, true}, one_and_more{{S::kAny, S::kAny}, true};
  for (const char* name : {"list", "tuple"})
    Define(e, name, more, [](const List& a) -> Result<Value> { return Value::NewList(a); });
  auto push = [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot push"));
    List out = *l;
    out.push_back(a[1]);
    return Value::NewList(std::move(out));
  };
  Both(e, "append", "mustAppend", two, push);
  Both(e, "push", "mustPush", two, push);
  Both(e, "prepend", "mustPrepend", two, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot prepend"));
    List out{a[1]};
    out.insert(out.end(), l->begin(), l->end());
    return Value::NewList(std::move(out));
  });
  Both(e, "first", "mustFirst", one, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot find first"));
    return l->empty() ? Value() : l->front();
  });
  Both(e, "last", "mustLast", one, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot find last"));
    return l->empty() ? Value() : l->back();
  });
  Both(e, "rest", "mustRest", one, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot find rest"));
    return Value::NewList(l->empty() ? List() : List(l->begin() + 1, l->end()));
  });
  Both(e, "initial", "mustInitial", one, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot find initial"));
    return Value::NewList(l->empty() ? List() : List(l->begin(), l->end() - 1));
  });
  Both(e, "reverse", "mustReverse", one, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot find reverse"));
    return Value::NewList(List(l->rbegin(), l->rend()));
  });
  Both(e, "uniq", "mustUniq", one, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot find uniq"));
    List out;
    for (const Value& v : *l)
      if (!In(out, v)) out.push_back(v);
    return Value::NewList(std::move(out));
  });
  Both(e, "without", "mustWithout", one_and_more, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot find without"));
    List omit(a.begin() + 1, a.end()), out;
    for (const Value& v : *l)
      if (!In(omit, v)) out.push_back(v);
    return Value::NewList(std::move(out));
  });
  Both(e, "has", "mustHas", two, [](const List& a) -> Result<Value> {
    if (a[1].is_nil()) return Value(false);
    FL_ASSIGN(ListPtr l, ListOf(a[1], "Cannot find has"));
    return Value(In(*l, a[0]));
  });
  Both(e, "compact", "mustCompact", one, [](const List& a) -> Result<Value> {
    FL_ASSIGN(ListPtr l, ListOf(a[0], "Cannot compact"));
    List out;
    for (const Value& v : *l)
      if (Truth(v)) out.push_back(v);
    return Value::NewList(std::move(out));
  });
  Both(e, "slice", "mustSlice", one_and_more, Slice);
  Both(e, "chunk", "mustChunk", {{S::kInt, S::kAny}}, Chunk);
  Define(e, "concat", more, [](const List& a) -> Result<Value> {
    List out;
    for (const Value& v : a) {
      if (v.is_nil()) return Fail("runtime error: invalid memory address or nil pointer dereference");
      auto l = v.as_list();
      if (!l) return Fail("Cannot concat type " + KindOf(v) + " as list");
      out.insert(out.end(), (*l)->begin(), (*l)->end());
    }
    return Value::NewList(std::move(out));
  });
  Define(e, "sortAlpha", one, [](const List& a) -> Result<Value> {
    auto texts = StringsOf(a[0]);
    if (a[0].is_nil()) texts = {"<nil>"};
    if (a[0].as_list()) std::sort(texts.begin(), texts.end());
    return Value::NewTypedList(List(texts.begin(), texts.end()), "[]string");
  });
}

}  // namespace fairlead::gotmpl::sprig
