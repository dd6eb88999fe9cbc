#include "util/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "util/exec_lock.h"
#include "util/fd.h"

extern char** environ;

namespace fairlead {
namespace {

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> MakePipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return ErrnoError("making a pipe to a subprocess", errno);
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

int Reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Moves bytes between the pipes and the buffers until both outputs are closed.
Status Pump(Pipe& in, Pipe& out, Pipe& err, const RunOptions& o, RunResult& result) {
  auto deadline = std::chrono::steady_clock::now() + o.timeout;
  std::string_view input = o.input;
  ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  if (input.empty()) in.write.reset();
  while (out.read.valid() || err.read.valid()) {
    pollfd fds[3] = {{in.write.get(), POLLOUT, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0)
      return MakeError(Code::kDeadlineExceeded, "it had not ended after " + std::to_string(o.timeout.count()) + " ms");
    if (::poll(fds, 3, static_cast<int>(left)) < 0 && errno != EINTR)
      return ErrnoError("waiting for its output", errno);
    if (in.write.valid() && fds[0].revents) {
      ssize_t n = ::write(in.write.get(), input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<size_t>(n));
      if (input.empty() || (n < 0 && errno != EAGAIN && errno != EINTR)) in.write.reset();
    }
    auto drain = [&](Pipe& p, short revents, std::string& to) {
      if (!p.read.valid() || !revents) return;
      char buf[65536];
      ssize_t n = ::read(p.read.get(), buf, sizeof buf);
      if (n > 0) to.append(buf, static_cast<size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) p.read.reset();
    };
    drain(out, fds[1].revents, result.out);
    drain(err, fds[2].revents, result.err);
    if (result.out.size() + result.err.size() > o.output_limit)
      return MakeError(Code::kInvalid, "its output exceeds " + std::to_string(o.output_limit) + " bytes");
  }
  return {};
}

}  // namespace

Result<RunResult> RunProgram(const std::vector<std::string>& argv, const RunOptions& o) {
  FL_ASSIGN(Pipe in, MakePipe());
  FL_ASSIGN(Pipe out, MakePipe());
  FL_ASSIGN(Pipe err, MakePipe());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), 2);
  posix_spawnattr_t attr;
  posix_spawnattr_init(&attr);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setsigdefault(&attr, &defaults);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<char*> args, env;
  for (const auto& a : argv) args.push_back(const_cast<char*>(a.c_str()));
  args.push_back(nullptr);
  for (const auto& e : o.env) env.push_back(const_cast<char*>(e.c_str()));
  for (char** e = environ; !o.replace_env && *e; ++e) env.push_back(*e);
  env.push_back(nullptr);

  pid_t pid = 0;
  std::shared_lock starting(g_exec_lock);
  int rc = ::posix_spawnp(&pid, args[0], &actions, &attr, args.data(), env.data());  // returns when it has executed
  starting.unlock();
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attr);
  if (rc != 0) return ErrnoError("running " + argv[0], rc);
  in.read.reset();
  out.write.reset();
  err.write.reset();
  RunResult result;
  if (Status s = Pump(in, out, err, o, result); !s.ok()) {
    ::kill(pid, SIGKILL);
    Reap(pid);
    return s.error().Wrap("running " + argv[0]);
  }
  result.exit_status = Reap(pid);
  return result;
}

}  // namespace fairlead
