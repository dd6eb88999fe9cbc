#include "lab/rest.h"

#include "lab/fields.h"
#include "lab/status.h"
#include "lab/strategy.h"
#include "util/strings.h"
#include "value/merge.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Str;

const FieldError kRulesNotChecked = {
    "<nil>", "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation"};

Json WithoutBookkeeping(const Json& o) {
  Json out = o;
  if (out.contains("metadata")) {
    out["metadata"].erase("managedFields");
    out["metadata"].erase("resourceVersion");
  }
  return out;
}

Json SpecOf(const Json& o, bool has_status) {
  Json out = o;
  out.erase("metadata");
  if (has_status) out.erase("status");
  return out;
}

// Go decodes a built-in kind before it validates: a member of another type is no object of that kind at all.
std::optional<Json> Undecodable(const ResourceType& t, const std::vector<FieldError>& errors) {
  if (t.custom) return std::nullopt;
  for (const FieldError& e : errors)
    if (std::string_view(e.reason) == "FieldValueTypeInvalid")
      return BadRequest(t.resource.kind + " in version \"" + t.resource.version + "\" cannot be handled as a " +
                        t.resource.kind + ": " + e.path + ": " + e.message);
  return std::nullopt;
}

// As Go's decoder calls it.
std::string GoTypeName(const Json& j) {
  return j.is_array()     ? "array"
         : j.is_string()  ? "string"
         : j.is_boolean() ? "bool"
         : j.is_number()  ? "number"
                          : "null";
}

// What a deletion with preconditions is answered; it names the kind where other conflicts name the resource.
Json PreconditionFailed(const ResourceType& t, const std::string& name, const std::string& what,
                        const std::string& want, const std::string& have, const std::string& perhaps) {
  std::string kind = t.resource.group.empty() ? t.resource.kind : t.resource.kind + "." + t.resource.group;
  Json status = Conflict(t, name);
  status["message"] = "Operation cannot be fulfilled on " + kind + " \"" + name + "\": the " + what +
                      " in the precondition (" + want + ") does not match the " + what + " in record (" + have +
                      "). The object might have been " + perhaps;
  status["details"]["kind"] = t.resource.kind;
  return status;
}

}  // namespace

ApiResult Rest::Get(const ResourceType& t, const std::string& ns, const std::string& name) const {
  auto o = store_.Get(KindKey(t), kube::Key(ns, name));
  if (!o) return std::unexpected(NotFound(t, name));
  return *o;
}

std::optional<Json> Rest::CheckNamespace(const ResourceType& t, const std::string& ns, const std::string& name) const {
  if (!t.resource.namespaced) return std::nullopt;
  auto found = store_.Get("/namespaces", ns);
  TypePtr namespaces = registry_.Of(kube::kNamespaces);
  if (!found) return NotFound(*namespaces, ns);
  if (kube::IsDeleting(*found)) {
    Json status =
        Forbidden(t, name, "unable to create new content in namespace " + ns + " because it is being terminated");
    status["details"]["causes"] = Json::array({{{"reason", "NamespaceTerminating"},
                                                {"message", "namespace " + ns + " is being terminated"},
                                                {"field", "metadata.namespace"}}});
    return status;
  }
  return std::nullopt;
}

