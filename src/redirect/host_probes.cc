#include "redirect/host_probes.h"

#include "kernel/netns.h"
#include "kernel/nft.h"
#include "value/json.h"

namespace fairlead::redirect {
namespace {

const std::string kTable = "inet istio-ambient-nat";

std::string SetOf(const std::string& address) {
  return address.find(':') == address.npos ? "istio-inpod-probes-v4" : "istio-inpod-probes-v6";
}

// Without flushing: sets that exist keep their elements.
std::string Script(const std::string& address, const std::string& address6) {
  const std::string& t = kTable;
  std::string out = "add table " + t + "\nadd set " + t + " istio-inpod-probes-v4 { type ipv4_addr ; }\nadd set " + t +
                    " istio-inpod-probes-v6 { type ipv6_addr ; }\nadd chain " + t +
                    " postrouting { type nat hook postrouting priority 100 ; }\nflush chain " + t + " postrouting\n";
  // Whatever has a socket on this node; forwarded packets have none.
  const std::string local = "add rule " + t + " postrouting meta l4proto tcp meta skuid 0-4294967294 ";
  out += local + "ip daddr @istio-inpod-probes-v4 counter snat ip to " + address + "\n";
  out += local + "ip6 daddr @istio-inpod-probes-v6 counter snat ip6 to " + address6 + "\n";
  return out;
}

// The rules of the chain without handles and counters; "" when there is no table.
Result<std::string> ListRules() {
  auto text = kernel::NftListJson("list table " + kTable);
  if (!text.ok() && text.error().code == Code::kNotFound) return std::string();
  if (!text.ok()) return text.error();
  FL_ASSIGN(Json j, value::ParseJson(*text, "nft's listing"));
  std::string out;
  for (const Json& entry : j["nftables"]) {
    if (entry.contains("set")) out += "set " + value::Str(entry, "set", "name") + "\n";
    if (entry.contains("chain"))
      out += "chain " + value::Str(entry, "chain", "name") + " " + value::Str(entry, "chain", "hook") + "\n";
    if (!entry.contains("rule")) continue;
    for (const Json& e : value::At(entry, "rule", "expr"))
      if (!e.contains("counter")) out += value::Dump(e);
    out += "\n";
  }
  return out;
}

}  // namespace

Result<bool> HostProbes::Ensure() {
  std::lock_guard lock(mutex_);
  std::string expected;
  FL_ASSIGN(UniqueFd scratch, kernel::CreateNetns());
  FL_TRY(kernel::RunInNetns(scratch.get(), [&]() -> Status {
    FL_TRY(kernel::NftRun(Script(address_, address6_)));
    FL_ASSIGN(expected, ListRules());
    return {};
  }));
  bool changed = false;
  FL_TRY(kernel::RunInNetns(netns_.get(), [&]() -> Status {
    FL_ASSIGN(std::string have, ListRules());
    if (have == expected) return {};
    changed = true;
    return kernel::NftRun(Script(address_, address6_));
  }));
  return changed;
}

Result<std::map<std::string, std::string>> HostProbes::ListHere() {
  std::map<std::string, std::string> out;
  for (const char* set : {"istio-inpod-probes-v4", "istio-inpod-probes-v6"}) {
    auto text = kernel::NftListJson("list set " + kTable + " " + set);
    if (!text.ok() && text.error().code == Code::kNotFound) continue;
    if (!text.ok()) return text.error();
    FL_ASSIGN(Json j, value::ParseJson(*text, "nft's listing"));
    for (const Json& entry : j["nftables"])
      for (const Json& e : value::At(entry, "set", "elem")) {
        const Json& element = value::At(e, "elem");
        if (element.is_object())
          out[value::Str(element, "val")] = value::Str(element, "comment");
        else
          out[value::AsString(e)] = "";
      }
  }
  return out;
}

Result<std::map<std::string, std::string>> HostProbes::List() {
  std::lock_guard lock(mutex_);
  std::map<std::string, std::string> out;
  FL_TRY(kernel::RunInNetns(netns_.get(), [&]() -> Status {
    FL_ASSIGN(out, ListHere());
    return {};
  }));
  return out;
}

Status HostProbes::Set(const std::string& pod_uid, const std::vector<std::string>& addresses) {
  for (const std::string& a : addresses)
    if (!kernel::IsAddress(a)) return MakeError(Code::kInvalid, "\"" + a + "\" is not an address");
  if (pod_uid.find_first_of("\"\\\n") != pod_uid.npos)
    return MakeError(Code::kInvalid, "\"" + pod_uid + "\" is not a pod's UID");
  std::lock_guard lock(mutex_);
  return kernel::RunInNetns(netns_.get(), [&]() -> Status {
    FL_ASSIGN(auto have, ListHere());
    std::string script;
    auto element = [&](const char* verb, const std::string& a, const std::string& rest) {
      script += verb + (" element " + kTable) + " " + SetOf(a) + " { " + a + rest + " }\n";
    };
    for (const auto& [a, uid] : have)
      if (uid == pod_uid && std::find(addresses.begin(), addresses.end(), a) == addresses.end())
        element("delete", a, "");
    for (const std::string& a : addresses) {
      auto it = have.find(a);
      if (it != have.end() && it->second == pod_uid) continue;
      if (it != have.end()) element("delete", a, "");  // a pod that is gone had it
      element("add", a, " comment \"" + pod_uid + "\"");
    }
    return script.empty() ? Status() : kernel::NftRun(script);
  });
}

Result<int> HostProbes::KeepOnly(const std::function<bool(const std::string&)>& keep) {
  std::lock_guard lock(mutex_);
  int removed = 0;
  FL_TRY(kernel::RunInNetns(netns_.get(), [&]() -> Status {
    FL_ASSIGN(auto have, ListHere());
    std::string script;
    for (const auto& [a, uid] : have) {
      if (keep(uid)) continue;
      script += "delete element " + kTable + " " + SetOf(a) + " { " + a + " }\n";
      ++removed;
    }
    return script.empty() ? Status() : kernel::NftRun(script);
  }));
  return removed;
}

Status HostProbes::Uninstall() {
  std::lock_guard lock(mutex_);
  return kernel::RunInNetns(netns_.get(),
                            [] { return kernel::NftRun("add table " + kTable + "\ndelete table " + kTable + "\n"); });
}

}  // namespace fairlead::redirect
