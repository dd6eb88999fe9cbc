// The Kubernetes API as the controllers use it. kube::Client speaks it to a server; the lab implements it in memory.
#pragma once
#include <functional>
#include <stop_token>

#include "kube/object.h"

namespace fairlead::kube {

enum class PatchType { kMerge, kJson, kStrategic, kApply };

struct ListOptions {
  std::string label_selector = "";
  std::string field_selector = "";
  std::string resource_version = "";  // "": most recent; "0": any
  // Takes objects as pages of them arrive, so that never all are held whole; what it does not take is in the result.
  std::function<void(Json)> each = nullptr;
};

struct ListResult {
  std::vector<Json> items;  // each with apiVersion and kind
  std::string resource_version;
};

struct PatchOptions {
  std::string subresource;
  std::string field_manager = "fairlead";
  bool force = false;  // apply only: take over fields that others own
  bool dry_run = false;
};

struct DeleteOptions {
  std::string uid;  // preconditions; "" = none
  std::string resource_version;
  std::string propagation;     // Background, Foreground, Orphan; "" = the server's default
  int64_t grace_seconds = -1;  // -1 = the object's own
  bool dry_run = false;        // says what would happen
};

struct WatchEvent {
  std::string type;  // ADDED, MODIFIED, DELETED, BOOKMARK
  Json object;
};

// Threading: every member may be called from any thread. Errors carry the server's reason and status: kNotFound,
// kConflict, kAlreadyExists, kGone, kInvalid, kForbidden, kUnauthorized, kUnavailable (5xx, 429, or not reachable).
class Api {
 public:
  virtual ~Api() = default;
  virtual Result<Json> Get(const Resource& r, const std::string& ns, const std::string& name) = 0;
  virtual Result<ListResult> List(const Resource& r, const std::string& ns, const ListOptions& options) = 0;
  virtual Result<Json> Create(const Resource& r, const Json& object) = 0;
  virtual Result<Json> Update(const Resource& r, const Json& object, const std::string& subresource = "") = 0;
  virtual Result<Json> Patch(const Resource& r, const std::string& ns, const std::string& name, PatchType type,
                             const Json& patch, const PatchOptions& options) = 0;
  virtual Status Delete(const Resource& r, const std::string& ns, const std::string& name,
                        const DeleteOptions& options) = 0;
  // Calls on_event for each change after resource_version until the server ends the watch (ok), stop is requested or an
  // error happens (kGone: list again). on_event returning false ends it too.
  virtual Status Watch(const Resource& r, const std::string& ns, const ListOptions& options,
                       std::function<bool(WatchEvent)> on_event, std::stop_token stop) = 0;
};

}  // namespace fairlead::kube