ApiResult Rest::Prepare(const ResourceType& t, const ObjectPtr& live, Json o, WriteOptions& w, bool applied) const {
  if (!o.is_object() || !At(o, "metadata").is_object())
    return std::unexpected(BadRequest("the object has no metadata, or metadata is not an object"));
  std::string name = kube::Name(o), now = Rfc3339(WallNow());
  std::string kind = Str(o, "kind"), api_version = Str(o, "apiVersion");
  if (kind.empty()) o["kind"] = kind = t.resource.kind;
  if (api_version.empty()) o["apiVersion"] = api_version = t.resource.ApiVersion();
  if (t.custom && kind != t.resource.kind)
    return std::unexpected(
        Failure(422, "Invalid",
                kind + "." + t.resource.group + " \"" + name + "\" is invalid: kind: Invalid value: \"" + kind +
                    "\": must be " + t.resource.kind,
                {{"name", name},
                 {"group", t.resource.group},
                 {"kind", kind},
                 {"causes", Json::array({{{"reason", "FieldValueInvalid"},
                                          {"message", "Invalid value: \"" + kind + "\": must be " + t.resource.kind},
                                          {"field", "kind"}}})}}));
  std::vector<FieldError> meta_errors;
  if (!ValidName(t, name))
    meta_errors.push_back({"metadata.name", "FieldValueInvalid", "Invalid value: \"" + name + "\": " + kNameRule});
  ValidateLabels(At(o, "metadata", "labels"), "metadata.labels", meta_errors);
  const Json& owners = At(o, "metadata", "ownerReferences");
  if (std::count_if(owners.begin(), owners.end(), [](const Json& r) { return value::Bool(r, "controller"); }) > 1)
    meta_errors.push_back(
        {"metadata.ownerReferences", "FieldValueInvalid",
         "Invalid value: " + value::Dump(owners) +
             ": Only one reference can have Controller set to true. Found \"true\" in references for " +
             Str(owners, 0, "kind") + "/" + Str(owners, 0, "name") + " and " + Str(owners, 1, "kind") + "/" +
             Str(owners, 1, "name")});
  if (live && kube::IsDeleting(*live)) {
    std::vector<std::string> added;
    for (const Json& f : At(o, "metadata", "finalizers"))
      if (!kube::HasFinalizer(*live, f.get<std::string>())) added.push_back("\"" + f.get<std::string>() + "\"");
    if (!added.empty())
      meta_errors.push_back({"metadata.finalizers", "FieldValueForbidden",
                             "Forbidden: no new finalizers can be added if the object is being deleted, found new "
                             "finalizers []string{" +
                                 Join(added, ", ") + "}"});
  }

  std::vector<std::string> unknown;
  Prune(o, t.schema, &unknown);
  if (!unknown.empty() && w.field_validation != "Ignore") {
    std::vector<std::string> texts;
    for (const std::string& u : unknown) texts.push_back("unknown field \"" + u + "\"");
    if (w.field_validation == "Strict")
      return std::unexpected(BadRequest(t.resource.kind + " in version \"" + t.resource.version +
                                        "\" cannot be handled as a " + t.resource.kind +
                                        ": strict decoding error: " + Join(texts, ", ")));
    for (const std::string& text : texts) w.warnings.push_back(text);
  }
  if (!t.custom) DropNulls(o);
  ConvertSecret(o);

  Json& meta = o["metadata"];
  meta.erase("selfLink");
  if (!live) {
    meta["uid"] = RandomUuid();
    meta["creationTimestamp"] = now;
    meta.erase("resourceVersion");
    meta.erase("deletionTimestamp");
    meta.erase("deletionGracePeriodSeconds");
    PrepareCreate(t, o);
    ApplyDefaults(o, t.schema);
    if (t.has_generation) meta["generation"] = 1;
  } else {
    const Json& old_meta = At(*live, "metadata");
    if (std::string uid = Str(meta, "uid"); !uid.empty() && uid != kube::Uid(*live))
      return std::unexpected(Conflict(t, name,
                                      "StorageError: invalid object, Code: 4, Key: /registry/" +
                                          (t.custom ? t.resource.group + "/" : std::string()) + t.resource.plural +
                                          "/" + kube::Key(*live) +
                                          ", ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in " +
                                          "precondition: " + uid + ", UID in object meta: " + kube::Uid(*live)));
    std::string version = Str(meta, "resourceVersion");
    if (!version.empty() && version != kube::ResourceVersion(*live)) return std::unexpected(Conflict(t, name));
    for (const char* k : {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
                          "generateName", "namespace"}) {
      if (old_meta.contains(k))
        meta[k] = old_meta[k];
      else
        meta.erase(k);
    }
    if (w.subresource == "status") {
      Json next = *live;
      next["status"] = At(o, "status").is_null() ? Json::object() : o["status"];
      if (!t.custom) {  // the built-in kinds let /status change labels and annotations, too
        for (const char* k : {"labels", "annotations"})
          if (meta.contains(k)) next["metadata"][k] = meta[k];
      }
      o = next;
    } else if (w.subresource == "finalize") {
      Json next = *live;
      next["spec"]["finalizers"] = At(o, "spec", "finalizers");
      DropNulls(next["spec"]);
      o = next;
    } else if (t.has_status) {
      if (live->contains("status"))
        o["status"] = (*live)["status"];
      else
        o.erase("status");
    }
    ApplyDefaults(o, t.schema);
    if (IsKind(t, "Namespace") && w.subresource != "finalize") o["spec"] = At(*live, "spec");
    if (w.subresource.empty()) PrepareUpdate(t, *live, o);
    if (t.has_generation && !IsKind(t, "PriorityClass") && SpecOf(o, t.has_status) != SpecOf(*live, t.has_status))
      o["metadata"]["generation"] = kube::Generation(*live) + 1;
  }

  std::vector<FieldError> errors = std::move(meta_errors);
  Validate(o, live.get(), t.schema, "", errors);
  if (w.subresource.empty()) ValidateKind(t, o, live, errors);
  // Rules about the whole object have no path; Kubernetes shows them as <nil>.
  for (FieldError& e : errors)
    if (e.path.empty()) e.path = "<nil>";
  static const std::set<std::string> blocking = {"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong",
                                                 "FieldValueTooMany", "FieldValueTypeInvalid"};
  if (t.custom &&
      std::any_of(errors.begin(), errors.end(), [](const FieldError& e) { return blocking.contains(e.reason); }))
    errors.push_back(kRulesNotChecked);
  if (auto undecodable = Undecodable(t, errors); undecodable && !live) return std::unexpected(*undecodable);
  if (!errors.empty()) return std::unexpected(Invalid(t, name, errors));
  if (!applied) {
    RecordUpdate(live ? *live : Json(), o, w.manager, w.subresource, t.schema, now, Unowned(t, w.subresource));
  }
  if (!live) Admit(t, o);
  return o;
}

