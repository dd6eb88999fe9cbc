// The embedded cluster: `fairlead-lab up` runs it until it is told to stop.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "cmd/signals.h"
#include "cmd/version.h"
#include "lab/lab.h"
#include "lab/launcher.h"
#include "util/file.h"
#include "util/log.h"

namespace {

using namespace fairlead;

int RunLab(const lab::LabConfig& config) {
  cmd::StopOnSignals signals;
  auto cluster = lab::Lab::Create(config);
  Status started = cluster.ok() ? (*cluster)->Start() : Status(cluster.error());
  if (!started.ok()) {
    fprintf(stderr, "fairlead-lab: %s\n", started.error().message.c_str());
    return 1;
  }
  printf("ready\nexport KUBECONFIG=%s\n", (*cluster)->kubeconfig().c_str());
  fflush(stdout);
  SleepFor(std::chrono::hours(24 * 365), signals.token());
  cluster->reset();
  return 0;
}

// The lab lives in a process namespace of its own: when its first process ends, however it ends, the kernel ends all
// others, and with them their mounts and network namespaces.
int Supervise(const lab::LabConfig& config) {
  if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) {
    fprintf(stderr, "fairlead-lab: cannot make namespaces (%s): run it as root\n", strerror(errno));
    return 1;
  }
  sigset_t set, old;
  sigemptyset(&set);
  for (int s : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, s);
  sigprocmask(SIG_BLOCK, &set, &old);
  pid_t init = ::fork();
  if (init == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
    pid_t main_pid = ::fork();
    if (main_pid == 0) {
      sigprocmask(SIG_SETMASK, &old, nullptr);
      _exit(RunLab(config));
    }
    // Process 1 of the namespace: passes signals on, reaps orphans, ends with the lab.
    while (true) {
      int signal = 0;
      sigwait(&set, &signal);
      if (signal != SIGCHLD) {
        ::kill(main_pid, SIGTERM);
        continue;
      }
      int status = 0;
      for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == main_pid) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
  }
  std::error_code ec;
  std::filesystem::create_directories(config.state_dir, ec);
  if (Status told = WriteFileAtomic(config.state_dir + "/pid", std::to_string(::getpid()) + "\n", 0600); !told.ok())
    fprintf(stderr, "fairlead-lab: %s\n", told.error().message.c_str());
  int status = 0;
  bool ended = false;
  while (!ended) {
    int signal = 0;
    sigwait(&set, &signal);
    if (signal != SIGCHLD) ::kill(init, SIGTERM);
    ended = ::waitpid(init, &status, WNOHANG) == init;
  }
  for (const char* part : {"/nodes", "/specs", "/logs", "/kubeconfig", "/pid"})
    std::filesystem::remove_all(config.state_dir + part, ec);
  std::filesystem::remove(config.state_dir, ec);  // only when nothing of anybody else lies there
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "internal") return lab::RunInternal({argv + 2, argv + argc});
  CLI::App app{"An embedded Kubernetes cluster for trying and testing Fairlead"};
  app.set_version_flag("--version", std::string("fairlead-lab ") + cmd::kComponentVersion);
  app.require_subcommand(1);
  lab::LabConfig config;
  std::error_code ec;
  auto self = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
  config.images_dir = (self / "images").string();  // of a build; otherwise where it was installed
  if (!std::filesystem::is_directory(config.images_dir, ec))
    config.images_dir = (self.parent_path() / "lib/fairlead/images").string();
  config.state_dir = "/tmp/fairlead-lab-" + std::to_string(::getpid());
  bool with_parent = false;
  int64_t token_seconds = 3600, sandbox_retry_ms = 10000;
  auto* up = app.add_subcommand("up", "Run a cluster until SIGTERM or Ctrl-C; prints where its kubeconfig lies");
  up->add_option("--nodes", config.nodes, "Number of nodes")->capture_default_str();
  up->add_option(
        "--simulated-nodes", config.simulated_nodes,
        "Number of nodes beside those, whose pods do nothing and are ready at once: for a cluster of thousands")
      ->capture_default_str();
  up->add_option("--state-dir", config.state_dir, "Directory for the kubeconfig and logs; removed at the end");
  up->add_option("--images", config.images_dir, "Directory of the container images (NAME/TAG)");
  up->add_option("--cni-plugins", config.cni_plugins_dir, "Directory of bridge, host-local and loopback")
      ->capture_default_str();
  up->add_option("--port", config.port, "Port of the API server on 127.0.0.1; 0: a free one")->capture_default_str();
  up->add_option("--token-seconds", token_seconds, "Lifetime of service account tokens")->capture_default_str();
  up->add_option("--sandbox-retry-ms", sandbox_retry_ms, "Pause before a pod's sandbox is tried again")
      ->capture_default_str();
  up->add_flag("--with-parent", with_parent, "End when the process that started this one ends");
  CLI11_PARSE(app, argc, argv);
  if (with_parent) ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  config.token_lifetime = std::chrono::seconds(token_seconds);
  config.sandbox_retry = Millis(sandbox_retry_ms);
  config.images_dir = std::filesystem::absolute(config.images_dir, ec).string();
  config.state_dir = std::filesystem::absolute(config.state_dir, ec).string();
  return Supervise(config);
}
