#include "server/observe/fail_stop.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>

#include "server/observe/log.h"

namespace kyanite {
namespace {

std::atomic<int> code_at_alarm{1};
static_assert(std::atomic<int>::is_always_lock_free);  // read in a signal handler

void end_now(int) { ::_exit(code_at_alarm); }

// A handler, since the signal's default action would end the process without the exit code.
void end_within(seconds at_most, int exit_code) {
  code_at_alarm = exit_code;
  struct sigaction action {};
  action.sa_handler = end_now;
  sigaction(SIGALRM, &action, nullptr);
  sigset_t alarm_signal;
  sigemptyset(&alarm_signal);
  sigaddset(&alarm_signal, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &alarm_signal, nullptr);  // may be blocked by who started the process
  ::alarm(static_cast<unsigned>(at_most.count()));
}

}  // namespace

void fail_stop(int exit_code, std::string_view event, std::string_view reason, seconds at_most) {
  end_within(at_most, exit_code);
  log::error(event, {{"reason", reason}});
  log::stop();
  std::_Exit(exit_code);
}

}  // namespace kyanite
