#include "controller/events.h"

#include "util/log.h"
#include "util/strings.h"

namespace fairlead::controller {

void EventRecorder::Emit(const Json& about, const std::string& type, const std::string& reason,
                         const std::string& message) {
  std::string now = Rfc3339(WallNow());
  std::string ns = kube::Namespace(about).empty() ? "default" : kube::Namespace(about);
  std::string key = kube::Uid(about) + "\n" + type + "\n" + reason + "\n" + message;
  std::optional<Seen> again;
  {
    std::lock_guard lock(mutex_);
    auto it = seen_.find(key);
    if (it != seen_.end() && SteadyNow() - it->second.last < std::chrono::minutes(10)) {
      ++it->second.count;
      it->second.last = SteadyNow();
      again = it->second;
    } else if (seen_.size() > 4096) {
      seen_.clear();
    }
  }
  if (again) {
    Json patch = {{"count", again->count}, {"lastTimestamp", now}};
    if (api_.Patch(kube::kEvents, again->ns, again->name, kube::PatchType::kMerge, patch,
                   {.subresource = "", .field_manager = component_})
            .ok())
      return;
  }
  Seen fresh{kube::Name(about) + "." + RandomHex(16), ns, 1, SteadyNow()};
  Json event = {{"apiVersion", "v1"},
                {"kind", "Event"},
                {"metadata", {{"name", fresh.name}, {"namespace", ns}}},
                {"involvedObject",
                 {{"apiVersion", value::Str(about, "apiVersion")},
                  {"kind", value::Str(about, "kind")},
                  {"name", kube::Name(about)},
                  {"uid", kube::Uid(about)},
                  {"resourceVersion", kube::ResourceVersion(about)}}},
                {"type", type},
                {"reason", reason},
                {"message", Shorten(message, 1024)},
                {"source", {{"component", component_}}},
                {"reportingComponent", component_},
                {"reportingInstance", ""},
                {"count", 1},
                {"firstTimestamp", now},
                {"lastTimestamp", now}};
  if (!kube::Namespace(about).empty()) event["involvedObject"]["namespace"] = kube::Namespace(about);
  if (auto made = api_.Create(kube::kEvents, event); !made.ok()) {
    Log(Level::kWarn, "an Event could not be written and is dropped",
        {{"reason", reason}, {"error", made.error().message}});
    return;
  }
  std::lock_guard lock(mutex_);
  seen_[key] = fresh;
}

}  // namespace fairlead::controller
