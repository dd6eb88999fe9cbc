#include "kube/informer.h"

#include "kube/reflector.h"
#include "util/fd.h"
#include "util/log.h"

namespace fairlead::kube {

Informer::Informer(Api& api, Resource resource, std::string ns, ListOptions options)
    : api_(api), resource_(std::move(resource)), ns_(std::move(ns)), options_(std::move(options)) {}

Informer::~Informer() { Stop(); }

void Informer::AddHandler(HandlerFn handler) { handlers_.push_back(std::move(handler)); }

void Informer::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
}

void Informer::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

bool Informer::WaitForSync(std::chrono::milliseconds timeout, std::stop_token stop) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, stop, timeout, [&] { return synced_.load(); });
}

ObjectPtr Informer::Get(const std::string& key) const {
  std::lock_guard lock(mutex_);
  auto it = store_.find(key);
  return it == store_.end() ? nullptr : it->second;
}

std::vector<ObjectPtr> Informer::List() const {
  std::lock_guard lock(mutex_);
  std::vector<ObjectPtr> out;
  out.reserve(store_.size());
  for (const auto& [key, o] : store_) out.push_back(o);
  return out;
}

void Informer::Run(std::stop_token stop) {
  ReflectorFsm fsm;
  while (!stop.stop_requested()) {
    auto step = fsm.Next();
    if (step.wait_first.count() > 0 && !SleepFor(step.wait_first, stop)) return;
    if (step.action == ReflectorFsm::Action::kList) {
      auto listed = api_.List(resource_, ns_, options_);
      if (!listed.ok()) {
        Log(Level::kWarn, "list failed", {{"resource", resource_.plural}, {"error", listed.error().message}});
        fsm.OnEnded(listed.error());
        continue;
      }
      Replace(std::move(listed->items));
      fsm.OnListed(listed->resource_version);
      continue;
    }
    ListOptions options = options_;
    options.resource_version = step.resource_version;
    auto ended = api_.Watch(
        resource_, ns_, options,
        [&](WatchEvent event) {
          fsm.OnEvent(ResourceVersion(event.object));
          if (event.type != "BOOKMARK") Apply(std::move(event));
          return !stop.stop_requested();
        },
        stop);
    if (stop.stop_requested()) return;
    if (!ended.ok() && ended.error().code != Code::kGone)
      Log(Level::kInfo, "watch ended", {{"resource", resource_.plural}, {"error", ended.error().message}});
    fsm.OnEnded(ended);
  }
}

void Informer::Replace(std::vector<Json> items) {
  std::vector<std::pair<ObjectPtr, ObjectPtr>> changes;
  {
    std::lock_guard lock(mutex_);
    std::map<std::string, ObjectPtr> fresh;
    for (Json& item : items) {
      std::string key = Key(item);
      if (trim_) trim_(item);
      auto now = std::make_shared<const Json>(std::move(item));
      auto old = store_.contains(key) ? store_[key] : nullptr;
      if (old && ResourceVersion(*old) == ResourceVersion(*now))
        now = old;
      else
        changes.emplace_back(old, now);
      fresh[key] = now;
    }
    for (const auto& [key, old] : store_)
      if (!fresh.contains(key)) changes.emplace_back(old, nullptr);
    store_ = std::move(fresh);
  }
  for (const auto& [old, now] : changes) Notify(old, now);
  std::lock_guard lock(mutex_);
  synced_ = true;
  changed_.notify_all();
}

void Informer::Apply(WatchEvent event) {
  std::string key = Key(event.object);
  if (trim_) trim_(event.object);
  auto now = event.type == "DELETED" ? nullptr : std::make_shared<const Json>(std::move(event.object));
  ObjectPtr old;
  {
    std::lock_guard lock(mutex_);
    auto it = store_.find(key);
    if (it != store_.end()) old = it->second;
    if (now)
      store_[key] = now;
    else if (it != store_.end())
      store_.erase(it);
  }
  if (old || now) Notify(old, now);
}

void Informer::Notify(const ObjectPtr& old, const ObjectPtr& now) {
  for (auto& h : handlers_) h(old, now);
}

}  // namespace fairlead::kube
