#include "lab/fields.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Bool;
using value::Str;

const Json& Leaf() {
  static const Json leaf = Json::object();
  return leaf;
}

const Json& MemberSchema(const Json& schema, const std::string& key) {
  const Json& p = At(schema, "properties", key.c_str());
  if (!p.is_null()) return p;
  // metadata is the same for every kind; its lists are keyed like this.
  static const Json owner_refs = {{"type", "array"},
                                  {"x-kubernetes-list-type", "map"},
                                  {"x-kubernetes-list-map-keys", {"uid"}},
                                  {"items", {{"x-kubernetes-map-type", "atomic"}}}};
  static const Json finalizers = {{"type", "array"}, {"x-kubernetes-list-type", "set"}};
  if (key == "ownerReferences" && !schema.contains("properties")) return owner_refs;
  if (key == "finalizers" && !schema.contains("properties")) return finalizers;
  return At(schema, "additionalProperties");
}

bool IsAtomicMap(const Json& schema) { return Str(schema, "x-kubernetes-map-type") == "atomic"; }
bool IsKeyed(const Json& schema) { return Str(schema, "x-kubernetes-list-type") == "map"; }
bool IsSet(const Json& schema) { return Str(schema, "x-kubernetes-list-type") == "set"; }

// The keys of an item of a keyed list; missing ones take the schema's default.
Json KeysOf(const Json& item, const Json& schema) {
  Json keys = Json::object();
  for (const Json& k : At(schema, "x-kubernetes-list-map-keys")) {
    std::string name = k.get<std::string>();
    const Json& v = value::Member(item, name);
    keys[name] = v.is_null() ? At(schema, "items", "properties", name.c_str(), "default") : v;
  }
  return keys;
}

std::string ItemName(const Json& item, const Json& schema) { return "k:" + value::Dump(KeysOf(item, schema)); }

// name="a",port=1: how messages show the keys of an item.
std::string KeysText(const Json& item, const Json& schema) {
  std::string out;
  const Json keys = KeysOf(item, schema);
  for (const auto& [k, v] : keys.items()) out += (out.empty() ? "" : ",") + k + "=" + value::Dump(v);
  return out;
}

const Json* FindItem(const Json& list, const std::string& name, const Json& schema) {
  if (!list.is_array()) return nullptr;
  for (const Json& item : list)
    if (ItemName(item, schema) == name) return &item;
  return nullptr;
}

Json Tree(const Json& v, const Json& schema) {
  if (v.is_object() && !v.empty() && !IsAtomicMap(schema)) {
    Json out = Json::object();
    for (const auto& [k, m] : v.items()) out["f:" + k] = Tree(m, MemberSchema(schema, k));
    return out;
  }
  if (v.is_array() && IsKeyed(schema)) {
    Json out = Json::object();
    for (const Json& item : v) {
      Json sub = Tree(item, At(schema, "items"));
      if (!IsAtomicMap(At(schema, "items"))) sub["."] = Leaf();
      out[ItemName(item, schema)] = std::move(sub);
    }
    return out;
  }
  if (v.is_array() && IsSet(schema)) {
    Json out = Json::object();
    for (const Json& item : v) out["v:" + value::Dump(item)] = Leaf();
    return out;
  }
  return Leaf();
}

// What a write made: like Tree, and "." for each map or list that was not there before. A struct that Go always has
// (marked in the schema) is there before.
Json AddedTree(const Json& v, const Json& schema) {
  Json out = Tree(v, schema);
  if (out.empty()) return out;
  if (v.is_object()) {
    out = Json::object();
    for (const auto& [k, m] : v.items()) out["f:" + k] = AddedTree(m, MemberSchema(schema, k));
  } else if (IsKeyed(schema)) {
    out = Json::object();
    for (const Json& item : v) {
      Json sub = AddedTree(item, At(schema, "items"));
      if (!IsAtomicMap(At(schema, "items"))) sub["."] = Leaf();
      out[ItemName(item, schema)] = std::move(sub);
    }
  }
  if (!Bool(schema, "x-fairlead-struct")) out["."] = Leaf();
  return out;
}

