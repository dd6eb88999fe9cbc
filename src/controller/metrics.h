// Prometheus metrics by name and labels, printed in the text format.
// Threading: every member may be called from any thread.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kube/config.h"

namespace fairlead::controller {

class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;
  Metrics();
  ~Metrics();
  void Count(const std::string& name, const Labels& labels, double by = 1, const std::string& help = "");
  void Set(const std::string& name, const Labels& labels, double v, const std::string& help = "");
  // What was Set and is not there any more.
  void Forget(const std::string& name, const Labels& labels);
  // Seconds, in buckets from 5 ms to 60 s.
  void Observe(const std::string& name, const Labels& labels, double seconds, const std::string& help = "");
  std::string Text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Counts the requests of clients that are made with this configuration, as client-go does.
void CountRequests(kube::Config& config, Metrics& metrics);

}  // namespace fairlead::controller
