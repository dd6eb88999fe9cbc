// What the controllers of all kinds share.
#pragma once
#include "controller/events.h"
#include "controller/metrics.h"
#include "mesh/applier.h"
#include "mesh/caches.h"
#include "mesh/catalog.h"
#include "mesh/cluster_facts.h"
#include "mesh/resources.h"

namespace fairlead::mesh {

inline constexpr const char* kFinalizer = "sailoperator.io/sail-operator";

struct OperatorConfig {
  Catalog catalog;
  ResourceSet resources;
  ClusterFacts cluster;
  std::string ns;  // the operator's own namespace
};

struct Operator {
  Operator(kube::Api& api_, kube::ResourceMapper& mapper, OperatorConfig config_, controller::Metrics& metrics_)
      : api(api_),
        config(std::move(config_)),
        metrics(metrics_),
        applier(api_, mapper),
        events(api_, "fairlead-operator"),
        caches(api_) {}
  kube::Api& api;
  OperatorConfig config;
  controller::Metrics& metrics;
  Applier applier;
  controller::EventRecorder events;
  Caches caches;

  // An object as a cache has it, which decides what is written.
  struct Input {
    kube::Resource resource;
    Json object;
  };
  // That the API server has them like that, too. A cache can be behind, or go back in time when the operator connects
  // to another API server; what is decided by the past must not be written into the present.
  // Errors: kConflict, when one is not.
  Status CheckCurrent(const std::vector<Input>& inputs);
};

}  // namespace fairlead::mesh
