#include "cmd/lab_commands.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "mesh/caches.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/file.h"
#include "util/strings.h"

namespace fairlead::cmd {
namespace {

using value::At;
using value::Int;
using value::Str;

constexpr Millis kStart{60000}, kEnd{60000}, kReady{60000};
constexpr const char* kNamespace = "fairlead-load";

std::string ProgramOf(int64_t pid) {
  std::error_code ec;
  return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", ec).filename().string();
}

// The process of a lab that runs with that directory; 0: none.
int64_t LabProcess(const std::string& state_dir) {
  auto text = ReadFile(state_dir + "/pid", 32);
  int64_t pid = text.ok() ? ParseInt(Trim(*text)).value_or(0) : 0;
  return pid > 0 && ProgramOf(pid).starts_with("fairlead-lab") ? pid : 0;
}

// The two lines that it prints when it is ready.
Result<std::string> ReadAnnouncement(int fd) {
  std::string text;
  auto deadline = SteadyNow() + kStart;
  while (std::ranges::count(text, '\n') < 2) {
    auto left = std::chrono::duration_cast<Millis>(deadline - SteadyNow());
    FL_TRY(WaitFd(fd, POLLIN, std::max(left, Millis(0))));
    char bytes[4096];
    ssize_t n = ::read(fd, bytes, sizeof bytes);
    if (n <= 0) return MakeError(Code::kUnavailable, "it ended before it was ready");
    text.append(bytes, static_cast<size_t>(n));
  }
  return text;
}

Json LoadPod(const std::string& name, const std::string& node, const std::vector<std::string>& command) {
  auto container = [](const char* container_name, int user, const std::vector<std::string>& run) {
    return Json{{"name", container_name},
                {"image", "mesh-sample:dev"},
                {"command", run},
                {"securityContext", {{"runAsUser", user}, {"capabilities", {{"drop", {"ALL"}}}}}}};
  };
  return {
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata", {{"name", name}, {"namespace", kNamespace}, {"annotations", {{"sidecar.istio.io/status", "{}"}}}}},
      {"spec",
       {{"nodeName", node},
        {"automountServiceAccountToken", false},
        {"terminationGracePeriodSeconds", 2},
        {"containers", {container("istio-proxy", 1337, {"mesh-sample", "proxy"}), container("app", 1000, command)}}}}};
}

Result<std::vector<Json>> WaitUntilReady(kube::Client& client, size_t count, const std::stop_token& stop) {
  auto deadline = SteadyNow() + kReady;
  while (true) {
    FL_ASSIGN(auto pods, client.List(kube::kPods, kNamespace, {}));
    if (pods.items.size() == count && std::ranges::all_of(pods.items, kube::IsPodReady)) return std::move(pods.items);
    if (SteadyNow() > deadline)
      return MakeError(Code::kDeadlineExceeded, std::string("the pods in namespace ") + kNamespace +
                                                    " are not ready after a minute; see kubectl get pods -n " +
                                                    kNamespace);
    if (!SleepFor(Millis(200), stop)) return MakeError(Code::kUnavailable, "stopped");
  }
}

// The sum of what each client has counted.
std::string Counts(kube::Client& client, const std::vector<std::string>& clients) {
  std::map<std::string, int64_t> sum;
  for (const std::string& name : clients) {
    auto log = client.Raw({.target = kube::kPods.Path(kNamespace, name, "log") + "?container=app&tailLines=1"});
    if (!log.ok()) return "no counts: " + log.error().message;
    auto line = value::ParseJson(Trim(log->body), "counts");
    if (!line.ok()) continue;
    for (const char* key : {"requests", "failed", "unmarked", "broken"}) sum[key] += Int(*line, key);
  }
  return "requests " + std::to_string(sum["requests"]) + ", failed " + std::to_string(sum["failed"]) +
         ", outside the mesh " + std::to_string(sum["unmarked"]) + ", connections broken " +
         std::to_string(sum["broken"]);
}

Result<std::vector<std::string>> StartLoad(kube::Client& client, const std::stop_token& stop) {
  FL_ASSIGN(auto nodes, client.List(kube::kNodes, "", {}));
  std::vector<std::string> clients;
  for (const Json& node : nodes.items)
    FL_TRY(
        client.Create(kube::kPods, LoadPod("server-" + kube::Name(node), kube::Name(node), {"mesh-sample", "server"})));
  FL_ASSIGN(auto servers, WaitUntilReady(client, nodes.items.size(), stop));
  std::vector<std::string> targets;
  for (const Json& pod : servers) targets.push_back(Str(pod, "status", "podIP") + ":8080");
  for (const Json& node : nodes.items) {
    clients.push_back("client-" + kube::Name(node));
    FL_TRY(client.Create(kube::kPods,
                         LoadPod(clients.back(), kube::Name(node), {"mesh-sample", "client", Join(targets, ",")})));
  }
  FL_TRY(WaitUntilReady(client, 2 * nodes.items.size(), stop));
  return clients;
}

Result<http::Response> AskLab(kube::Client& client, const std::string& what) {
  auto answer = client.Raw({.target = "/fairlead-lab/" + what});
  if (!answer.ok() && answer.error().code == Code::kNotFound)
    return MakeError(Code::kUnsupported,
                     "this cluster is not the lab, and faults are made on the lab only: " + answer.error().message);
  return answer;
}

Result<std::string> Kill(kube::Client& client, const Json& pod, const std::string& container) {
  FL_TRY(AskLab(client, "kill?namespace=" + kube::Namespace(pod) + "&pod=" + kube::Name(pod) +
                            "&container=" + container + "&signal=9"));
  return "killed container " + container + " of pod " + kube::Key(pod) + "\n";
}

}  // namespace

Result<std::string> LabUp(const LabOptions& options) {
  if (int64_t pid = LabProcess(options.state_dir))
    return MakeError(Code::kAlreadyExists, "a lab runs already (process " + std::to_string(pid) + ", directory " +
                                               options.state_dir +
                                               "); end it with fairlead lab down, or name another --state-dir");
  std::error_code ec;
  std::string program = (std::filesystem::read_symlink("/proc/self/exe", ec).parent_path() / "fairlead-lab").string();
  if (!FileExists(program)) return MakeError(Code::kNotFound, program + " is not there; it belongs beside fairlead");
  std::filesystem::create_directories(options.state_dir, ec);
  if (ec) return MakeError(Code::kUnavailable, options.state_dir + ": " + ec.message() + "; run it as root");
  std::string log_path = options.state_dir + ".log";
  UniqueFd log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  int ends[2];
  if (!log.valid() || ::pipe2(ends, O_CLOEXEC) != 0)
    return MakeError(Code::kUnavailable, log_path + ": " + strerror(errno) + "; run it as root");
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  std::vector<std::string> args = {program,
                                   "up",
                                   "--state-dir",
                                   options.state_dir,
                                   "--nodes",
                                   std::to_string(options.nodes),
                                   "--simulated-nodes",
                                   std::to_string(options.simulated_nodes),
                                   "--port",
                                   std::to_string(options.port)};
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  pid_t pid = ::fork();
  if (pid < 0)
    return MakeError(Code::kUnavailable, std::string("the lab cannot be started as a process: ") + strerror(errno));
  if (pid == 0) {
    ::setsid();
    int null = ::open("/dev/null", O_RDONLY);
    if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(write_end.get(), 1) < 0 || ::dup2(log.get(), 2) < 0) _exit(126);
    ::execv(argv[0], argv.data());
    _exit(127);
  }
  write_end.reset();
  auto said = ReadAnnouncement(read_end.get());
  if (said.ok())
    return "The lab runs in the background; end it with: fairlead lab down\n" + said->substr(said->find('\n') + 1);
  ::kill(pid, SIGTERM);
  ::waitpid(pid, nullptr, 0);
  auto text = ReadFile(log_path, 1 << 20);
  return MakeError(said.error().code, "the lab did not start: " + said.error().message + "; " + log_path + ": " +
                                          std::string(Trim(text.ok() ? Shorten(*text, 600) : "")));
}

