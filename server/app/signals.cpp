#include "server/app/signals.h"

#include <csignal>
#include <ctime>

#include <unistd.h>

namespace kyanite {
namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGUSR1);
  return set;
}

}  // namespace

void Signals::block() {
  const sigset_t set = watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

void Signals::wake() { ::kill(::getpid(), SIGUSR1); }

std::optional<Signal> Signals::wait(milliseconds at_most) {
  const sigset_t set = watched();
  const auto whole = std::chrono::duration_cast<seconds>(at_most);
  const timespec limit{static_cast<std::time_t>(whole.count()),
                       static_cast<long>(std::chrono::nanoseconds(at_most - whole).count())};
  const int number = sigtimedwait(&set, nullptr, &limit);
  if (number == SIGHUP) return Signal::reload;
  if (number == SIGUSR1) return Signal::work;
  if (number == SIGTERM || number == SIGINT) return Signal::stop;
  return std::nullopt;
}

}  // namespace kyanite
