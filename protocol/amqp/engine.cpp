#include "protocol/amqp/engine.h"

#include <algorithm>
#include <utility>

#include "protocol/amqp/engine_state.h"

// The connection: protocol headers, SASL, open and close, time.
namespace kyanite::amqp {
namespace {

constexpr std::string_view kOurAmqpHeader("AMQP\x00\x01\x00\x00", 8);
constexpr std::string_view kOurSaslHeader("AMQP\x03\x01\x00\x00", 8);
constexpr std::uint32_t kFrameSizeMin = 512;  // the standard's smallest max-frame-size
constexpr milliseconds kHeartbeatMin{20};
constexpr std::size_t kEventsKept = 4;  // of a connection that is idle

}  // namespace

Engine::Engine(EngineSettings settings, SteadyTime now)
    : settings_(std::move(settings)),
      decoder_(settings_.max_frame_size),
      started_(now),
      last_received_(now) {}

Engine::~Engine() = default;

void Engine::feed(std::string_view bytes, SteadyTime now) {
  last_received_ = now;
  if (state_ != EngineState::closed) decoder_.feed(bytes);
}

void Engine::hold() {
  if (state_ != EngineState::closed) decoder_.hold();
}

std::optional<Event> Engine::next() {
  for (;;) {
    if (event_at_ < events_.size()) {
      Event& event = events_[event_at_++];
      // Decided before the caller ended the link.
      if (const auto* credit = std::get_if<CreditReceived>(&event); credit && !has(credit->link)) continue;
      if (const auto* told = std::get_if<OutcomeReceived>(&event); told && !has(told->link)) continue;
      if (const auto* message = std::get_if<MessageReceived>(&event); message && !has(message->link))
        continue;
      return std::move(event);
    }
    events_.clear();
    event_at_ = 0;
    if (std::optional<Event> outcome = next_outcome()) return outcome;
    if (!assembled_.empty()) std::string().swap(assembled_);
    if (state_ == EngineState::closed || awaiting_sasl_) return std::nullopt;

    if (state_ == EngineState::header) {
      const Result<std::optional<ProtocolHeader>> header = decoder_.next_header();
      if (!header) {
        fail(header.error());
      } else if (!*header) {
        return std::nullopt;
      } else {
        on_header(**header);
      }
      continue;
    }
    const Result<std::optional<Frame>> frame = decoder_.next_frame();
    if (!frame) {
      fail(frame.error());
    } else if (!*frame) {
      if (events_.capacity() > kEventsKept) std::vector<Event>().swap(events_);
      return std::nullopt;
    } else if (state_ == EngineState::sasl) {
      on_sasl(**frame);
    } else {
      on_frame(**frame);
    }
  }
}

std::string& Engine::out() {
  write_settlements();
  return output_;
}

std::string& Engine::output() { return out(); }

Condition Engine::tracked(Condition condition) const {
  if (settings_.make_tracking_id && condition.info.empty()) {
    condition.info.entries.push_back({Symbol{"com.microsoft:tracking-id"}, settings_.make_tracking_id()});
  }
  return condition;
}

std::optional<Condition> Engine::tracked(std::optional<Condition> condition) const {
  if (condition) condition = tracked(std::move(*condition));
  return condition;
}

Outcome Engine::tracked(Outcome outcome) const {
  outcome.error = tracked(std::move(outcome.error));
  return outcome;
}

void Engine::on_header(ProtocolHeader header) {
  if (header == ProtocolHeader::amqp) {
    output_ += kOurAmqpHeader;
    state_ = EngineState::opening;
    return;
  }
  output_ += kOurSaslHeader;
  if (sasl_done_) {
    state_ = EngineState::closed;
    events_.emplace_back(PeerClosed{Condition{"amqp:connection:framing-error", "SASL was done already", {}}});
    return;
  }
  std::vector<std::string> mechanisms{"MSSBCBS"};
  if (settings_.offers_plain) mechanisms.emplace_back("PLAIN");
  mechanisms.emplace_back("ANONYMOUS");
  if (settings_.offers_external) mechanisms.emplace_back("EXTERNAL");
  append_sasl_mechanisms(output_, mechanisms);
  state_ = EngineState::sasl;
}

void Engine::on_sasl(const Frame& frame) {
  if (frame.type != FrameType::sasl) {
    return fail(Condition{"amqp:connection:framing-error", "an AMQP frame where SASL is under way", {}});
  }
  Result<SaslInit> init = read_sasl_init(frame.body);
  if (!init) return fail(init.error());
  awaiting_sasl_ = true;
  events_.emplace_back(SaslStarted{std::move(init->mechanism), std::move(init->initial_response)});
}

void Engine::sasl_outcome(bool accepted) {
  if (!std::exchange(awaiting_sasl_, false) || state_ != EngineState::sasl) return;
  append_sasl_outcome(output_, accepted ? 0 : 1);
  sasl_done_ = accepted;
  state_ = accepted ? EngineState::header : EngineState::closed;
}

void Engine::on_frame(const Frame& frame) {
  if (frame.type != FrameType::amqp) {
    return fail(Condition{"amqp:connection:framing-error", "a SASL frame outside of SASL", {}});
  }
  if (frame.body.empty()) return;  // a heartbeat
  Result<Performative> read = read_performative(frame.body);
  if (!read) return fail(read.error());
  if (state_ == EngineState::opening) {
    if (const auto* open = std::get_if<Open>(&*read)) return on_open(*open);
    return fail(Condition{"amqp:connection:framing-error", "the first frame must be open", {}});
  }
  if (const auto* close = std::get_if<Close>(&*read)) {
    append_close(out(), {});
    return end_all(close->error, std::nullopt);
  }
  if (const auto* begin = std::get_if<Begin>(&*read)) return on_begin(frame.channel, *begin);
  if (std::holds_alternative<Open>(*read)) {
    return fail(Condition{"amqp:not-allowed", "a second open", {}});
  }
  const auto found = sessions_.find(frame.channel);
  if (found == sessions_.end()) {
    return fail(Condition{"amqp:not-allowed", "a frame on a channel without a session", {}});
  }
  Session& session = *found->second;
  if (session.ended) {
    // Clients that ended a session, or were told of its end, may still send on it.
    if (std::holds_alternative<End>(*read)) session.handles.clear();
    return;
  }
  if (auto* attach = std::get_if<Attach>(&*read)) return on_attach(session, std::move(*attach));
  if (const auto* flow = std::get_if<Flow>(&*read)) return on_flow(session, *flow);
  if (const auto* transfer = std::get_if<Transfer>(&*read)) return on_transfer(session, *transfer);
  if (const auto* disposition = std::get_if<Disposition>(&*read))
    return on_disposition(session, *disposition);
  if (const auto* detach = std::get_if<Detach>(&*read)) return on_detach(session, *detach);
  on_end(session);
}

void Engine::on_open(const Open& open) {
  Open answer;
  answer.container_id = settings_.container_id;
  answer.max_frame_size = settings_.max_frame_size;
  answer.channel_max = static_cast<std::uint16_t>(settings_.sessions_max - 1);
  answer.idle_time_out_ms = static_cast<std::uint32_t>(settings_.idle_timeout.count());
  append_open(out(), answer);
  state_ = EngineState::open;
  if (open.max_frame_size < kFrameSizeMin) {
    return fail(Condition{"amqp:connection:framing-error", "max-frame-size must be 512 or more", {}});
  }
  peer_frame_size_ = std::min(open.max_frame_size, settings_.max_frame_size);
  if (open.idle_time_out_ms && *open.idle_time_out_ms > 0) {
    heartbeat_every_ = std::max(kHeartbeatMin, milliseconds(*open.idle_time_out_ms / 2));
    next_heartbeat_ = last_received_ + *heartbeat_every_;
  }
  events_.emplace_back(Opened{open.container_id, open.hostname, sasl_done_});
}

// Bytes that are no AMQP at all get our header and nothing else, as the standard asks.
void Engine::fail(const Error& error) {
  if (state_ == EngineState::header || state_ == EngineState::sasl) {
    if (state_ == EngineState::header) output_ += sasl_done_ ? kOurAmqpHeader : kOurSaslHeader;
    state_ = EngineState::closed;
    events_.emplace_back(PeerClosed{Condition{"amqp:connection:framing-error", error.detail, {}}});
    return;
  }
  fail(Condition{error.code == Errc::packet_too_large ? "amqp:connection:framing-error" : "amqp:decode-error",
                 error.detail,
                 {}});
}

void Engine::fail(Condition condition) {
  if (state_ == EngineState::closed) return;
  if (state_ == EngineState::opening) {
    Open answer;
    answer.container_id = settings_.container_id;
    answer.max_frame_size = settings_.max_frame_size;
    append_open(out(), answer);
  }
  if (state_ != EngineState::sasl && state_ != EngineState::header)
    append_close(out(), Close{tracked(condition)});
  end_all(condition, condition);
}

// A peer's condition may be as long as a frame: it is not copied for each link.
void Engine::end_all(const std::optional<Condition>& condition, const std::optional<Condition>& of_links) {
  state_ = EngineState::closed;
  settlements_.count = 0;
  outcomes_ = {};
  for (const auto& [channel, session] : sessions_) end_links(*session, of_links);
  sessions_.clear();
  events_.emplace_back(PeerClosed{condition});
}

void Engine::close(std::optional<Condition> condition) {
  if (state_ == EngineState::closed) return;
  if (state_ == EngineState::open) append_close(out(), Close{tracked(std::move(condition))});
  state_ = EngineState::closed;
  links_.clear();
  sessions_.clear();
  outcomes_ = {};
  events_.clear();
  event_at_ = 0;
}

SteadyTime Engine::next_due() const {
  SteadyTime due = state_ == EngineState::open ? last_received_ + settings_.idle_timeout
                                               : started_ + settings_.open_timeout;
  if (state_ == EngineState::open && heartbeat_every_) due = std::min(due, next_heartbeat_);
  return due;
}

void Engine::on_time(SteadyTime now) {
  if (state_ == EngineState::closed) return;
  if (state_ != EngineState::open) {
    if (now - started_ >= settings_.open_timeout) {
      fail(Condition{"amqp:resource-limit-exceeded", "no open in time", {}});
    }
    return;
  }
  if (now - last_received_ >= settings_.idle_timeout) {
    return fail(Condition{"amqp:resource-limit-exceeded", "nothing came within the idle time-out", {}});
  }
  if (heartbeat_every_ && now >= next_heartbeat_) {
    append_empty_frame(out());
    next_heartbeat_ = now + *heartbeat_every_;
  }
}

}  // namespace kyanite::amqp
