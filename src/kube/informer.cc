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

std::vector<std::pair<std::string, ObjectPtr>> Informer::Entries() const {
  std::lock_guard lock(mutex_);
  return {store_.begin(), store_.end()};
}

size_t Informer::size() const {
  std::lock_guard lock(mutex_);
  return store_.size();
}

ObjectPtr Informer::Keep(Json object) {
  if (trim_) trim_(object);
  if (!trim_ || !Name(object).empty()) return std::make_shared<const Json>(std::move(object));
  size_t hash = std::hash<Json>()(object);
  std::weak_ptr<const Json>& there = kept_[hash];
  if (ObjectPtr same = there.lock(); same && *same == object) return same;
  auto kept = std::make_shared<const Json>(std::move(object));
  there = kept;
  if (kept_.size() > 2 * store_.size() + 1024)
    std::erase_if(kept_, [](const auto& entry) { return entry.second.expired(); });
  return kept;
}

Result<std::string> Informer::ListAll(Objects& into) {
  auto take = [&](Json object) {
    std::string key = Key(object);
    into[key] = Keep(std::move(object));
  };
  ListOptions options = options_;
  options.each = take;
  FL_ASSIGN(ListResult listed, api_.List(resource_, ns_, options));
  for (Json& object : listed.items) take(std::move(object));
  return listed.resource_version;
}

void Informer::Run(std::stop_token stop) {
  ReflectorFsm fsm;
  while (!stop.stop_requested()) {
    auto step = fsm.Next();
    if (step.wait_first.count() > 0 && !SleepFor(step.wait_first, stop)) return;
    if (step.action == ReflectorFsm::Action::kList) {
      Objects fresh;
      auto listed = ListAll(fresh);
      if (!listed.ok()) {
        Log(Level::kWarn, "a resource could not be listed; it is tried again, and until then what was seen last holds",
            {{"resource", resource_.plural}, {"error", listed.error().message}});
        fsm.OnEnded(listed.error());
        continue;
      }
      Replace(std::move(fresh));
      fsm.OnListed(*listed);
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

void Informer::Replace(Objects fresh) {
  std::vector<std::pair<ObjectPtr, ObjectPtr>> changes;
  {
    std::lock_guard lock(mutex_);
    for (auto& [key, now] : fresh) {
      auto it = store_.find(key);
      ObjectPtr old = it == store_.end() ? nullptr : it->second;
      if (old && *old == *now)
        now = old;
      else
        changes.emplace_back(old, now);
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
  ObjectPtr now = event.type == "DELETED" ? nullptr : Keep(std::move(event.object));
  ObjectPtr old;
  {
    std::lock_guard lock(mutex_);
    auto it = store_.find(key);
    if (it != store_.end()) old = it->second;
    if (old && now && *old == *now) now = old;
    if (now)
      store_[key] = now;
    else if (it != store_.end())
      store_.erase(it);
  }
  if (old != now) Notify(old, now);
}

void Informer::Notify(const ObjectPtr& old, const ObjectPtr& now) {
  for (auto& h : handlers_) h(old, now);
}

}  // namespace fairlead::kube