// The fields that are other or new in b, and in `removed` those that only a has. Null: none.
Json Diff(const Json& a, const Json& b, const Json& schema, Json& removed) {
  if (a == b) return nullptr;
  auto put = [](Json& tree, const std::string& name, Json sub) {
    if (!tree.is_object()) tree = Json::object();
    tree[name] = std::move(sub);
  };
  Json out;
  if (a.is_object() && b.is_object() && !IsAtomicMap(schema)) {
    for (const auto& [k, m] : b.items()) {
      const Json& s = MemberSchema(schema, k);
      Json gone, d = a.contains(k) ? Diff(a[k], m, s, gone) : AddedTree(m, s);
      if (!d.is_null()) put(out, "f:" + k, std::move(d));
      if (!gone.is_null()) put(removed, "f:" + k, std::move(gone));
    }
    for (const auto& [k, m] : a.items())
      if (!b.contains(k)) put(removed, "f:" + k, AddedTree(m, MemberSchema(schema, k)));
    return out;
  }
  if (a.is_array() && b.is_array() && IsKeyed(schema)) {
    for (const Json& item : b) {
      std::string name = ItemName(item, schema);
      const Json* other = FindItem(a, name, schema);
      Json gone, d = other ? Diff(*other, item, At(schema, "items"), gone) : AddedTree(item, At(schema, "items"));
      if (!gone.is_null()) put(removed, name, std::move(gone));
      if (d.is_null()) continue;
      if (!other && !IsAtomicMap(At(schema, "items"))) d["."] = Leaf();
      put(out, name, std::move(d));
    }
    for (const Json& item : a)
      if (std::string name = ItemName(item, schema); !FindItem(b, name, schema)) {
        Json sub = AddedTree(item, At(schema, "items"));
        if (!IsAtomicMap(At(schema, "items"))) sub["."] = Leaf();
        put(removed, name, std::move(sub));
      }
    return out;
  }
  if (a.is_array() && b.is_array() && IsSet(schema)) {
    for (const Json& item : b)
      if (std::find(a.begin(), a.end(), item) == a.end()) put(out, "v:" + value::Dump(item), Leaf());
    for (const Json& item : a)
      if (std::find(b.begin(), b.end(), item) == b.end()) put(removed, "v:" + value::Dump(item), Leaf());
    return out;
  }
  return b.is_null() ? Leaf() : AddedTree(b, schema);
}

// Set operations on trees. A leaf is an empty object.
Json Union(const Json& a, const Json& b) {
  Json out = a.is_object() ? a : Json::object();
  if (!b.is_object()) return out;
  for (const auto& [k, v] : b.items()) out[k] = out.contains(k) ? Union(out[k], v) : v;
  return out;
}

// a without b, path by path; null when nothing is left. `f:data: {}` is the path .data itself, not what lies below it.
Json Minus(const Json& a, const Json& b) {
  if (b.is_null()) return a;
  if (a.empty()) return b.empty() ? Json() : a;
  Json out = Json::object();
  for (const auto& [k, v] : a.items()) {
    Json rest = b.contains(k) ? Minus(v, b[k]) : v;
    if (!rest.is_null()) out[k] = std::move(rest);
  }
  return out.empty() ? Json() : out;
}

// Merges what is applied over what lives; keyed lists item by item, in the live order with new items last.
Json Merge(const Json& live, const Json& wanted, const Json& schema) {
  if (live.is_object() && wanted.is_object() && !IsAtomicMap(schema)) {
    Json out = live;
    for (const auto& [k, v] : wanted.items())
      out[k] = live.contains(k) ? Merge(live[k], v, MemberSchema(schema, k)) : v;
    return out;
  }
  if (live.is_array() && wanted.is_array() && IsKeyed(schema)) {
    Json out = Json::array();
    for (const Json& item : live) {
      const Json* w = FindItem(wanted, ItemName(item, schema), schema);
      out.push_back(w ? Merge(item, *w, At(schema, "items")) : item);
    }
    for (const Json& item : wanted)
      if (!FindItem(live, ItemName(item, schema), schema)) out.push_back(item);
    return out;
  }
  if (live.is_array() && wanted.is_array() && IsSet(schema)) {
    Json out = live;
    for (const Json& item : wanted)
      if (std::find(out.begin(), out.end(), item) == out.end()) out.push_back(item);
    return out;
  }
  return wanted;
}

