#include "controller/controller.h"

#include "util/log.h"

namespace fairlead::controller {

Controller::Controller(std::string name, ReconcileFn reconcile, Metrics& metrics)
    : name_(std::move(name)), reconcile_(std::move(reconcile)), metrics_(metrics) {
  for (const char* result : {"success", "error", "requeue_after"})
    metrics_.Count("controller_runtime_reconcile_total", {{"controller", name_}, {"result", result}}, 0,
                   "Reconciles by result");
  metrics_.Count("controller_runtime_reconcile_errors_total", {{"controller", name_}}, 0, "Failed reconciles");
}

Controller::~Controller() { Stop(); }

void Controller::Start(int workers) {
  for (int i = 0; i < workers; ++i) workers_.emplace_back([this](std::stop_token stop) { Work(stop); });
}

void Controller::Stop() {
  for (auto& w : workers_) w.request_stop();
  workers_.clear();
}

void Controller::Work(const std::stop_token& stop) {
  while (auto key = queue_.Get(stop)) {
    auto started = SteadyNow();
    Result<Outcome> outcome = reconcile_(*key);
    double seconds = std::chrono::duration<double>(SteadyNow() - started).count();
    metrics_.Observe("controller_runtime_reconcile_time_seconds", {{"controller", name_}}, seconds,
                     "Time of a reconcile");
    const char* result = "success";
    queue_.Done(*key);
    if (!outcome.ok() && outcome.error().code == Code::kConflict) {
      // Somebody else wrote meanwhile; the watch brings the new state.
      result = "requeue_after";
      queue_.AddRateLimited(*key);
    } else if (!outcome.ok()) {
      result = "error";
      metrics_.Count("controller_runtime_reconcile_errors_total", {{"controller", name_}});
      Log(Level::kError, "a resource could not be brought to what it asks for; it is tried again with growing pauses",
          {{"controller", name_}, {"key", *key}, {"error", outcome.error().message}});
      queue_.AddRateLimited(*key);
    } else {
      queue_.Forget(*key);
      if (outcome->requeue_after) {
        result = "requeue_after";
        queue_.AddAfter(*key, *outcome->requeue_after);
      }
    }
    metrics_.Count("controller_runtime_reconcile_total", {{"controller", name_}, {"result", result}});
    metrics_.Set("workqueue_depth", {{"name", name_}}, static_cast<double>(queue_.depth()), "Keys that wait");
  }
}

}  // namespace fairlead::controller
