#include "controller/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace fairlead::controller {

struct Metrics::State {
  prometheus::Registry registry;
  std::mutex mutex;  // guards the maps
  std::map<std::string, prometheus::Family<prometheus::Counter>*> counters;
  std::map<std::string, prometheus::Family<prometheus::Gauge>*> gauges;
  std::map<std::string, prometheus::Family<prometheus::Histogram>*> histograms;
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::Count(const std::string& name, const Labels& labels, double by, const std::string& help) {
  std::lock_guard lock(state_->mutex);
  auto& family = state_->counters[name];
  if (!family) family = &prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
  family->Add(labels).Increment(by);
}

void Metrics::Set(const std::string& name, const Labels& labels, double v, const std::string& help) {
  std::lock_guard lock(state_->mutex);
  auto& family = state_->gauges[name];
  if (!family) family = &prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
  family->Add(labels).Set(v);
}

void Metrics::Forget(const std::string& name, const Labels& labels) {
  std::lock_guard lock(state_->mutex);
  if (auto it = state_->gauges.find(name); it != state_->gauges.end()) it->second->Remove(&it->second->Add(labels));
}

void Metrics::Observe(const std::string& name, const Labels& labels, double seconds, const std::string& help) {
  std::lock_guard lock(state_->mutex);
  auto& family = state_->histograms[name];
  if (!family) family = &prometheus::BuildHistogram().Name(name).Help(help).Register(state_->registry);
  family
      ->Add(labels,
            prometheus::Histogram::BucketBoundaries{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60})
      .Observe(seconds);
}

std::string Metrics::Text() const { return prometheus::TextSerializer().Serialize(state_->registry.Collect()); }

void CountRequests(kube::Config& config, Metrics& metrics) {
  std::string host = config.http.base_url.substr(config.http.base_url.find("//") + 2);
  config.on_answer = [&metrics, host](const std::string& method, int status) {
    metrics.Count("rest_client_requests_total",
                  {{"code", status == 0 ? "<error>" : std::to_string(status)}, {"method", method}, {"host", host}}, 1,
                  "Requests to the API server, by status, method and host");
  };
}

}  // namespace fairlead::controller
