// chart-bench CHART: how long rendering takes inside of a process. Prints milliseconds as JSON: loading and the first
// rendering, and the median of those that follow.
#include <cstdio>

#include "chart/chart.h"
#include "chart/render.h"
#include "util/clock.h"

using namespace fairlead;

namespace {

constexpr int kRounds = 100;

double Ms(SteadyTime since) { return std::chrono::duration<double, std::milli>(SteadyNow() - since).count(); }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: chart-bench CHART\n");
    return 2;
  }
  auto began = SteadyNow();
  auto chart = chart::Load(argv[1]);
  double load = Ms(began);
  std::vector<double> took;
  for (int i = 0; i <= kRounds; ++i) {
    began = SteadyNow();
    auto rendered = chart.ok() ? chart::RenderChart(*chart, Json::object(), {.name = "default", .ns = "istio-cni"})
                               : Result<chart::Rendered>(chart.error());
    took.push_back(Ms(began));
    if (!rendered.ok()) {
      fprintf(stderr, "chart-bench: %s\n", rendered.error().message.c_str());
      return 1;
    }
  }
  double first = took[0];
  std::sort(took.begin() + 1, took.end());
  printf("{\"load\": %.3f, \"first\": %.3f, \"median\": %.3f}\n", load, first, took[1 + kRounds / 2]);
}
