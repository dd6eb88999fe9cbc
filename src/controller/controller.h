// Runs a reconcile function over the keys of a work queue.
//
// Flow: informers call Enqueue -> queue -> reconcile(key) -> done, again later, or again after back-off.
// Guarantees: level triggered (a key may stand for many changes); one key at a time; an error is retried with back-off
// and counted; panics are not caught.
#pragma once
#include "controller/metrics.h"
#include "controller/work_queue.h"
#include "util/result.h"

namespace fairlead::controller {

struct Outcome {
  std::optional<Millis> requeue_after;
};

using ReconcileFn = std::function<Result<Outcome>(const std::string& key)>;

class Controller {
 public:
  Controller(std::string name, ReconcileFn reconcile, Metrics& metrics);
  ~Controller();
  void Enqueue(const std::string& key, Millis delay = Millis(0)) { queue_.AddAfter(key, delay); }
  void Start(int workers = 1);
  void Stop();  // waits for reconciles in progress

 private:
  void Work(const std::stop_token& stop);
  std::string name_;
  ReconcileFn reconcile_;
  Metrics& metrics_;
  WorkQueue queue_;
  std::vector<std::jthread> workers_;
};

}  // namespace fairlead::controller