// Removes from `object` the leaves of `tree`.
void Remove(Json& object, const Json& tree, const Json& schema) {
  for (const auto& [k, sub] : tree.items()) {
    if (k.starts_with("f:") && object.is_object()) {
      std::string key = k.substr(2);
      if (!object.contains(key)) continue;
      if (sub.empty())
        object.erase(key);
      else {
        Remove(object[key], sub, MemberSchema(schema, key));
        if (object[key].is_structured() && object[key].empty()) object.erase(key);
      }
    } else if (k.starts_with("k:") && object.is_array()) {
      for (size_t i = 0; i < object.size(); ++i) {
        if (ItemName(object[i], schema) != k) continue;
        if (sub.empty() || sub.contains("."))
          object.erase(i);
        else
          Remove(object[i], sub, At(schema, "items"));
        break;
      }
    } else if (k.starts_with("v:") && object.is_array()) {
      for (size_t i = 0; i < object.size(); ++i)
        if ("v:" + value::Dump(object[i]) == k) {
          object.erase(i);
          break;
        }
    }
  }
}

// Where `wanted` sets another value than lives, among the fields in `owned`.
void FindConflicts(const Json& owned, const Json& live, const Json& wanted, const Json& schema, const std::string& path,
                   std::vector<std::string>& out) {
  for (const auto& [k, sub] : owned.items()) {
    if (k.starts_with("f:")) {
      std::string key = k.substr(2);
      if (!wanted.is_object() || !wanted.contains(key)) continue;
      const Json& l = value::Member(live, key);
      const Json& w = wanted[key];
      if (l == w) continue;
      const Json& s = MemberSchema(schema, key);
      if (sub.empty() || !(w.is_object() || (w.is_array() && IsKeyed(s))))
        out.push_back(path + "." + key);
      else
        FindConflicts(sub, l, w, s, path + "." + key, out);
    } else if (k.starts_with("k:")) {
      const Json* w = FindItem(wanted, k, schema);
      const Json* l = FindItem(live, k, schema);
      if (w && l) FindConflicts(sub, *l, *w, At(schema, "items"), path + "[" + KeysText(*w, schema) + "]", out);
    }
  }
}

// What nobody owns: identity and what the server keeps.
Json Ownable(Json object) {
  object.erase("apiVersion");
  object.erase("kind");
  if (object.contains("metadata")) {
    for (const char* k : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation",
                          "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"})
      object["metadata"].erase(k);
    if (object["metadata"].empty()) object.erase("metadata");
  }
  return object;
}

Json Entry(const std::string& manager, const char* operation, const std::string& api_version,
           const std::string& subresource, const Json& fields, const std::string& now) {
  Json e = {{"manager", manager}, {"operation", operation},   {"apiVersion", api_version},
            {"time", now},        {"fieldsType", "FieldsV1"}, {"fieldsV1", fields}};
  if (!subresource.empty()) e["subresource"] = subresource;
  return e;
}

}  // namespace

Json FieldsOf(const Json& object, const Json& schema) { return Tree(Ownable(object), schema); }

Json ChangedFields(const Json& before, const Json& after, const Json& schema) {
  Json removed, d = Diff(Ownable(before.is_null() ? Json::object() : before), Ownable(after), schema, removed);
  return Union(d, removed);
}

Applied ApplyFields(const Json& live, const Json& wanted, const std::string& manager, bool force, const Json& schema,
                    const std::string& now) {
  Applied out;
  Json mine = FieldsOf(wanted, schema), before, others = Json::object(), entries = Json::array();
  for (const Json& e : At(live, "metadata", "managedFields")) {
    bool own = Str(e, "manager") == manager && Str(e, "operation") == "Apply" && Str(e, "subresource").empty();
    if (own) {
      before = e["fieldsV1"];
      continue;
    }
    std::vector<std::string> conflicts;
    FindConflicts(e["fieldsV1"], live, wanted, schema, "", conflicts);
    Json left = e;
    if (force && !conflicts.empty()) {
      Json changed = ChangedFields(live, Merge(live, wanted, schema), schema);
      left["fieldsV1"] = Minus(e["fieldsV1"], changed);
      if (left["fieldsV1"].is_null()) continue;
    } else {
      std::string owner = "\"" + Str(e, "manager") + "\"";
      if (!Str(e, "subresource").empty()) owner += " with subresource \"" + Str(e, "subresource") + "\"";
      if (Str(e, "operation") == "Update") owner += " using " + Str(e, "apiVersion");
      for (const std::string& field : conflicts) out.conflicts.push_back({owner, field});
    }
    others = Union(others, left["fieldsV1"]);
    entries.push_back(left);
  }
  if (!out.conflicts.empty()) return out;
  out.object = live.is_null() ? wanted : Merge(live, wanted, schema);
  // What this manager applied before and does not any more goes, unless somebody else owns it too.
  if (before.is_object()) {
    Json gone = Minus(before, mine);
    if (gone.is_object()) gone = Minus(gone, others);
    if (gone.is_object() && !gone.empty()) Remove(out.object, gone, schema);
  }
  Json own = Entry(manager, "Apply", Str(wanted, "apiVersion"), "", mine, now);
  for (const Json& e : At(live, "metadata", "managedFields"))
    if (Str(e, "manager") == manager && Str(e, "operation") == "Apply" && e["fieldsV1"] == mine)
      own["time"] = e["time"];
  entries.insert(entries.begin(), own);
  out.object["metadata"]["managedFields"] = entries;
  return out;
}

