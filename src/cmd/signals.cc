#include "cmd/signals.h"

#include <pthread.h>
#include <signal.h>

namespace fairlead::cmd {

StopOnSignals::StopOnSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int s : {SIGTERM, SIGINT, SIGUSR2}) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this, set] {
    int got = 0;
    sigwait(&set, &got);
    source_.request_stop();
    while (got != SIGUSR2) sigwait(&set, &got);  // further signals change nothing: the stop is under way
  });
}

StopOnSignals::~StopOnSignals() {
  pthread_kill(thread_.native_handle(), SIGUSR2);
  thread_.join();
}

}  // namespace fairlead::cmd
