// Decides what a list-and-watch loop does next, without doing it: list, watch from a version, or wait. Fed with
// results, it follows client-go's reflector: resume at the last version, relist on 410, back off 0.8 s to 30 s on
// errors.
#pragma once
#include <chrono>

#include "util/result.h"

namespace fairlead::kube {

class ReflectorFsm {
 public:
  enum class Action { kList, kWatch };
  struct Step {
    Action action;
    std::string resource_version;  // of the watch
    std::chrono::milliseconds wait_first{0};
  };
  Step Next();
  void OnListed(const std::string& resource_version);
  void OnEvent(const std::string& resource_version);
  // The watch ended, or the list failed.
  void OnEnded(const Status& status);

 private:
  bool listed_ = false;
  std::string resource_version_;
  int failures_ = 0;
};

}  // namespace fairlead::kube
