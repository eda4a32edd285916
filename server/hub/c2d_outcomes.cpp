#include "server/hub/c2d_outcomes.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace kyanite {
namespace {

constexpr milliseconds kSettleRetryAfter{1000};

bool is_empty(const C2dOutcome& outcome) {
  return outcome.removed.empty() && outcome.deliveries.empty() && outcome.feedback.empty();
}

}  // namespace

void C2dOutcomes::remove(std::uint64_t sequence, std::optional<FeedbackRecord> feedback) {
  std::erase_if(next_.deliveries, [&](const auto& delivery) { return delivery.sequence == sequence; });
  next_.removed.push_back(sequence);
  if (feedback) next_.feedback.push_back(*std::move(feedback));
}

void C2dOutcomes::mark(C2dOutcome::Delivery delivery) {
  std::erase_if(next_.deliveries, [&](const auto& known) { return known.sequence == delivery.sequence; });
  next_.deliveries.push_back(delivery);
}

void C2dOutcomes::write() {
  if (writing_ || retry_) return;
  if (is_empty(next_)) {
    for (Reply<void>& done : std::exchange(waiting_, {})) done({});
    return;
  }
  writing_ = true;
  C2dOutcome outcome = std::exchange(next_, {});
  outcome.device = host_.device();
  // Kept for another try; the store gets a copy, which is some numbers for most devices.
  C2dOutcome copy = outcome;
  host_.stores().c2d().settle(
      std::move(copy),
      Reply<void>(host_.executor(), [this, life = life_, outcome = std::move(outcome),
                                     waiting = std::exchange(waiting_, {})](Result<void> written) mutable {
        writing_ = false;
        if (life == life_) {
          on_written(std::move(outcome), std::move(waiting), written);
        } else {
          // The device was deleted, and what was settled with it.
          for (Reply<void>& reply : waiting) reply({});
        }
        write();
        host_.settled();
      }));
}

void C2dOutcomes::write(Reply<void> reply) {
  waiting_.push_back(std::move(reply));
  write();
}

void C2dOutcomes::on_written(C2dOutcome outcome, std::vector<Reply<void>> waiting,
                             const Result<void>& written) {
  refused_ = 0;
  if (written && !outcome.feedback.empty()) host_.feedback_written();
  if (written || written.error().code == Errc::shutting_down) {
    for (Reply<void>& reply : waiting) reply(written);
    return;
  }
  std::move(waiting.begin(), waiting.end(), std::back_inserter(waiting_));
  // What came up meanwhile is newer.
  C2dOutcome newer = std::exchange(next_, std::move(outcome));
  for (const auto& delivery : newer.deliveries) mark(delivery);
  for (const std::uint64_t sequence : newer.removed) remove(sequence, std::nullopt);
  for (FeedbackRecord& feedback : newer.feedback) next_.feedback.push_back(std::move(feedback));
  refused_ = next_.removed.size();
  retry_ = host_.executor().after(kSettleRetryAfter, [this] {
    retry_ = {};
    write();
    host_.settled();
  });
}

void C2dOutcomes::forget() {
  ++life_;
  next_ = {};
  for (Reply<void>& reply : std::exchange(waiting_, {})) reply({});
  refused_ = 0;
  host_.executor().cancel(std::exchange(retry_, TimerId{}));
}

}  // namespace kyanite
