#include "server/hub/c2d_sweep.h"

#include <utility>

#include "protocol/base/limits.h"
#include "server/hub/device_router.h"
#include "server/hub/feedback_queue.h"

namespace kyanite {
namespace {

// The read of a round begins at the oldest expiry, so it costs nothing when there is nothing to find.
constexpr milliseconds kPause{2000};
// More than one round can take: the owners need a moment before the next.
constexpr milliseconds kShortPause{250};

}  // namespace

C2dSweep::C2dSweep(Executor& shard0, C2dStore& store, DeviceRouter& router, FeedbackQueue& feedback)
    : shard0_(shard0), store_(store), router_(router), feedback_(feedback) {}

void C2dSweep::start() {
  shard0_.post([this] { run(); });
}

void C2dSweep::run() {
  if (reading_) {
    again_ = true;
    return;
  }
  shard0_.cancel(std::exchange(timer_, TimerId{}));
  reading_ = true;
  feedback_.sweep();
  store_.expired(
      shard0_.wall_now(), limits::kC2dSweepMax,
      Reply<std::vector<std::string>>(shard0_, [this](const Result<std::vector<std::string>>& devices) {
        reading_ = false;
        on_found(devices);
      }));
}

void C2dSweep::on_found(const Result<std::vector<std::string>>& devices) {
  if (devices) {
    for (const std::string& device : *devices) router_.send(ExpireC2d{{device, {}}});
  }
  if (std::exchange(again_, false)) return run();
  run_after(devices && devices->size() >= limits::kC2dSweepMax ? kShortPause : kPause);
}

void C2dSweep::run_after(milliseconds pause) {
  timer_ = shard0_.after(pause, [this] {
    timer_ = {};
    run();
  });
}

}  // namespace kyanite
