#include "tests/sim/c2d_checker.h"

#include <algorithm>

#include "protocol/base/limits.h"
#include "tests/sim/telemetry_checker.h"

namespace kyanite::sim {
namespace {

std::string text_of(std::uint64_t number) { return "c" + std::to_string(number); }

std::string_view text_of(FeedbackStatus status) {
  switch (status) {
    case FeedbackStatus::success:
      return "Success";
    case FeedbackStatus::expired:
      return "Expired";
    case FeedbackStatus::delivery_count_exceeded:
      return "DeliveryCountExceeded";
    case FeedbackStatus::rejected:
      return "Rejected";
    case FeedbackStatus::purged:
      return "Purged";
  }
  return "?";
}

}  // namespace

void C2dChecker::sent(std::uint64_t number, const std::string& device, AckRequest ack,
                      std::optional<WallTime> expiry) {
  sends_[number] = {.device = device, .ack = ack, .expiry = expiry, .sent_at = latest_wall_};
}

void C2dChecker::answered(std::uint64_t number, int status) {
  Send& send = sends_[number];
  if (status == 204) {
    // One that met the end of its device may have been stored and removed in one commit.
    send.accepted = !send.device_erased;
    judge_.require(send.appended || send.device_erased, text_of(number) + " is stored when it is accepted");
  } else {
    send.refused = true;
    judge_.require(!send.appended, text_of(number) + " was refused and is not stored");
  }
}

void C2dChecker::written(const std::string& body, const Identity& to, std::uint64_t connection, Way way,
                         SteadyTime now) {
  const std::uint64_t number = number_of(body, 'c');
  const auto found = sends_.find(number);
  judge_.require(found != sends_.end(), "a device gets only what was sent: " + body);
  if (found == sends_.end()) return;
  Send& send = found->second;
  judge_.require(!to.is_module() && to.device == send.device, body + " goes to its own device only");
  judge_.require(send.appended || send.device_erased, body + " is stored before it is delivered");
  // What the owner had sent on its way in the same instant may still arrive.
  judge_.require(!(send.ended && (send.device_acknowledged || send.device_rejected) && send.ended_at < now),
                 body + " is not delivered after it was completed");
  if (way == Way::qos0) send.device_acknowledged = true;
  if (!send.appended) return;  // its place was never seen
  Line& line = lines_[connection];
  if (++line.written[send.sequence] == 1) {
    // One that was lent and not yet written may have lost its lock, and the next ones pass it.
    const bool lost_its_lock = way == Way::lent && latest_wall_ - send.sent_at >= lock_time_;
    judge_.require(line.newest < send.sequence || lost_its_lock,
                   body + " is delivered in the order of the queue");
    line.newest = std::max(line.newest, send.sequence);
  }
}

bool C2dChecker::may_have_expired(const Send& send) const {
  return latest_wall_ >= (send.expiry ? *send.expiry : send.sent_at + default_ttl_);
}

bool C2dChecker::may_be_exceeded(const Send& send) const {
  return counts_deliveries_ || send.abandoned >= deliveries_max_;
}

void C2dChecker::settlement_confirmed(std::uint64_t number) {
  const Send& send = sends_[number];
  judge_.require(send.ended || send.device_erased, text_of(number) + " has ended when that is confirmed");
}

void C2dChecker::on_end(std::uint64_t number, bool with_its_device, SteadyTime now) {
  Send& send = sends_[number];
  judge_.require(!send.ended, text_of(number) + " ends once");
  send.ended = true;
  send.ended_at = now;
  const Excuses& excuses = excuses_[send.device];
  judge_.require(with_its_device || send.device_acknowledged || send.device_rejected ||
                     may_have_expired(send) || excuses.purges > 0 || excuses.subscriptions > 0 ||
                     may_be_exceeded(send),
                 text_of(number) + " ends for a reason");
}

void C2dChecker::on_feedback(const FeedbackRecord& record) {
  const std::uint64_t number = number_of(record.original_message_id, 'c');
  const auto found = sends_.find(number);
  const std::string text = text_of(number) + " " + std::string(text_of(record.status));
  judge_.require(found != sends_.end() && found->second.ended,
                 "feedback is of a message that ended: " + text);
  if (found == sends_.end()) return;
  Send& send = found->second;
  judge_.require(!send.feedback, "there is one feedback for a message: " + text);
  send.feedback = record.status;
  const bool good = record.status == FeedbackStatus::success;
  judge_.require(
      send.ack == AckRequest::full || send.ack == (good ? AckRequest::positive : AckRequest::negative),
      "feedback was asked for: " + text);
  const Excuses& excuses = excuses_[send.device];
  switch (record.status) {
    case FeedbackStatus::success:
      return judge_.require(send.device_acknowledged, "the device acknowledged what succeeded: " + text);
    case FeedbackStatus::expired:
      return judge_.require(may_have_expired(send), "what expired had reached its time: " + text);
    case FeedbackStatus::delivery_count_exceeded:
      return judge_.require(may_be_exceeded(send), "its deliveries were counted: " + text);
    case FeedbackStatus::rejected:
      return judge_.require(send.device_rejected, "the device rejected it: " + text);
    case FeedbackStatus::purged:
      return judge_.require(excuses.purges > 0 || excuses.subscriptions > 0, "somebody purged: " + text);
  }
}

// Ends are not waited for: what has ended may still be stored when its successor is.
void C2dChecker::check_bound(const std::string& device, const std::map<std::uint64_t, C2dMessage>& messages) {
  if (messages.size() <= limits::kC2dDepthMax || excuses_[device].purges > 0) return;
  const auto waits = [this](const auto& entry) {
    const auto send = sends_.find(number_of(entry.second.body, 'c'));
    return send != sends_.end() && !send->second.device_acknowledged && !send->second.device_rejected &&
           send->second.abandoned == 0 && !may_have_expired(send->second);
  };
  const auto waiting = std::count_if(messages.begin(), messages.end(), waits);
  judge_.require(
      waiting <= static_cast<std::ptrdiff_t>(limits::kC2dDepthMax) || excuses_[device].subscriptions > 0,
      "a queue keeps its bound: " + device + " has " + std::to_string(waiting));
}

void C2dChecker::on_commit(const MemoryState& state, SteadyTime now) {
  // Devices first: what ends with its device asks for no feedback.
  for (auto& [device, queue] : queues_) {
    const auto identity = state.identities.find(Identity{device, {}});
    const bool same =
        identity != state.identities.end() && identity->second.generation_id == queue.generation;
    if (same) continue;
    for (auto& [number, send] : sends_) {
      if (send.device == device && !send.appended) send.device_erased = true;
    }
    for (const auto& [sequence, number] : std::exchange(queue.messages, {})) on_end(number, true, now);
    queue.newest = 0;
    queue.generation = identity == state.identities.end() ? "" : identity->second.generation_id;
  }
  for (const auto& [id, identity] : state.identities) {
    if (id.is_module()) continue;
    Queue& queue = queues_[id.device];
    if (queue.generation.empty()) queue.generation = identity.generation_id;
    const auto stored = state.c2d.find(id.device);
    static const std::map<std::uint64_t, C2dMessage> kNone;
    const auto& messages = stored == state.c2d.end() ? kNone : stored->second.messages;
    check_bound(id.device, messages);
    std::erase_if(queue.messages, [&](const auto& known) {
      if (messages.contains(known.first)) return false;
      on_end(known.second, false, now);
      return true;
    });
    for (auto message = messages.upper_bound(queue.newest); message != messages.end(); ++message) {
      queue.newest = message->first;
      const std::uint64_t number = number_of(message->second.body, 'c');
      const auto send = sends_.find(number);
      judge_.require(send != sends_.end() && send->second.device == id.device,
                     "a queue holds only what was sent: " + message->second.body);
      if (send == sends_.end()) continue;
      judge_.require(!send->second.appended, message->second.body + " is queued once");
      judge_.require(!send->second.refused, message->second.body + " was refused and is not queued");
      send->second.appended = true;
      send->second.sequence = message->first;
      queue.messages[message->first] = number;
    }
  }
  for (const auto& [sequence, record] : state.feedback) {
    if (sequence <= newest_feedback_) continue;
    newest_feedback_ = sequence;
    on_feedback(record);
  }
}

void C2dChecker::feedback_received(const std::string& message_id, const std::string& status, SteadyTime now) {
  const auto found = sends_.find(number_of(message_id, 'c'));
  const bool known = found != sends_.end() && found->second.feedback;
  judge_.require(known && text_of(*found->second.feedback) == status,
                 "a receiver gets the feedback that was made: " + message_id + " " + status);
  if (!known) return;
  judge_.require(!found->second.feedback_completed || found->second.feedback_completed_at == now,
                 "completed feedback does not come again: " + message_id);
}

void C2dChecker::feedback_completed(const std::string& message_id, SteadyTime now) {
  Send& send = sends_[number_of(message_id, 'c')];
  send.feedback_completed = true;
  send.feedback_completed_at = now;
}

void C2dChecker::finish(const MemoryState& state) {
  for (const auto& [number, send] : sends_) {
    if (!send.accepted) continue;
    const auto queue = state.c2d.find(send.device);
    const bool queued = queue != state.c2d.end() && queue->second.messages.contains(send.sequence) &&
                        queue->second.messages.at(send.sequence).body == text_of(number);
    judge_.require(send.ended != queued, "accepted " + text_of(number) + " is queued until it ends");
  }
}

}  // namespace kyanite::sim
