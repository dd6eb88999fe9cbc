// Which fields of an object a manager owns, in the form of metadata.managedFields (FieldsV1), and server-side apply and
// strategic merge, which follow the same lists keyed by members.
// Source of the behaviour: sigs.k8s.io/structured-merge-diff v4, k8s.io/apimachinery pkg/util/strategicpatch.
#pragma once
#include "value/json.h"

namespace fairlead::lab {

// Everything that `object` sets: {"f:spec": {"f:version": {}}}. `k:{"name":"a"}` stands for an item of a keyed list;
// what is atomic is a leaf.
Json FieldsOf(const Json& object, const Json& schema);
// The fields whose value differs between two objects (added, changed, removed).
Json ChangedFields(const Json& before, const Json& after, const Json& schema);

struct ApplyConflict {
  std::string owner, field;  // "alice" using v1, .spec.version
};
struct Applied {
  Json object;
  std::vector<ApplyConflict> conflicts;  // when not forced; the object is then meaningless
};
// Server-side apply of `wanted` by `manager` onto `live` (null: absent). Sets metadata.managedFields.
Applied ApplyFields(const Json& live, const Json& wanted, const std::string& manager, bool force, const Json& schema,
                    const std::string& now);
// Sets metadata.managedFields after a write that is no apply; the members `unowned` stay out of it.
void RecordUpdate(const Json& live, Json& object, const std::string& manager, const std::string& subresource,
                  const Json& schema, const std::string& now, const std::vector<std::string>& unowned = {});

// A strategic merge patch. Errors name the directive that is not known.
Status StrategicMerge(Json& target, const Json& patch, const Json& schema);

}  // namespace fairlead::lab
