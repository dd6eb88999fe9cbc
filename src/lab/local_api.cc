#include "lab/local_api.h"

#include "kube/client.h"

namespace fairlead::lab {
namespace {

Result<Json> Convert(ApiResult r, const std::string& what) {
  if (r) return std::move(*r);
  return kube::ErrorFromStatus(r.error(), static_cast<int>(value::Int(r.error(), "code")), what);
}

}  // namespace

Result<TypePtr> LocalApi::Type(const kube::Resource& r) const {
  if (TypePtr t = rest_.registry().Of(r)) return t;
  return MakeError(Code::kNotFound, "the server does not serve " + r.plural + " in " + r.ApiVersion());
}

Result<Json> LocalApi::Get(const kube::Resource& r, const std::string& ns, const std::string& name) {
  FL_ASSIGN(TypePtr t, Type(r));
  return Convert(rest_.Get(*t, ns, name), "get");
}

Result<kube::ListResult> LocalApi::List(const kube::Resource& r, const std::string& ns, const kube::ListOptions& o) {
  FL_ASSIGN(TypePtr t, Type(r));
  FL_ASSIGN(auto labels, kube::Selector::Parse(o.label_selector));
  uint64_t version;
  kube::ListResult out;
  for (const auto& object : rest_.store().List(Rest::KindKey(*t), ns, version))
    if (labels.Matches(value::At(*object, "metadata", "labels"))) out.items.push_back(*object);
  out.resource_version = std::to_string(version);
  return out;
}

Result<Json> LocalApi::Create(const kube::Resource& r, const Json& object) {
  FL_ASSIGN(TypePtr t, Type(r));
  WriteOptions w{.manager = manager_};
  return Convert(rest_.Create(*t, kube::Namespace(object), object, w), "create");
}

Result<Json> LocalApi::Update(const kube::Resource& r, const Json& object, const std::string& subresource) {
  FL_ASSIGN(TypePtr t, Type(r));
  WriteOptions w{.manager = manager_, .subresource = subresource};
  return Convert(rest_.Update(*t, kube::Namespace(object), kube::Name(object), object, w), "update");
}

Result<Json> LocalApi::Patch(const kube::Resource& r, const std::string& ns, const std::string& name,
                             kube::PatchType type, const Json& patch, const kube::PatchOptions& o) {
  FL_ASSIGN(TypePtr t, Type(r));
  WriteOptions w{.manager = manager_, .subresource = o.subresource, .dry_run = o.dry_run, .force = o.force};
  return Convert(rest_.Patch(*t, ns, name, type, patch, w), "patch");
}

Status LocalApi::Delete(const kube::Resource& r, const std::string& ns, const std::string& name,
                        const kube::DeleteOptions& o) {
  FL_ASSIGN(TypePtr t, Type(r));
  auto done = Convert(rest_.Delete(*t, ns, name, o), "delete");
  if (!done.ok()) return done.error();
  return {};
}

Status LocalApi::Watch(const kube::Resource&, const std::string&, const kube::ListOptions&,
                       std::function<bool(kube::WatchEvent)>, std::stop_token) {
  return MakeError(Code::kUnsupported, "the lab's controllers wait on the store instead");
}

Status LocalApi::UpdateStatus(const kube::Resource& r, const std::string& ns, const std::string& name,
                              const std::function<void(Json& status)>& change) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    FL_ASSIGN(Json o, Get(r, ns, name));
    Json before = value::At(o, "status");
    Json status = before.is_object() ? before : Json::object();
    change(status);
    if (status == before) return {};
    o["status"] = status;
    auto written = Update(r, o, "status");
    if (written.ok()) return {};
    if (written.error().code != Code::kConflict) return written.error();
  }
  return MakeError(Code::kConflict, "status of " + name + " changed too often");
}

}  // namespace fairlead::lab
