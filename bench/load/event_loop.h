#pragma once

#include <vector>

namespace kyanite::load {

// One socket's owner as the loop sees it.
class Pollable {
 public:
  virtual void on_socket_ready() = 0;  // readable, writable, closed or failed: look and see
  virtual void flush() = 0;            // write what was queued during this turn

 protected:
  ~Pollable() = default;
};

// EventLoop waits for sockets with one edge-triggered registration each, so a busy connection costs no
// epoll_ctl, and flushes each connection once a turn.
//
// Owner: one thread. Pollables are not owned; remove one before it goes.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  bool add(int socket, Pollable& pollable);
  void remove(int socket, Pollable& pollable);
  void flush_later(Pollable& pollable);  // at most once a turn for each: the pollable keeps count

  // Waits at most so long for events and handles them, then flushes.
  void turn(int timeout_ms);

 private:
  static constexpr int kEventsPerTurn = 512;

  int epoll_;
  std::vector<Pollable*> dirty_;
  std::vector<Pollable*> pending_;  // events of this turn not handled yet
};

}  // namespace kyanite::load
