// What is remembered of one enrolled pod, and how it is written down.
#pragma once
#include "kernel/netns.h"
#include "redirect/program.h"

namespace fairlead::agent {

struct JournalEntry {
  std::string container_id;  // of the sandbox; "uid-<pod UID>" when no runtime told (a pod that ran before its agent)
  std::string pod_uid, pod_namespace, pod_name, service_account;
  std::string network;     // name of the CNI network, for GC
  std::string netns_path;  // as the runtime named it
  kernel::NetnsId netns;
  redirect::PodConfig config;
  redirect::BackendKind backend = redirect::BackendKind::kNft;
  // The rules were found, not written: by another program or another version. They stay as long as they are there.
  bool found = false;
  std::string agent_version;  // that wrote the rules last

  bool ambient() const { return std::holds_alternative<redirect::AmbientConfig>(config); }
  std::string Pod() const { return pod_namespace + "/" + pod_name; }
};

Json ToJson(const JournalEntry& e);
// kInvalid or kUnsupported say what is wrong.
Result<JournalEntry> JournalEntryFromJson(const Json& j);

}  // namespace fairlead::agent
