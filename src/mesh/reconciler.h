// What the controllers of all kinds do alike. A kind says only how to look at an object of its own.
//
// Flow of one pass: remove what goes, or take the object into care (finalizer); say first that a new generation is not
// ready yet, since what was true of the last one says nothing about it; look (the kind's part); write status if it
// changed; tell what changed in Events. Guarantees: nothing changed means nothing written. A status write carries the
// resource version that it was computed from, so a newer one is never overwritten.
#pragma once
#include "controller/controller.h"
#include "mesh/installer.h"

namespace fairlead::mesh {

struct KindTraits {
  kube::Resource resource;
  bool finalizer = true;
  bool ready = true;                     // has a Ready condition
  std::vector<std::string> state_order;  // status.state is the reason of the first of these that is not True
};

class Reconciler {
 public:
  // `objects` is the cache of the kind. Handlers are added here, so before the caches start.
  Reconciler(Operator& op, kube::Informer& objects, KindTraits traits, Millis look_period);
  virtual ~Reconciler() = default;
  void Start() { controller_.Start(); }
  void Stop() { controller_.Stop(); }

 protected:
  struct Looked {
    std::optional<Problem> problem;  // a stale one leaves the status unwritten, too
    std::optional<Millis> again_after;
  };
  // Computes the new status from the old one, and does what is to be done. An error here leaves the status unwritten.
  virtual Result<Looked> Look(const Json& object, Json& status) = 0;
  // Takes away what the object made. false: not all is gone yet.
  virtual Result<bool> Remove(const Json& object);

  void Enqueue(const std::string& name) { controller_.Enqueue(name); }
  void EnqueueAll(Millis delay = Millis(0));
  // How long to wait for more of what comes in numbers, which grow with the cluster: an update's pods, statuses.
  Millis Gathering() const;
  // Enqueues every object of the kind when `informer` has something new that `concerns` says matters.
  void OnChange(kube::Informer& informer,
                std::function<bool(const kube::ObjectPtr&, const kube::ObjectPtr&)> concerns = nullptr);
  // The same, for what comes in numbers.
  void OnChanges(kube::Informer& informer);
  // Why nothing can be installed in the namespace.
  std::optional<Problem> CheckNamespace(const std::string& ns) const;
  static Problem Invalid(const std::string& message) {
    return {"ReconcileError", "error reconciling resource: " + message, false};
  }

  static Problem NoResources(const Error& e) {
    return {"ReconcileError", "error reconciling resource: failed to load chart: " + e.message, true};
  }
  // Compares spec.values with what `charts` read: what none of them reads is told in ValuesKnown, a value of a wrong
  // type is a problem.
  static std::optional<Problem> CheckUserValues(const Json& object, const Resources& resources,
                                                std::initializer_list<const char*> charts, Json& status);
  // Sets Reconciled.
  static void SetReconciled(Json& status, const std::optional<Problem>& problem, int64_t generation);
  // Sets InUse.
  static void SetInUse(Json& status, bool in_use, int64_t generation);

  Operator& op_;
  Installer installer_;

 private:
  Result<controller::Outcome> Reconcile(const std::string& name);
  Result<controller::Outcome> Finalize(const Json& object);
  Status WriteStatus(const Json& object, const Json& status);
  void Report(const Json& object, const Json& before, const Json& after);
  // The conditions as metrics; null: the object is gone.
  void Measure(const std::string& name, const Json& conditions);

  kube::Informer& objects_;
  KindTraits traits_;
  Millis look_period_;
  std::map<std::string, std::set<std::string>> measured_;  // types of conditions by object; the worker's
  controller::Controller controller_;
};

}  // namespace fairlead::mesh
