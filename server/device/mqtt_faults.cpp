#include <utility>

#include "server/device/connection_faults.h"
#include "server/device/mqtt_connection.h"
#include "server/device/mqtt_shard.h"
#include "server/hub/fault_control.h"
#include "server/hub/fault_properties.h"
#include "server/hub/test_control.h"

// The faults that a test asked for. All of it is behind a check that the shard has a plan at all.
namespace kyanite {
namespace {

EndReason end_reason(FaultPretext pretext) {
  switch (pretext) {
    case FaultPretext::none:
      return EndReason::fault;
    case FaultPretext::throttled:
      return EndReason::throttled;
    case FaultPretext::quota_exceeded:
      return EndReason::quota_exceeded;
  }
  return EndReason::fault;
}

}  // namespace

ConnectionFaults& MqttConnection::faults() {
  if (!faults_) faults_ = std::make_unique<ConnectionFaults>();
  return *faults_;
}

void MqttConnection::end_by(const Fault& fault) {
  if (ended_) return;
  if (fault.rule.orderly) {
    send_output();
    faults().flush_at_end = true;
  }
  end(end_reason(fault.rule.pretext), "fault " + fault.rule.id);
}

// The bytes of a read that are still taken; the connection ends behind them when they are fewer.
std::string_view MqttConnection::cut_input(std::string_view bytes) {
  const Identity& identity = origin_.identity;
  if (Fault* delay = shaping_timer_ ? nullptr : shard_.faults_->take(FaultKind::delay, identity)) {
    shaping_timer_ = executor().after(delay->rule.wait, [&shard = shard_, self = self_] {
      if (MqttConnection* connection = shard.table_.find(self)) connection->on_turn_to_send();
    });
  }
  return cut(bytes, FaultDirection::from_device);
}

std::string_view MqttConnection::cut(std::string_view bytes, FaultDirection direction) {
  const FaultPtr fault = shard_.faults_->find_cut(direction, origin_.identity);
  if (!fault) return bytes;
  ConnectionFaults::Cut& at =
      direction == FaultDirection::from_device ? faults().from_device : faults().to_device;
  if (at.fault != fault) at = {fault, fault->rule.bytes};
  const std::uint64_t left = at.bytes_left;
  if (bytes.size() < left) {
    at.bytes_left -= bytes.size();
    return bytes;
  }
  at.bytes_left = 0;
  // Another connection may have used the rule up, or its turn has not come: this one goes on, counting anew.
  if (!fault->take()) {
    at.bytes_left = fault->rule.bytes;
    return bytes;
  }
  return bytes.substr(0, left);
}

// True when the output was cut: nothing more is to be written.
bool MqttConnection::cut_output() {
  const std::size_t size = shard_.scratch_.size();
  const std::string_view left = cut(shard_.scratch_, FaultDirection::to_device);
  if (!faults_ || !faults_->to_device.fault || faults_->to_device.bytes_left > 0) return false;
  channel_->write(left);
  shard_.scratch_.clear();
  faults_->flush_at_end = true;
  end(EndReason::fault, "fault " + faults_->to_device.fault->rule.id + ": cut within " +
                            std::to_string(size) + " bytes of output");
  return true;
}

// True when the CONNECT was answered, or its connection ended, in place of being judged.
bool MqttConnection::fault_at_connect() {
  if (const Fault* refusal = shard_.faults_->take(FaultKind::refuse_connect, origin_.identity)) {
    const auto code = static_cast<mqtt::ConnectCode>(refusal->rule.connack_code);
    const bool is_credential = code == mqtt::ConnectCode::not_authorized;
    refuse(code, Error(is_credential ? Errc::unauthorized : Errc::busy, "fault " + refusal->rule.id));
    return true;
  }
  if (const Fault* drop = shard_.faults_->take_drop(FaultMoment::connect, origin_.identity)) {
    end_by(*drop);
    return true;
  }
  return false;
}

bool MqttConnection::fault_at_publish() {
  const Fault* drop = shard_.faults_->take_drop(FaultMoment::publish, origin_.identity);
  if (drop) end_by(*drop);
  return drop != nullptr;
}

// True when the PUBACK of what is stored does not go out now.
bool MqttConnection::fault_at_puback(mqtt::AckSequence sequence) {
  const ActiveFaults& plan = *shard_.faults_;
  if (const Fault* drop = plan.take_drop(FaultMoment::puback, origin_.identity)) {
    end_by(*drop);
    return true;
  }
  if (plan.take(FaultKind::lose_puback, origin_.identity)) {
    session_.lose_acknowledgement(shard_.scratch_, sequence);
    return true;
  }
  if (plan.take(FaultKind::hold_pubacks, origin_.identity)) {
    faults().held.push_back(sequence);
    return true;
  }
  return false;
}

// The plan changed: `began` are the faults that were not in the one before.
void MqttConnection::on_faults_changed(const std::vector<FaultPtr>& began) {
  if (ended_) return;
  const bool still_held = shard_.faults_ && shard_.faults_->holds_pubacks(origin_.identity);
  if (faults_ && !faults_->held.empty() && !still_held) {
    for (const mqtt::AckSequence sequence : std::exchange(faults_->held, {})) {
      session_.acknowledge(shard_.scratch_, sequence);
    }
    handle_events();
  }
  for (const FaultPtr& fault : began) {
    const FaultRule& rule = fault->rule;
    if (ended_ || rule.kind != FaultKind::drop || rule.is_about_requests() || rule.moment != FaultMoment::now)
      continue;
    if (attached_ && rule.scope.matches(origin_.identity) && fault->take()) end_by(*fault);
  }
}

// Telemetry may ask for faults itself, as the service's own tests do.
void MqttConnection::ask_for_faults(std::string_view bag) {
  for (FaultRule& rule : faults_asked_for(bag, origin_.identity)) {
    shard_.services_.tests->faults.add(std::move(rule),
                                       Reply<FaultView>(executor(), [](Result<FaultView>) {}));
  }
}

}  // namespace kyanite
