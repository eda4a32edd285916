#include "server/hub/c2d_queue.h"

#include <utility>

namespace kyanite {

C2dQueue::C2dQueue(DeviceHost& host) : host_(host) {}
C2dQueue::~C2dQueue() { host_.executor().cancel(timer_); }

void C2dQueue::load(std::vector<C2dHeader> headers, std::uint64_t next_sequence) {
  if (loaded_) return;
  loaded_ = true;
  next_sequence_ = next_sequence;
  for (C2dHeader& header : headers) messages_.push_back({std::move(header), std::nullopt});
}

void C2dQueue::send(SendC2d message) { message.reply(Error(Errc::not_implemented)); }
void C2dQueue::settle(const SettleC2d&) {}
void C2dQueue::purge(PurgeC2d message) { message.reply(Error(Errc::not_implemented)); }
void C2dQueue::expire() {}
void C2dQueue::on_subscribed(bool) {}
void C2dQueue::on_link_ended() {}
void C2dQueue::on_clock_shift() {}
void C2dQueue::on_erased() { messages_.clear(); }
bool C2dQueue::is_quiet() const { return operations_ == 0 && !timer_; }

void C2dQueue::unload() {
  loaded_ = false;
  messages_.clear();
}

}  // namespace kyanite
