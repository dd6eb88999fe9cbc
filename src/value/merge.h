// Changing one value by another: RFC 7386 merge patch, RFC 6902 JSON patch, and Helm's merge of values.
#pragma once
#include "value/json.h"

namespace fairlead::value {

// RFC 7386: objects merge, null deletes, everything else replaces.
void MergePatch(Json& target, const Json& patch);
// RFC 6902 with at most 10,000 operations. Errors name the operation's index; the target is then unchanged.
Status JsonPatch(Json& target, const Json& operations);
// The smallest merge patch that turns `from` into `to`; an empty object when they are equal.
Json DiffMergePatch(const Json& from, const Json& to);
// Helm's values: `overlay` wins, objects merge, lists and scalars replace. A null in the overlay deletes the key.
void MergeValues(Json& base, const Json& overlay);

}  // namespace fairlead::value
