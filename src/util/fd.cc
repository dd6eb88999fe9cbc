#include "util/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace fairlead {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Result<UniqueFd> UniqueFd::Duplicate() const {
  int fd = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return ErrnoError("duplicating a file descriptor", errno);
  return UniqueFd(fd);
}

void UniqueFd::MoveUp() {
  constexpr int kFirst = 1024;
  if (fd_ < 0 || fd_ >= kFirst) return;
  if (int fd = ::fcntl(fd_, F_DUPFD_CLOEXEC, kFirst); fd >= 0) reset(fd);
}

WakeFd::WakeFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

WakeFd::WakeFd(std::stop_token stop) : WakeFd() { callback_.emplace(std::move(stop), Waker{this}); }

void WakeFd::Wake() {
  uint64_t one = 1;
  (void)!::write(fd_.get(), &one, sizeof one);
}

void WakeFd::Clear() {
  uint64_t count;
  (void)!::read(fd_.get(), &count, sizeof count);
}

Status WaitFd(int fd, short events, std::chrono::milliseconds timeout, int wake_fd) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd fds[2] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
    int n = ::poll(fds, wake_fd >= 0 ? 2 : 1, static_cast<int>(std::clamp<long>(left, 0, 1 << 30)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("waiting for a file descriptor", errno);
    if (wake_fd >= 0 && (fds[1].revents & POLLIN)) return MakeError(Code::kUnavailable, "stopping");
    if (fds[0].revents) return {};
    if (left <= 0) return MakeError(Code::kDeadlineExceeded, "the other end did nothing in the time that it had");
  }
}

bool SleepFor(std::chrono::milliseconds duration, const std::stop_token& stop) {
  std::mutex m;
  std::condition_variable_any cv;
  std::unique_lock lock(m);
  cv.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace fairlead