void RecordUpdate(const Json& live, Json& object, const std::string& manager, const std::string& subresource,
                  const Json& schema, const std::string& now, const std::vector<std::string>& unowned) {
  auto owned = [&](const Json& o) {
    Json out = Ownable(o.is_null() ? Json::object() : o);
    for (const std::string& member : unowned) out.erase(member);
    return out;
  };
  Json removed, set = Diff(owned(live), owned(object), schema, removed);
  Json changed = Union(set, removed);
  Json entries = Json::array(), mine = set.is_null() ? Json::object() : set;
  // A client may say itself who owns what.
  const Json& said = At(object, "metadata", "managedFields");
  const Json before = said.is_array() && !said.empty() ? said : At(live, "metadata", "managedFields");
  for (Json e : before) {
    bool own = Str(e, "manager") == manager && Str(e, "operation") == "Update" && Str(e, "subresource") == subresource;
    if (own) {
      Json kept = Minus(e["fieldsV1"], removed);
      mine = Union(kept, mine);
      if (changed.empty()) entries.push_back(e);
      continue;
    }
    if (!changed.empty()) e["fieldsV1"] = Minus(e["fieldsV1"], changed);
    if (!e["fieldsV1"].is_null()) entries.push_back(e);
  }
  if (!changed.empty() && !mine.empty())
    entries.push_back(Entry(manager, "Update", Str(object, "apiVersion"), subresource, mine, now));
  object["metadata"]["managedFields"] = entries;
}

Status StrategicMerge(Json& target, const Json& patch, const Json& schema) {
  if (!patch.is_object()) {
    target = patch;
    return {};
  }
  if (Str(patch, "$patch") == "replace") {
    target = patch;
    target.erase("$patch");
    return {};
  }
  if (!target.is_object()) target = Json::object();
  if (const Json& keep = At(patch, "$retainKeys"); keep.is_array())
    for (auto it = target.begin(); it != target.end();)
      it = std::find(keep.begin(), keep.end(), Json(it.key())) == keep.end() ? target.erase(it) : std::next(it);
  for (const auto& [key, v] : patch.items()) {
    if (key.starts_with("$deleteFromPrimitiveList/")) {
      Json& list = target[key.substr(25)];
      Json kept = Json::array();
      for (const Json& item : list)
        if (std::find(v.begin(), v.end(), item) == v.end()) kept.push_back(item);
      list = kept;
      continue;
    }
    if (key.starts_with("$")) continue;  // $setElementOrder, $retainKeys, $patch: merge
    if (v.is_null()) {
      target.erase(key);
      continue;
    }
    const Json& s = MemberSchema(schema, key);
    if (v.is_object()) {
      if (Str(v, "$patch") == "delete")
        target.erase(key);
      else
        FL_TRY(StrategicMerge(target[key], v, s));
      continue;
    }
    if (!v.is_array() || !IsKeyed(s)) {
      target[key] = v;
      continue;
    }
    std::string merge_key = value::AsString(At(s, "x-kubernetes-list-map-keys", 0));
    Json& list = target[key];
    if (!list.is_array()) list = Json::array();
    for (const Json& item : v) {
      if (Str(item, "$patch") == "replace") {
        list = Json::array();
        continue;
      }
      const Json& id = value::Member(item, merge_key);
      if (id.is_null())
        return MakeError(Code::kInvalid,
                         "map: " + value::Dump(item) + " does not contain declared merge key: " + merge_key);
      size_t at = 0;
      while (at < list.size() && value::Member(list[at], merge_key) != id) ++at;
      if (Str(item, "$patch") == "delete") {
        if (at < list.size()) list.erase(at);
      } else {
        if (at == list.size()) list.push_back(Json::object());
        FL_TRY(StrategicMerge(list[at], item, At(s, "items")));
      }
    }
  }
  return {};
}

}  // namespace fairlead::lab
