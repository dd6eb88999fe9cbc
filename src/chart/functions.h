#pragma once
#include "chart/render.h"
#include "gotmpl/engine.h"

namespace fairlead::chart {

// What Helm adds to sprig: include, tpl, required, fail, lookup, toYaml and the like.
// Source of the behaviour: helm.sh/helm v3.19 pkg/engine/funcs.go and engine.go.
void RegisterHelm(gotmpl::Engine& engine, const Release& release);
// How Helm words an error of the template engine: that of `fail` and `required` without the way to it.
Error ParseErrorOf(const std::string& file, Error e);
Error ExecutionErrorOf(Error e);

}  // namespace fairlead::chart
