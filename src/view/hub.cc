#include "view/hub.h"

#include <ctime>

#include "util/fd.h"

namespace fairlead::view {
namespace {

constexpr Millis kGather{250};    // more changes follow the first
constexpr Millis kSeldom{5000};   // the longest time between two boards
constexpr int kShare = 200;       // drawing takes one part of so many of the time
constexpr Millis kLinger{60000};  // a page that is loaded again finds everything as it was
constexpr size_t kNodesInMessage = 400;

// What this thread has had of the processors. How long it waited for one says nothing about what it costs.
Millis Computed() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return Millis(t.tv_sec * 1000 + t.tv_nsec / 1'000'000);
}

std::string Message(const std::string& event, const std::string& data) {
  return "event: " + event + "\ndata: " + data + "\n\n";
}

}  // namespace

Hub::Hub(std::function<Board()> draw, std::function<void(bool)> watched)
    : draw_(std::move(draw)), watched_(std::move(watched)), thread_([this](std::stop_token s) { Run(std::move(s)); }) {}

Hub::~Hub() {
  thread_.request_stop();
  thread_.join();
}

void Hub::Changed() {
  std::lock_guard lock(mutex_);
  if (std::exchange(dirty_, true) || viewers_ == 0) return;
  wake_.notify_all();
}

void Hub::Run(std::stop_token stop) {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [&] { return viewers_ > 0; })) return;
      dirty_ = true;
    }
    watched_(true);
    while (DrawNext(stop)) {
    }
    watched_(false);
    std::lock_guard lock(mutex_);
    nodes_.clear();
    sections_.clear();
  }
}

bool Hub::DrawNext(const std::stop_token& stop) {
  {
    std::unique_lock lock(mutex_);
    bool due = wake_.wait_for(lock, stop, kLinger, [&] { return dirty_ && viewers_ > 0; });
    if (stop.stop_requested()) return false;
    if (!due) return viewers_ > 0;
    dirty_ = false;
  }
  Millis began = Computed();
  Take(draw_());
  return SleepFor(std::clamp((Computed() - began) * kShare, kGather, kSeldom), stop);
}

void Hub::Take(Board board) {
  std::lock_guard lock(mutex_);
  uint64_t now = drawn_ + 1;
  bool changed = false;
  for (auto& [name, text] : board.sections) {
    Section& s = sections_[name];
    if (s.changed != 0 && s.text == text) continue;
    s = {std::move(text), now};
    changed = true;
  }
  for (auto& [name, tile] : board.nodes) {
    Tile& t = nodes_[name];
    if (t.changed != 0 && !t.gone && t.tile == tile) continue;
    t = {std::move(tile), now, false};
    changed = true;
  }
  for (auto& [name, t] : nodes_)
    if (!t.gone && !board.nodes.contains(name)) {
      t = {{}, now, true};
      changed = true;
    }
  if (!changed) return;
  drawn_ = now;
  wake_.notify_all();
}

std::vector<std::string> Hub::Since(uint64_t heard) const {
  std::vector<std::string> out;
  for (const auto& [name, s] : sections_)
    if (s.changed > heard) out.push_back(Message(name, s.text));
  Json some = Json::object();
  for (const auto& [name, t] : nodes_) {
    if (t.changed <= heard || (t.gone && heard == 0)) continue;
    if (t.gone)
      some[name] = nullptr;
    else
      some[name] = {t.tile.state,   t.tile.covered, t.tile.version, t.tile.detail,
                    t.tile.created, t.tile.started, t.tile.ready};
    if (some.size() == kNodesInMessage)
      out.push_back(Message("nodes", value::Dump(std::exchange(some, Json::object()))));
  }
  if (!some.empty()) out.push_back(Message("nodes", value::Dump(some)));
  if (!out.empty()) out.push_back(Message("drawn", std::to_string(drawn_)));
  return out;
}

Hub::Viewer::Viewer(Hub& hub) : hub_(hub) {
  std::lock_guard lock(hub_.mutex_);
  ++hub_.viewers_;
  hub_.wake_.notify_all();
}

Hub::Viewer::~Viewer() {
  std::lock_guard lock(hub_.mutex_);
  --hub_.viewers_;
}

Hub::Messages Hub::Told(uint64_t heard) {
  Messages messages = told_.messages.lock();
  if (!messages || told_.since != heard || told_.upto != drawn_) {
    messages = std::make_shared<const std::vector<std::string>>(Since(heard));
    told_.since = heard;
    told_.upto = drawn_;
    told_.messages = messages;
  }
  return messages;
}

Hub::Messages Hub::Viewer::Wait(Millis patience) {
  std::unique_lock lock(hub_.mutex_);
  if (!hub_.wake_.wait_for(lock, patience, [&] { return !hub_.sections_.empty() && hub_.drawn_ > heard_; }))
    return std::make_shared<const std::vector<std::string>>();
  Messages out = hub_.Told(heard_);
  heard_ = hub_.drawn_;
  return out;
}

}  // namespace fairlead::view
