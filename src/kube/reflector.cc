#include "kube/reflector.h"

namespace fairlead::kube {

ReflectorFsm::Step ReflectorFsm::Next() {
  std::chrono::milliseconds wait{0};
  if (failures_ > 0) wait = std::chrono::milliseconds(std::min(30000, 800 << std::min(failures_ - 1, 6)));
  if (!listed_) return {Action::kList, "", wait};
  return {Action::kWatch, resource_version_, wait};
}

void ReflectorFsm::OnListed(const std::string& resource_version) {
  listed_ = true;
  resource_version_ = resource_version;
  failures_ = 0;
}

void ReflectorFsm::OnEvent(const std::string& resource_version) {
  if (!resource_version.empty()) resource_version_ = resource_version;
  failures_ = 0;
}

void ReflectorFsm::OnEnded(const Status& status) {
  if (status.ok()) return;  // the server's own timeout: watch again at once
  if (status.error().code == Code::kGone) {
    listed_ = false;
    return;
  }
  ++failures_;
}

}  // namespace fairlead::kube
