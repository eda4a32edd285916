#include "server/hub/clock_control.h"

#include <memory>
#include <utility>

namespace kyanite {
namespace {

using std::chrono::sys_days;
using namespace std::chrono_literals;

// Dates are written with four digits, and lifetimes are added to them.
constexpr WallTime kEarliest{sys_days{2000y / 1 / 1}};
constexpr WallTime kLatest{sys_days{9000y / 1 / 1}};

}  // namespace

// The listeners of one change that have not been told yet; touched on shard 0 only.
struct ClockControl::Round {
  std::size_t missing;
  Reply<ClockState> reply;
};

ClockControl::ClockControl(Executor& shard0, SetShift set_shift)
    : shard0_(shard0), set_shift_(std::move(set_shift)) {}

void ClockControl::on_shift(Executor& home, Listener listener) {
  targets_.push_back({&home, std::move(listener)});
}

void ClockControl::get(Reply<ClockState> reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable { reply(ClockState{shard0_.wall_now(), shift_}); });
}

void ClockControl::shift_to(milliseconds shift, Reply<ClockState> reply) {
  shard0_.post([this, shift, reply = std::move(reply)]() mutable { change(shift, std::move(reply)); });
}

void ClockControl::advance(milliseconds by, Reply<ClockState> reply) {
  shard0_.post([this, by, reply = std::move(reply)]() mutable { change(shift_ + by, std::move(reply)); });
}

void ClockControl::set_now(WallTime now, Reply<ClockState> reply) {
  shard0_.post(
      [this, now, reply = std::move(reply)]() mutable { change(now - real_now(), std::move(reply)); });
}

void ClockControl::change(milliseconds shift, Reply<ClockState> reply) {
  const WallTime now = real_now() + shift;
  if (now < kEarliest || now >= kLatest) {
    return reply(Error(Errc::argument_invalid, "the hub's time must stay in the years 2000 to 8999"));
  }
  shift_ = shift;
  set_shift_(shift);
  const auto round = std::make_shared<Round>(Round{targets_.size() + 1, std::move(reply)});
  const auto told = [this, round] {
    if (--round->missing == 0) round->reply(ClockState{shard0_.wall_now(), shift_});
  };
  for (const Target& target : targets_) {
    target.home->post([this, &target, shift, told] {
      target.listener(shift);
      shard0_.post(told);
    });
  }
  told();
}

}  // namespace kyanite