Result<std::string> LabDown(const std::string& state_dir) {
  int64_t pid = LabProcess(state_dir);
  if (pid == 0) return MakeError(Code::kNotFound, "no lab runs with the directory " + state_dir);
  if (::kill(static_cast<pid_t>(pid), SIGTERM) != 0)
    return MakeError(Code::kUnavailable,
                     "process " + std::to_string(pid) + ": " + strerror(errno) + "; run it as the user who started it");
  for (auto end = SteadyNow() + kEnd; LabProcess(state_dir) != 0 || ProgramOf(pid).starts_with("fairlead-lab");) {
    if (SteadyNow() > end)
      return MakeError(Code::kDeadlineExceeded, "process " + std::to_string(pid) + " has not ended within a minute");
    std::this_thread::sleep_for(Millis(20));
  }
  std::error_code ec;
  std::filesystem::remove(state_dir + ".log", ec);
  return std::string("The lab has ended, and nothing is left of it\n");
}

Status LabLoad(const kube::Config& config, const std::stop_token& stop) {
  kube::Client client(config);
  auto there = client.Create(kube::kNamespaces,
                             {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", kNamespace}}}});
  if (!there.ok()) return there.error();
  auto clients = StartLoad(client, stop);
  if (clients.ok()) {
    printf("a server and a client of the mesh run on every node; Ctrl-C takes them away\n");
    do {
      printf("%s\n", Counts(client, *clients).c_str());
      fflush(stdout);
    } while (SleepFor(Millis(1000), stop));
  }
  Status gone = client.Delete(kube::kNamespaces, "", kNamespace, {});
  if (!clients.ok() && !stop.stop_requested()) return clients.error();
  return gone;
}

Result<std::string> LabFault(const kube::Config& config, const std::string& what, const std::string& node,
                             int seconds) {
  kube::Client client(config);
  if (what == "api") {
    FL_TRY(AskLab(client, "api-down?seconds=" + std::to_string(seconds)));
    return "the API server is away for " + std::to_string(seconds) + " s\n";
  }
  bool agent = what == "agent";
  FL_ASSIGN(auto pods, client.List(kube::kPods, "", {.label_selector = agent ? mesh::kCniAgents : mesh::kOperator}));
  std::string done;
  for (const Json& pod : pods.items) {
    if (agent && Str(pod, "spec", "nodeName") != node) continue;
    FL_ASSIGN(std::string killed, Kill(client, pod, Str(pod, "spec", "containers", 0, "name")));
    done += killed;
  }
  if (done.empty())
    return MakeError(Code::kNotFound, agent ? "no agent runs on node \"" + node + "\"; name one of kubectl get nodes"
                                            : "no pod of the operator runs");
  return done;
}

}  // namespace fairlead::cmd
