// File descriptors with an owner, and a wake-up descriptor for threads that block in poll().
#pragma once
#include <chrono>
#include <stop_token>

#include "util/result.h"

namespace fairlead {

// Owns one descriptor and closes it. -1 means none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& o) noexcept : fd_(o.release()) {}
  UniqueFd& operator=(UniqueFd&& o) noexcept {
    reset(o.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);
  Result<UniqueFd> Duplicate() const;  // close-on-exec
  // Gives it a number from 1024 on, where the process may have such: for those that are kept in numbers, since
  // libraries that call select() (libnftables is one) end the process when they get a large one.
  void MoveUp();

 private:
  int fd_ = -1;
};

// Becomes readable for ever once stop is requested or Wake() was called; for poll() beside other descriptors.
// Threading: every member may be called from any thread.
class WakeFd {
 public:
  WakeFd();
  explicit WakeFd(std::stop_token stop);
  int fd() const { return fd_.get(); }
  void Wake();
  void Clear();  // not readable any more, until the next Wake

 private:
  struct Waker {
    WakeFd* self;
    void operator()() const { self->Wake(); }
  };
  UniqueFd fd_;
  std::optional<std::stop_callback<Waker>> callback_;
};

// Waits until fd is ready for `events` (POLLIN, POLLOUT). kDeadlineExceeded on timeout, kUnavailable when `wake_fd`
// fired. wake_fd may be -1.
Status WaitFd(int fd, short events, std::chrono::milliseconds timeout, int wake_fd = -1);

// Sleeps; returns false when stop was requested before the time was over.
bool SleepFor(std::chrono::milliseconds duration, const std::stop_token& stop);

}  // namespace fairlead