ApiResult Rest::Commit(const ResourceType& t, const std::string& key, const WriteOptions& w,
                       const std::function<ApiResult(const ObjectPtr&)>& next) {
  Json result;
  bool removed = false;
  auto written = store_.Write(KindKey(t), key, [&](const ObjectPtr& live) -> std::expected<ObjectPtr, Json> {
    ApiResult prepared = next(live);
    if (!prepared) return std::unexpected(prepared.error());
    result = std::move(*prepared);
    if (w.dry_run) return live;
    if (live && WithoutBookkeeping(result) == WithoutBookkeeping(*live)) {
      // Only ownership may have moved; its time alone is no change.
      Json a = At(result, "metadata", "managedFields"), b = At(*live, "metadata", "managedFields");
      for (Json* list : {&a, &b})
        for (Json& e : *list) e.erase("time");
      if (a == b) {
        result = *live;
        return live;
      }
    }
    removed = Removable(t, result);
    return removed ? ObjectPtr() : std::make_shared<const Json>(result);
  });
  if (!written) return std::unexpected(written.error());
  if (!w.dry_run && *written && !removed) result = **written;
  if (!w.dry_run) AfterWrite(t, result);
  return result;
}

ApiResult Rest::Create(const ResourceType& t, const std::string& ns, Json o, WriteOptions& w) {
  if (!o.is_object()) return std::unexpected(BadRequest("the body is no object"));
  Json& meta = o["metadata"];
  if (!meta.is_object()) meta = Json::object();
  if (Str(meta, "name").empty() && !Str(meta, "generateName").empty())
    meta["name"] = Str(meta, "generateName") + RandomSuffix(5);
  std::string name = Str(meta, "name");
  if (name.empty()) {
    std::vector<FieldError> errors = {
        {"metadata.name", "FieldValueRequired", "Required value: name or generateName is required"}};
    if (t.custom) errors.push_back(kRulesNotChecked);
    Json status = Invalid(t, "", errors);
    status["details"].erase("name");
    return std::unexpected(status);
  }
  if (t.resource.namespaced) {
    if (std::string given = Str(meta, "namespace"); !given.empty() && given != ns)
      return std::unexpected(
          BadRequest("the namespace of the provided object does not match the namespace sent on the request"));
    meta["namespace"] = ns;
  } else {
    meta.erase("namespace");
  }
  if (auto refused = CheckNamespace(t, ns, name)) return std::unexpected(*refused);
  return Commit(t, kube::Key(ns, name), w, [&](const ObjectPtr& live) -> ApiResult {
    ApiResult prepared = Prepare(t, nullptr, o, w, false);
    if (live && prepared) return std::unexpected(AlreadyExists(t, name));
    return prepared;
  });
}

