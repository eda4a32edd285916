#include "server/amqp/amqp_connection.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/limits.h"
#include "server/amqp/amqp_device.h"
#include "server/amqp/link_openers.h"

// Bytes, output, links and the end.
namespace kyanite {
namespace {

constexpr std::size_t kOutputBytesKept = 4 * 1024;  // of an idle connection
// Lines for the log of one connection, which may be refused as often as it asks.
constexpr unsigned kRefusalsToldMax = 100;
constexpr milliseconds kRefusalsTime{60'000};

amqp::EngineSettings engine_settings(const AmqpShard& shard, const PeerInfo& peer) {
  amqp::EngineSettings settings;
  const std::string& host = shard.security().host_names.front();
  settings.container_id = host.substr(0, host.find('.')) + "-" + std::to_string(shard.shard().value);
  settings.offers_external = !peer.certificate_chain.empty();
  settings.offers_plain = !peer.tls_version.empty();
  settings.make_tracking_id = random_guid;
  return settings;
}

}  // namespace

AmqpConnection::AmqpConnection(AmqpShard& shard, std::uint64_t number, std::unique_ptr<Channel> channel)
    : shard_(shard),
      number_(number),
      channel_(std::move(channel)),
      engine_(engine_settings(shard, channel_->peer()), shard.services().executor.now()),
      unproven_since_(shard.services().executor.now()) {}

AmqpConnection::~AmqpConnection() {
  services().executor.cancel(timer_);
  drop_ended();
  links_.clear();
  devices_.clear();
  channel_->detach();
}

void AmqpConnection::start() {
  arm_timer();
  channel_->start(*this);
}

void AmqpConnection::on_bytes(std::string_view bytes) {
  if (ended_) return;
  heard_ = true;
  engine_.feed(bytes, services().executor.now());
  flush();
}

void AmqpConnection::on_writable() {
  if (ended_) return;
  full_since_.reset();
  if (std::exchange(no_room_, false)) {
    // A copy: links may end while they are told.
    std::vector<std::uint64_t> waiting;
    waiting.reserve(links_.size());
    for (const auto& [id, entry] : links_) waiting.push_back(id);
    // They take turns at being first, for the first one may use up all the room.
    if (!waiting.empty()) {
      const auto first = static_cast<std::ptrdiff_t>(room_turn_++ % waiting.size());
      std::rotate(waiting.begin(), waiting.begin() + first, waiting.end());
    }
    for (const std::uint64_t id : waiting) {
      if (AmqpLink* link = find(amqp::LinkId{id})) link->on_room();
    }
  }
  flush();
}

void AmqpConnection::on_closed(ChannelEnd how) {
  const PeerInfo& peer = channel_->peer();
  if (!ended_ && !heard_ && how != ChannelEnd::closed_by_us && peer.transport == PeerTransport::tcp &&
      !peer.tls_version.empty()) {
    shard_.observer().on_left_silently(peer.address, peer.tls_version, DeviceProtocol::amqp);
  }
  if (!ended_) finish(false);
  shard_.release(number_);
}

void AmqpConnection::flush() {
  if (handling_ || ended_) return;
  handle_events();
  write_output();
  drop_ended();
  update_reading();
}

void AmqpConnection::drop_ended() {
  ended_links_.clear();
  ended_devices_.clear();
}

// Stops where the peer should read first; what is left when the engine has closed is only its end.
void AmqpConnection::handle_events() {
  handling_ = true;
  held_ = false;
  while (!ended_) {
    if (is_output_full() && engine_.state() != amqp::EngineState::closed) {
      held_ = true;
      break;
    }
    std::optional<amqp::Event> event = engine_.next();
    if (!event) break;
    std::visit([this](auto& e) { handle(e); }, *event);
  }
  if (!ended_) engine_.hold();
  handling_ = false;
}

bool AmqpConnection::is_output_full() const {
  return channel_->queued_bytes() + engine_.output_bytes() > limits::kAmqpOutputBytes;
}

void AmqpConnection::write_output() {
  std::string& output = engine_.output();
  if (output.empty()) return;
  if (!ended_) channel_->write(output);
  output.clear();
  if (output.capacity() > kOutputBytesKept) std::string().swap(output);
}

// A full queue has room again in a moment. A full disk may last, and stops telemetry, which nobody can
// refuse: readers and back ends go on, since settling makes room and tokens have to be renewed.
void AmqpConnection::update_reading() {
  if (ended_) return;
  if (!held_) {
    full_since_.reset();
  } else if (!full_since_) {
    full_since_ = services().executor.now();
  }
  const StorePressure pressure = shard_.pressure();
  const bool is_stopped = !devices_.empty() || (pressure == StorePressure::queue_full && !links_.empty());
  const bool pause = held_ || engine_.awaits_sasl() || (pressure != StorePressure::none && is_stopped);
  if (pause == reading_paused_) return;
  reading_paused_ = pause;
  if (pause) {
    channel_->pause_reading();
  } else {
    engine_.feed({}, services().executor.now());  // what came meanwhile was not read: silence begins anew
    channel_->resume_reading();
  }
}

// Links

std::uint32_t AmqpConnection::may_send(amqp::LinkId link) {
  if (ended_) return 0;
  if (is_output_full()) {
    no_room_ = true;
    return 0;
  }
  return engine_.may_send(link);
}

void AmqpConnection::accept(amqp::LinkId id, amqp::Acceptance acceptance, std::unique_ptr<AmqpLink> link,
                            std::uint64_t claim) {
  if (ended_ || !engine_.has(id)) return;
  if (claim != 0 && !claims_.find(claim)) {
    refuse(id, condition_of(Error(Errc::unauthorized, "the token has expired")));
    link->on_ending();
    ended_links_.push_back(std::move(link));
    return;
  }
  links_[id.value] = {std::move(link), claim};
  ++shard_.statistics().links;
  ++shard_.statistics().accepted_links;
  engine_.accept(id, std::move(acceptance));
}

void AmqpConnection::refuse(amqp::LinkId id, amqp::Condition condition) {
  if (ended_ || !engine_.has(id)) return;
  ++shard_.statistics().refused_links;
  engine_.refuse(id, std::move(condition));
}

void AmqpConnection::detach(amqp::LinkId id, amqp::Condition condition) {
  if (ended_) return;
  engine_.detach(id, std::move(condition));
  if (auto link = take_link(id)) ended_links_.push_back(std::move(link));
}

AmqpLink* AmqpConnection::find(amqp::LinkId id) const {
  const auto found = links_.find(id.value);
  return found == links_.end() ? nullptr : found->second.link.get();
}

std::unique_ptr<AmqpLink> AmqpConnection::take_link(amqp::LinkId id) {
  const auto found = links_.find(id.value);
  if (found == links_.end()) return nullptr;
  std::unique_ptr<AmqpLink> link = std::move(found->second.link);
  links_.erase(found);
  --shard_.statistics().links;
  link->on_ending();
  return link;
}

void AmqpConnection::handle(const amqp::MessageReceived& message) {
  if (AmqpLink* link = find(message.link)) link->on_message(message);
}

void AmqpConnection::handle(const amqp::CreditReceived& credit) {
  if (AmqpLink* link = find(credit.link)) link->on_room();
}

void AmqpConnection::handle(const amqp::OutcomeReceived& outcome) {
  if (AmqpLink* link = find(outcome.link)) link->on_outcome(outcome);
}

void AmqpConnection::handle(const amqp::LinkEnded& ended) {
  if (auto link = take_link(ended.link)) ended_links_.push_back(std::move(link));
}

void AmqpConnection::handle(const amqp::PeerClosed&) { finish(true); }

AmqpDevice* AmqpConnection::device(const Identity& identity) {
  std::unique_ptr<AmqpDevice>& device = devices_[identity];
  if (!device) {
    const ConnectionRef ref = shard_.add_device(*this, identity);
    if (!ref) {
      devices_.erase(identity);
      return nullptr;
    }
    device = std::make_unique<AmqpDevice>(*this, ref, identity);
  }
  return device.get();
}

AmqpDevice* AmqpConnection::find_device(const Identity& identity) const {
  const auto found = devices_.find(identity);
  return found == devices_.end() ? nullptr : found->second.get();
}

void AmqpConnection::remove_device(const Identity& identity) {
  const auto found = devices_.find(identity);
  if (found == devices_.end()) return;
  ended_devices_.push_back(std::move(found->second));
  devices_.erase(found);
}

void AmqpConnection::tell_refused(std::string_view what, const Error& error) {
  ++shard_.statistics().refusals;
  const SteadyTime now = services().executor.now();
  if (now - refusals_since_ >= kRefusalsTime) {
    refusals_since_ = now;
    refusals_told_ = 0;
  }
  if (++refusals_told_ > kRefusalsToldMax) return;
  shard_.observer().on_amqp_refused(channel_->peer().address, container_, what, error);
}

// The end

void AmqpConnection::end(amqp::Condition condition) {
  if (ended_) return;
  engine_.close(std::move(condition));
  finish(true);
}

// The links know nothing of it yet; what the engine wrote goes out before the stream ends.
void AmqpConnection::finish(bool flush_output) {
  if (ended_) return;
  finishing_ = true;
  while (!links_.empty()) {
    ended_links_.push_back(take_link(amqp::LinkId{links_.begin()->first}));
  }
  write_output();
  ended_ = true;
  services().executor.cancel(timer_);
  timer_ = {};
  for (auto& [identity, device] : devices_) ended_devices_.push_back(std::move(device));
  devices_.clear();
  // Whoever is on the stack may be one of them. Their destruction tells the owners.
  services().executor.post([&shard = shard_, number = number_] {
    if (AmqpConnection* self = shard.find(number)) self->drop_ended();
  });
  channel_->close(flush_output);
}

}  // namespace kyanite
