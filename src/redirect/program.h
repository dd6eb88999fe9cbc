// Brings a pod's network namespace to what its redirection should be, and tells whether it is there.
// Threading: every member may be called from any thread.
#pragma once
#include <array>
#include <variant>

#include "redirect/ambient.h"
#include "redirect/backend.h"
#include "redirect/sidecar.h"

namespace fairlead::redirect {

using PodConfig = std::variant<SidecarConfig, AmbientConfig>;

enum class Programmed { kUnchanged, kWritten };

class Programmer {
 public:
  Programmer();
  // Makes the rules so; writes nothing when the kernel has them already.
  Result<Programmed> Apply(int netns_fd, const PodConfig& config, BackendKind backend);
  // ok when the kernel has the rules; otherwise kNotFound (none at all) or kConflict (others), saying what differs.
  Status Verify(int netns_fd, const PodConfig& config, BackendKind backend);
  // Takes the redirection away again, whatever backend made it.
  Status Remove(int netns_fd, const PodConfig& config);
  // Which backend's rules for such a config the namespace has, whoever wrote them; nullopt: none.
  Result<std::optional<BackendKind>> Recognise(int netns_fd, const PodConfig& config);

 private:
  Result<bool> Present(BackendKind kind, const std::string& prefix);
  Backend& Of(BackendKind kind) { return *backends_[static_cast<size_t>(kind)]; }
  std::array<std::unique_ptr<Backend>, 3> backends_;
};

}  // namespace fairlead::redirect
