#include "lab/launcher.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "kernel/netns.h"
#include "util/fd.h"
#include "util/file.h"
#include "util/strings.h"

extern char** environ;

namespace fairlead::lab {
namespace {

using value::At;
using value::Str;

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "fairlead-lab: %s: %s\n", what.c_str(), strerror(errno));
  _exit(125);
}

void Must(bool ok, const std::string& what) {
  if (!ok) Die(what);
}

void MakeDirs(const std::string& path) { Must(MakeDirectories(path).ok(), "mkdir " + path); }

void Bind(const std::string& from, const std::string& to, unsigned long flags = 0) {
  struct stat st {};
  Must(::stat(from.c_str(), &st) == 0, "bind source " + from);
  if (S_ISDIR(st.st_mode)) {
    MakeDirs(to);
  } else {
    MakeDirs(to.substr(0, to.rfind('/')));
    UniqueFd touch(::open(to.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0644));
  }
  Must(::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0, "bind " + from + " to " + to);
  if (flags & MS_RDONLY) (void)::mount(nullptr, to.c_str(), nullptr, MS_BIND | MS_REMOUNT | flags, nullptr);
}

// The system directories of this machine, read-only: what containers have instead of an image's own.
void BindSystem(const std::string& root) {
  for (const char* dir : {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32"}) {
    std::error_code ec;
    auto st = std::filesystem::symlink_status(dir, ec);
    if (std::filesystem::is_symlink(st))
      std::filesystem::create_symlink(std::filesystem::read_symlink(dir, ec), root + dir, ec);
    else if (std::filesystem::is_directory(st))
      Bind(dir, root + dir, MS_RDONLY);
  }
  for (const char* file : {"/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/protocols", "/etc/services"})
    if (FileExists(file)) Bind(file, root + file, MS_RDONLY);
  MakeDirs(root + "/dev");
  Must(::mount("tmpfs", (root + "/dev").c_str(), "tmpfs", MS_NOSUID, "mode=755,size=64k") == 0, "mount /dev");
  for (const char* dev : {"null", "zero", "random", "urandom", "full"})
    Bind(std::string("/dev/") + dev, root + "/dev/" + dev);
  for (const char* dir : {"/tmp", "/run", "/var", "/proc", "/sys", "/etc"}) MakeDirs(root + dir);
}

void PivotInto(const std::string& root) {
  MakeDirs(root + "/.old");
  Must(::syscall(SYS_pivot_root, root.c_str(), (root + "/.old").c_str()) == 0, "pivot_root");
  Must(::chdir("/") == 0, "chdir");
  Must(::umount2("/.old", MNT_DETACH) == 0, "umount old root");
  ::rmdir("/.old");
}

void EnterNode(const std::string& pid, int flags) {
  UniqueFd mnt(::open(("/proc/" + pid + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC));
  UniqueFd net(::open(("/proc/" + pid + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  Must(mnt.valid() && net.valid(), "opening the namespaces of node process " + pid);
  if (flags & CLONE_NEWNET) Must(::setns(net.get(), CLONE_NEWNET) == 0, "entering the node's network");
  if (flags & CLONE_NEWNS) Must(::setns(mnt.get(), CLONE_NEWNS) == 0, "entering the node's mounts");
}

[[noreturn]] void Exec(const std::vector<std::string>& argv, const std::vector<std::string>* env) {
  std::vector<char*> args, envp;
  for (const auto& a : argv) args.push_back(const_cast<char*>(a.c_str()));
  args.push_back(nullptr);
  if (env) {
    for (const auto& e : *env) envp.push_back(const_cast<char*>(e.c_str()));
    envp.push_back(nullptr);
    for (const auto& e : *env)
      if (e.starts_with("PATH=")) ::setenv("PATH", e.c_str() + 5, 1);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execvpe(args[0], args.data(), env ? envp.data() : environ);
  fprintf(stderr, "exec: \"%s\": %s\n", args[0], strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

// internal node ROOT NAME CNI_BIN_DIR IMAGES_DIR: a node's namespaces and file system; lives until its standard input
// ends.
int NodeMain(const std::vector<std::string>& a) {
  const std::string &root = a[0], &name = a[1], &cni_bin = a[2], &images = a[3];
  Must(::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS) == 0, "unshare");
  Must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0,
       "making mounts private (in a chroot, / is no mount point: enter it by pivot_root, or use a container)");
  ::sethostname(name.c_str(), name.size());
  MakeDirs(root);
  Must(::mount("node", root.c_str(), "tmpfs", 0, "mode=755") == 0, "mount root");
  BindSystem(root);
  for (const char* dir :
       {"/opt/cni/bin", "/etc/cni/net.d", "/var/run/istio-cni", "/var/run/netns", "/var/lib/cni", "/run/containers"})
    MakeDirs(root + dir);
  for (const std::string plugin : {"bridge", "host-local", "loopback"})
    Must(std::filesystem::copy_file(cni_bin + "/" + plugin, root + "/opt/cni/bin/" + plugin), "copy " + plugin);
  Must(::mount("proc", (root + "/proc").c_str(), "proc", 0, nullptr) == 0, "mount proc");
  Must(::mount("sysfs", (root + "/sys").c_str(), "sysfs", 0, nullptr) == 0, "mount sysfs");
  Bind(images, root + "/lab-images", MS_RDONLY);
  PivotInto(root);
  Must(::mount("netns", "/var/run/netns", "tmpfs", 0, "mode=755") == 0 &&
           ::mount(nullptr, "/var/run/netns", nullptr, MS_SHARED, nullptr) == 0,
       "mount /var/run/netns");
  Must(kernel::SetLoopbackUp().ok(), "lo up");
  // On a real node process 1 is in the node's network namespace, and an agent finds that one there. Here process 1 is
  // the machine's.
  Must(::mount("ns", "/proc/1/ns", "tmpfs", 0, "mode=755") == 0, "mount /proc/1/ns");
  UniqueFd net(::open("/proc/1/ns/net", O_CREAT | O_RDONLY | O_CLOEXEC, 0444));
  Must(net.valid() && ::mount("/proc/self/ns/net", "/proc/1/ns/net", nullptr, MS_BIND, nullptr) == 0,
       "the node's netns");
  (void)!::write(STDOUT_FILENO, "ready\n", 6);
  char c;
  while (::read(STDIN_FILENO, &c, 1) > 0) {
  }
  return 0;
}

// internal netns-add PID PATH / netns-del PID PATH
int NetnsAdd(const std::vector<std::string>& a) {
  EnterNode(a[0], CLONE_NEWNS);
  Must(::unshare(CLONE_NEWNET) == 0, "unshare network");
  Must(kernel::SetLoopbackUp().ok(), "lo up");
  UniqueFd touch(::open(a[1].c_str(), O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444));
  Must(touch.valid() && ::mount("/proc/self/ns/net", a[1].c_str(), nullptr, MS_BIND, nullptr) == 0, "netns " + a[1]);
  return 0;
}

int NetnsDel(const std::vector<std::string>& a) {
  EnterNode(a[0], CLONE_NEWNS);
  ::umount2(a[1].c_str(), MNT_DETACH);
  ::unlink(a[1].c_str());
  return 0;
}

// internal in-node PID -- ARGV: in the node's mounts and network, as a program of the node.
int InNode(const std::vector<std::string>& a) {
  EnterNode(a[0], CLONE_NEWNS | CLONE_NEWNET);
  Exec({a.begin() + 2, a.end()}, nullptr);
}

int CapabilityNumber(const std::string& name) {
  static const std::map<std::string, int> known = {{"CHOWN", 0},        {"DAC_OVERRIDE", 1}, {"FOWNER", 3},
                                                   {"FSETID", 4},       {"KILL", 5},         {"SETGID", 6},
                                                   {"SETUID", 7},       {"SETPCAP", 8},      {"NET_BIND_SERVICE", 10},
                                                   {"NET_ADMIN", 12},   {"NET_RAW", 13},     {"SYS_CHROOT", 18},
                                                   {"SYS_PTRACE", 19},  {"SYS_ADMIN", 21},   {"MKNOD", 27},
                                                   {"AUDIT_WRITE", 29}, {"SETFCAP", 31}};
  auto it = known.find(name.starts_with("CAP_") ? name.substr(4) : name);
  return it == known.end() ? -1 : it->second;
}

// Keeps only what the container may have; root without capabilities is root in name.
void LimitCapabilities(const ContainerSpec& c) {
  uint64_t keep = 0;
  auto allow = [&](const std::string& name) {
    if (int n = CapabilityNumber(name); n >= 0) keep |= 1ull << n;
  };
  if (!c.drop_all)
    for (const char* name : {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
                             "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"})
      allow(name);
  for (const std::string& name : c.add_capabilities) allow(name);
  for (int i = 0; i <= 40; ++i)
    if (!(keep >> i & 1)) ::prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
  Must(::setgroups(0, nullptr) == 0 &&
           ::setresgid(static_cast<gid_t>(c.gid), static_cast<gid_t>(c.gid), static_cast<gid_t>(c.gid)) == 0,
       "setgid");
  Must(::setresuid(static_cast<uid_t>(c.uid), static_cast<uid_t>(c.uid), static_cast<uid_t>(c.uid)) == 0, "setuid");
  if (c.uid == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    data[0].effective = data[0].permitted = static_cast<uint32_t>(keep);
    data[1].effective = data[1].permitted = static_cast<uint32_t>(keep >> 32);
    Must(::syscall(SYS_capset, &header, data) == 0, "capset");
  }
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

pid_t g_child = 0;

// internal container SPEC_FILE: the container's namespaces and root; forwards signals, ends with its exit status.
int ContainerMain(const std::vector<std::string>& a) {
  auto text = ReadFile(a[0]);
  auto j = text.ok() ? value::ParseJson(*text, a[0]) : Result<Json>(text.error());
  if (!j.ok()) {
    fprintf(stderr, "fairlead-lab: %s\n", j.error().message.c_str());
    return 125;
  }
  ContainerSpec c = ContainerSpecFromJson(*j);
  EnterNode(std::to_string(c.node_pid), CLONE_NEWNS | CLONE_NEWNET);
  if (!c.netns_path.empty()) {
    UniqueFd net(::open(c.netns_path.c_str(), O_RDONLY | O_CLOEXEC));
    Must(net.valid() && ::setns(net.get(), CLONE_NEWNET) == 0, "entering " + c.netns_path);
  }
  Must(::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC) == 0, "unshare");
  // Mounts made later in the node appear in every container, as HostToContainer asks for.
  Must(::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0, "slave mounts");
  MakeDirs(c.root);
  Must(::mount("root", c.root.c_str(), "tmpfs", 0, "mode=755,size=64m") == 0, "mount root");
  BindSystem(c.root);
  if (!c.image_dir.empty())
    for (const auto& entry : std::filesystem::directory_iterator(c.image_dir + "/opt"))
      Bind(entry.path().string(), c.root + "/opt/" + entry.path().filename().string(), MS_RDONLY);
  ::chmod((c.root + "/tmp").c_str(), 01777);
  for (const auto& [path, content] : c.files) {
    MakeDirs((c.root + path).substr(0, (c.root + path).rfind('/')));
    Must(WriteFileAtomic(c.root + path, content, 0644).ok(), "write " + path);
  }
  for (const auto& m : c.mounts) Bind(m.source, c.root + m.target, m.read_only ? MS_RDONLY : 0);

  g_child = ::fork();
  Must(g_child >= 0, "fork");
  if (g_child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Must(::mount("proc", (c.root + "/proc").c_str(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0,
         "mount proc");
    PivotInto(c.root);
    (void)!::chdir(c.working_dir.c_str());
    LimitCapabilities(c);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // setuid cleared it
    Exec(c.argv, &c.env);
  }
  for (int s : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) ::signal(s, [](int sig) { ::kill(g_child, sig); });
  int status = 0;
  while (::waitpid(g_child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// internal exec PID -- ARGV: in the namespaces of a container's process.
int ExecMain(const std::vector<std::string>& a) {
  for (const char* ns : {"net", "pid", "mnt"}) {
    std::string path = "/proc/" + a[0] + "/ns/" + (std::string(ns) == "pid" ? "pid_for_children" : ns);
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    Must(fd.valid() && ::setns(fd.get(), 0) == 0, "entering " + path);
  }
  pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Exec({a.begin() + 2, a.end()}, nullptr);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int RunInternal(const std::vector<std::string>& args) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (args.empty()) return 125;
  std::vector<std::string> rest(args.begin() + 1, args.end());
  if (args[0] == "node" && rest.size() == 4) return NodeMain(rest);
  if (args[0] == "netns-add" && rest.size() == 2) return NetnsAdd(rest);
  if (args[0] == "netns-del" && rest.size() == 2) return NetnsDel(rest);
  if (args[0] == "in-node" && rest.size() >= 3) return InNode(rest);
  if (args[0] == "container" && rest.size() == 1) return ContainerMain(rest);
  if (args[0] == "exec" && rest.size() >= 3) return ExecMain(rest);
  return 125;
}

Result<pid_t> SpawnInternal(const std::vector<std::string>& args, int out_fd, int err_fd, int in_fd) {
  std::vector<std::string> argv = {"/proc/self/exe", "internal"};
  argv.insert(argv.end(), args.begin(), args.end());
  std::vector<char*> raw;
  for (const auto& a : argv) raw.push_back(const_cast<char*>(a.c_str()));
  raw.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (in_fd >= 0)
    posix_spawn_file_actions_adddup2(&actions, in_fd, 0);
  else
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (out_fd >= 0) posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
  if (err_fd >= 0) posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
  posix_spawnattr_t attr;
  posix_spawnattr_init(&attr);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  int rc = ::posix_spawn(&pid, "/proc/self/exe", &actions, &attr, raw.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attr);
  if (rc != 0) return ErrnoError("starting a helper process", rc);
  return pid;
}

Json ToJson(const ContainerSpec& c) {
  Json mounts = Json::array();
  for (const auto& m : c.mounts)
    mounts.push_back({{"source", m.source}, {"target", m.target}, {"readOnly", m.read_only}});
  return {{"nodePid", c.node_pid}, {"netns", c.netns_path},
          {"root", c.root},        {"imageDir", c.image_dir},
          {"argv", c.argv},        {"env", c.env},
          {"cwd", c.working_dir},  {"uid", c.uid},
          {"gid", c.gid},          {"capAdd", c.add_capabilities},
          {"dropAll", c.drop_all}, {"mounts", mounts},
          {"files", c.files}};
}

ContainerSpec ContainerSpecFromJson(const Json& j) {
  ContainerSpec c;
  c.node_pid = static_cast<int>(value::Int(j, "nodePid"));
  c.netns_path = Str(j, "netns");
  c.root = Str(j, "root");
  c.image_dir = Str(j, "imageDir");
  for (const Json& a : At(j, "argv")) c.argv.push_back(a.get<std::string>());
  for (const Json& e : At(j, "env")) c.env.push_back(e.get<std::string>());
  c.working_dir = Str(j, "cwd");
  c.uid = value::Int(j, "uid");
  c.gid = value::Int(j, "gid");
  for (const Json& k : At(j, "capAdd")) c.add_capabilities.push_back(k.get<std::string>());
  c.drop_all = value::Bool(j, "dropAll");
  for (const Json& m : At(j, "mounts"))
    c.mounts.push_back({Str(m, "source"), Str(m, "target"), value::Bool(m, "readOnly")});
  for (const auto& [k, v] : At(j, "files").items()) c.files[k] = v.get<std::string>();
  return c;
}

}  // namespace fairlead::lab
