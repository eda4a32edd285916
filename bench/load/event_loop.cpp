#include "bench/load/event_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "protocol/base/assert.h"

namespace kyanite::load {

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { KYANITE_ASSERT(epoll_ >= 0); }

EventLoop::~EventLoop() { close(epoll_); }

bool EventLoop::add(int socket, Pollable& pollable) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &pollable;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) == 0;
}

void EventLoop::remove(int socket, Pollable& pollable) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  // A pollable may close another one, or itself, while events of this turn still wait.
  std::replace(pending_.begin(), pending_.end(), &pollable, static_cast<Pollable*>(nullptr));
  std::replace(dirty_.begin(), dirty_.end(), &pollable, static_cast<Pollable*>(nullptr));
}

void EventLoop::flush_later(Pollable& pollable) { dirty_.push_back(&pollable); }

void EventLoop::turn(int timeout_ms) {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = epoll_wait(epoll_, events.data(), kEventsPerTurn, dirty_.empty() ? timeout_ms : 0);
  pending_.clear();
  for (int i = 0; i < count; ++i) {
    pending_.push_back(static_cast<Pollable*>(events[static_cast<std::size_t>(i)].data.ptr));
  }
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i] != nullptr) pending_[i]->on_socket_ready();
  }
  pending_.clear();
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    if (dirty_[i] != nullptr) dirty_[i]->flush();
  }
  dirty_.clear();
}

}  // namespace kyanite::load
