// Objects as the tables that kubectl prints (meta.k8s.io/v1 Table). Source of the behaviour: k8s.io/kubernetes
// pkg/printers/internalversion and apiextensions' tableconvertor.
#pragma once
#include "lab/registry.h"

namespace fairlead::lab {

// `include`: what each row's object is: None, Metadata or Object. Definitions are left out when `headers` is false.
Json ToTable(const ResourceType& t, const std::vector<const Json*>& objects, const std::string& include, bool headers);

}  // namespace fairlead::lab
