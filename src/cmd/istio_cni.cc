// The CNI plugin that the container runtime executes.
#include <unistd.h>

#include "cmd/version.h"
#include "cni/plugin.h"

int main(int argc, char** argv) {
  using namespace fairlead;
  if (argc > 1 && std::string_view(argv[1]) == "--version") {
    std::string text = "istio-cni " + std::string(cmd::kComponentVersion) + "\n";
    return ::write(STDOUT_FILENO, text.data(), text.size()) < 0;
  }
  cni::PluginInput input;
  for (const char* name : {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"})
    if (const char* v = getenv(name)) input.env[name] = v;
  cni::CniError error;
  auto config = cni::ReadConfig(STDIN_FILENO, 1 << 20, std::chrono::seconds(10), error);
  cni::PluginOutput out;
  if (config) {
    input.config = *config;
    out = cni::RunPlugin(input, [](const std::string& line) {
      std::string text = "istio-cni: " + line + "\n";
      (void)!::write(STDERR_FILENO, text.data(), text.size());
    });
  } else {
    out = cni::ErrorOutput("1.0.0", error);
  }
  for (std::string_view rest = out.text; !rest.empty();) {
    ssize_t n = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (n <= 0) return 1;
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return out.exit_status;
}