ApiResult Rest::Update(const ResourceType& t, const std::string& ns, const std::string& name, Json o, WriteOptions& w) {
  if (!o.is_object()) return std::unexpected(BadRequest("the body is no object"));
  if (std::string given = kube::Name(o); given != name)
    return std::unexpected(
        BadRequest("the name of the object (" + given + ") does not match the name on the URL (" + name + ")"));
  return Commit(t, kube::Key(ns, name), w, [&](const ObjectPtr& live) -> ApiResult {
    if (!live && !t.creates_on_update) return std::unexpected(NotFound(t, name));
    if (!live) {
      w.created = true;
      if (t.resource.namespaced) o["metadata"]["namespace"] = ns;
      return Prepare(t, nullptr, o, w, false);
    }
    if (t.needs_version_for_update && kube::ResourceVersion(o).empty())
      return std::unexpected(Invalid(
          t, name,
          {{"metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0x0: must be specified for an update"}}));
    return Prepare(t, live, o, w, false);
  });
}

ApiResult Rest::Patch(const ResourceType& t, const std::string& ns, const std::string& name, kube::PatchType type,
                      const Json& patch, WriteOptions& w) {
  if (type == kube::PatchType::kStrategic && t.custom)
    return std::unexpected(
        Failure(415, "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"));
  bool apply = type == kube::PatchType::kApply;
  if (apply && !store_.Get(KindKey(t), kube::Key(ns, name)))
    if (auto refused = CheckNamespace(t, ns, name)) return std::unexpected(*refused);
  return Commit(t, kube::Key(ns, name), w, [&](const ObjectPtr& live) -> ApiResult {
    if (!live && !apply) return std::unexpected(NotFound(t, name));
    if (apply) {
      Json wanted = patch;
      if (std::string given = kube::Name(wanted); given != name)
        return std::unexpected(BadRequest("metadata.name of the applied object (" + given +
                                          ") does not match the name on the URL (" + name + ")"));
      if (!At(wanted, "metadata", "managedFields").is_null())
        return std::unexpected(BadRequest("metadata.managedFields must be nil"));
      if (t.resource.namespaced) wanted["metadata"]["namespace"] = ns;
      Applied applied = ApplyFields(live ? *live : Json(), wanted, w.manager, w.force, t.schema, Rfc3339(WallNow()));
      if (!applied.conflicts.empty()) {
        std::vector<std::string> texts;
        Json causes = Json::array();
        for (const auto& c : applied.conflicts) {
          texts.push_back("conflict with " + c.owner + ": " + c.field);
          causes.push_back(
              {{"reason", "FieldManagerConflict"}, {"message", "conflict with " + c.owner}, {"field", c.field}});
        }
        return std::unexpected(Failure(409, "Conflict",
                                       "Apply failed with " + std::to_string(texts.size()) +
                                           (texts.size() == 1 ? " conflict: " : " conflicts: ") + Join(texts, "; "),
                                       {{"causes", causes}}));
      }
      if (w.subresource == "status" && !live) return std::unexpected(NotFound(t, name));
      w.created = !live;
      return Prepare(t, live, std::move(applied.object), w, true);
    }
    Json next = *live;
    Status patched;
    if (type != kube::PatchType::kJson && !patch.is_object())
      return std::unexpected(BadRequest("error decoding patch: json: cannot unmarshal " + GoTypeName(patch) +
                                        " into Go value of type map[string]interface {}"));
    if (type == kube::PatchType::kMerge)
      value::MergePatch(next, patch);
    else if (type == kube::PatchType::kJson)
      patched = value::JsonPatch(next, patch);
    else
      patched = StrategicMerge(next, patch, t.schema);
    if (!patched.ok())
      return std::unexpected(type == kube::PatchType::kJson
                                 ? Failure(422, "Invalid",
                                           "the server rejected our request due to an error in our request",
                                           Json::object())
                                 : Failure(422, "Invalid", patched.error().message));
    if (std::string given = kube::Name(next); given != name)
      return std::unexpected(
          BadRequest("the name of the object (" + given + ") does not match the name on the URL (" + name + ")"));
    return Prepare(t, live, std::move(next), w, false);
  });
}

