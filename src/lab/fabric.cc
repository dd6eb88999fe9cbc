#include "lab/fabric.h"

#include <fcntl.h>
#include <unistd.h>

#include "kernel/netns.h"
#include "util/strings.h"
#include "util/subprocess.h"

namespace fairlead::lab {
namespace {

// Runs iproute2 commands, one a line, in the calling thread's network namespace.
Status Ip(const std::string& batch) {
  FL_ASSIGN(RunResult r, RunProgram({"ip", "-batch", "-"}, {.input = batch}));
  if (r.exit_status != 0) return MakeError(Code::kInternal, "ip: " + std::string(Trim(r.err)));
  return {};
}

Status EnableForwarding() {
  UniqueFd fd(::open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || ::write(fd.get(), "1", 1) != 1) return ErrnoError("enabling IPv4 forwarding", errno);
  return {};
}

}  // namespace

Result<std::unique_ptr<Fabric>> Fabric::Create() {
  auto fabric = std::make_unique<Fabric>();
  FL_ASSIGN(fabric->netns_, kernel::CreateNetns());
  FL_TRY(kernel::RunInNetns(fabric->netns_.get(), []() -> Status {
    FL_TRY(EnableForwarding());
    // An address of its own: a bridge without one takes its lowest port's, which changes as nodes come and go.
    return Ip(
        "link set lo up\nlink add br0 address 02:00:00:00:00:01 type bridge\naddr add 172.31.0.1/24 dev br0\naddr add "
        "10.96.0.1/32 dev br0\nlink "
        "set br0 up\n");
  }));
  return fabric;
}

Status Fabric::Connect(const Node& node) {
  std::string port = "node" + std::to_string(connected_++), pid = std::to_string(node.pid());
  FL_TRY(kernel::RunInNetns(netns_.get(), [&]() -> Status {
    return Ip("link add " + port + " type veth peer name eth0 netns " + pid + "\nlink set " + port +
              " master br0 up\nroute add " + node.config().pod_cidr + " via " + node.config().ip + "\n");
  }));
  FL_ASSIGN(UniqueFd node_netns, kernel::OpenNetns("/proc/" + pid + "/ns/net"));
  return kernel::RunInNetns(node_netns.get(), [&]() -> Status {
    FL_TRY(EnableForwarding());
    return Ip("addr add " + node.config().ip + "/24 dev eth0\nlink set eth0 up\nroute add default via 172.31.0.1\n");
  });
}

Result<UniqueFd> Fabric::ListenForPods() const {
  Result<UniqueFd> listener = UniqueFd();
  FL_TRY(kernel::RunInNetns(netns_.get(), [&]() -> Status {
    listener = http::ListenTcp("10.96.0.1", 443);
    return {};
  }));
  return listener;
}

Status Fabric::Run(const std::function<Status()>& work) const { return kernel::RunInNetns(netns_.get(), work); }

}  // namespace fairlead::lab
