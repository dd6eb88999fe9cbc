// Turns SIGTERM and SIGINT into a stop request. Make one at the start of main(), before other threads.
#pragma once
#include <stop_token>
#include <thread>

namespace fairlead::cmd {

class StopOnSignals {
 public:
  StopOnSignals();
  ~StopOnSignals();
  std::stop_token token() const { return source_.get_token(); }
  std::stop_source& source() { return source_; }

 private:
  std::stop_source source_;
  std::thread thread_;
};

}  // namespace fairlead::cmd
