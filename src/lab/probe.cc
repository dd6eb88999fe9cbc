#include "lab/probe.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "kernel/netns.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/strings.h"
#include "util/subprocess.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Int;
using value::Str;

// A named port of the container, or the number itself.
uint16_t PortOf(const Json& port, const Json& container) {
  if (port.is_number()) return static_cast<uint16_t>(port.get<int>());
  for (const Json& p : At(container, "ports"))
    if (Str(p, "name") == value::AsString(port)) return static_cast<uint16_t>(Int(p, "containerPort"));
  return static_cast<uint16_t>(ParseInt(value::AsString(port)).value_or(0));
}

// GET over plain TCP from the calling thread's network namespace; the status code.
Result<int> HttpGet(const std::string& ip, uint16_t port, const std::string& path, Millis timeout) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in addr{};
  addr.sin_family = AF_INET;
  addr.sin_port = htons(port);
  inet_pton(AF_INET, ip.c_str(), &addr.sin_addr);
  auto deadline = SteadyNow() + timeout;
  auto left = [&] { return std::max(Millis(0), std::chrono::duration_cast<Millis>(deadline - SteadyNow())); };
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&addr), sizeof addr) != 0 && errno != EINPROGRESS)
    return ErrnoError("dial tcp " + ip + ":" + std::to_string(port), errno);
  FL_TRY(WaitFd(fd.get(), POLLOUT, left()));
  std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + ip + ":" + std::to_string(port) +
                        "\r\nUser-Agent: kube-probe/1.32\r\nConnection: close\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
    return ErrnoError("dial tcp " + ip + ":" + std::to_string(port), errno);
  FL_TRY(WaitFd(fd.get(), POLLIN, left()));
  char buf[512];
  ssize_t n = ::recv(fd.get(), buf, sizeof buf - 1, 0);
  if (n < 12)
    return MakeError(Code::kUnavailable, ip + ":" + std::to_string(port) + " closed the connection before it answered");
  buf[n] = 0;
  return atoi(buf + 9);
}

}  // namespace

Status RunProbe(const Json& probe, const ProbeTarget& target) {
  auto timeout = std::chrono::seconds(value::AsInt(At(probe, "timeoutSeconds"), 1));
  if (const Json& get = At(probe, "httpGet"); get.is_object()) {
    Result<int> code = 0;
    uint16_t port = PortOf(At(get, "port"), target.container);
    std::string path = Str(get, "path").empty() ? "/" : Str(get, "path");
    FL_ASSIGN(UniqueFd netns, kernel::OpenNetns("/proc/" + std::to_string(target.node_pid) + "/ns/net"));
    FL_TRY(kernel::RunInNetns(netns.get(), [&]() -> Status {
      code = HttpGet(target.ip, port, path, timeout);
      return {};
    }));
    if (!code.ok()) return code.error();
    if (*code < 200 || *code >= 400)
      return MakeError(Code::kUnavailable, "HTTP probe failed with statuscode: " + std::to_string(*code));
    return {};
  }
  if (const Json& exec = At(probe, "exec", "command"); exec.is_array()) {
    std::vector<std::string> argv = {"/proc/self/exe", "internal", "exec", std::to_string(target.pid), "--"};
    for (const Json& a : exec) argv.push_back(value::AsString(a));
    FL_ASSIGN(RunResult r, RunProgram(argv, {.timeout = timeout}));
    if (r.exit_status != 0)
      return MakeError(Code::kUnavailable,
                       "exec probe: exit status " + std::to_string(r.exit_status) + " " + r.out.substr(0, 200));
  }
  return {};
}

}  // namespace fairlead::lab