ApiResult Rest::Delete(const ResourceType& t, const std::string& ns, const std::string& name,
                       const kube::DeleteOptions& o) {
  Json status = Success();
  auto written =
      store_.Write(KindKey(t), kube::Key(ns, name), [&](const ObjectPtr& live) -> std::expected<ObjectPtr, Json> {
        if (!live) return std::unexpected(NotFound(t, name));
        if (!o.uid.empty() && o.uid != kube::Uid(*live))
          return std::unexpected(
              PreconditionFailed(t, name, "UID", o.uid, kube::Uid(*live), "deleted and then recreated"));
        if (!o.resource_version.empty() && o.resource_version != kube::ResourceVersion(*live))
          return std::unexpected(PreconditionFailed(t, name, "ResourceVersion", o.resource_version,
                                                    kube::ResourceVersion(*live), "modified"));
        Json next = *live;
        Json& meta = next["metadata"];
        int64_t grace = 0;
        if (IsKind(t, "Pod")) {
          grace = o.grace_seconds >= 0 ? o.grace_seconds : value::Int(next, "spec", "terminationGracePeriodSeconds");
          std::string phase = Str(next, "status", "phase");
          if (Str(next, "spec", "nodeName").empty() || phase == "Failed" || phase == "Succeeded") grace = 0;
        }
        if (o.propagation == "Foreground" && !kube::HasFinalizer(next, "foregroundDeletion"))
          meta["finalizers"].push_back("foregroundDeletion");
        if (o.propagation == "Orphan" && !kube::HasFinalizer(next, "orphan")) meta["finalizers"].push_back("orphan");
        bool deleting = kube::IsDeleting(next);
        if (!deleting || grace < value::Int(meta, "deletionGracePeriodSeconds")) {
          if (!deleting && t.has_generation) meta["generation"] = kube::Generation(next) + 1;
          meta["deletionTimestamp"] = Rfc3339(WallNow() + std::chrono::seconds(grace));
          if (!IsKind(t, "Namespace")) meta["deletionGracePeriodSeconds"] = grace;
          if (IsKind(t, "Namespace")) next["status"]["phase"] = "Terminating";
        }
        if (Removable(t, next)) {
          status["details"] = {{"name", name}, {"kind", t.resource.plural}, {"uid", kube::Uid(next)}};
          if (!t.resource.group.empty()) status["details"]["group"] = t.resource.group;
          return o.dry_run ? live : ObjectPtr();
        }
        status = next;
        if (next == *live || o.dry_run) return live;
        return std::make_shared<const Json>(next);
      });
  if (!written) return std::unexpected(written.error());
  if (!o.dry_run && Str(status, "kind") == "Status" && IsKind(t, "CustomResourceDefinition"))
    registry_.RemoveCustom(Str(**written, "spec", "group"), Str(**written, "spec", "names", "plural"));
  return status;
}

void Rest::AfterWrite(const ResourceType& t, const Json& o) {
  if (!IsKind(t, "CustomResourceDefinition") || kube::IsDeleting(o)) return;
  Status added = registry_.AddCustom(o);
  std::string now = Rfc3339(WallNow());
  auto condition = [&](const char* type, bool yes, const char* reason, const std::string& message) {
    return Json{{"type", type},
                {"status", yes ? "True" : "False"},
                {"reason", reason},
                {"message", message},
                {"lastTransitionTime", now}};
  };
  Json status = {
      {"acceptedNames", At(o, "spec", "names")},
      {"storedVersions", Json::array()},
      {"conditions",
       Json::array({condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
                    condition("Established", added.ok(), added.ok() ? "InitialNamesAccepted" : "Invalid",
                              added.ok() ? "the initial names have been accepted" : added.error().message)})}};
  for (const Json& v : At(o, "spec", "versions"))
    if (value::Bool(v, "storage")) status["storedVersions"].push_back(Str(v, "name"));
  (void)store_.Write(KindKey(t), kube::Name(o), [&](const ObjectPtr& live) -> std::expected<ObjectPtr, Json> {
    if (!live) return live;
    Json next = *live;
    if (At(next, "status", "acceptedNames") == status["acceptedNames"] &&
        At(next, "status", "conditions", 1, "status") == status["conditions"][1]["status"])
      return live;
    next["status"] = status;
    return std::make_shared<const Json>(next);
  });
}

}  // namespace fairlead::lab
