#include <algorithm>
#include <utility>

#include "protocol/amqp/engine.h"
#include "protocol/amqp/engine_state.h"
#include "protocol/base/assert.h"

// Messages that go, and the peer's word on them.
namespace kyanite::amqp {
namespace {

Outcome lock_lost() {
  return {OutcomeKind::rejected,
          Condition{"com.microsoft:message-lock-lost", "The lock on the message has ended", {}}};
}

}  // namespace

std::uint32_t Engine::may_send(LinkId id) const {
  const Link* link = find(id);
  if (!link || !link->hub_sends || !link->answered || link->ending || link->remainder) return 0;
  if (unsettled_ >= settings_.unsettled_max) return 0;
  return std::min(link->credit, link->session->remote_window);
}

std::uint32_t Engine::credit(LinkId id) const {
  const Link* link = find(id);
  return link && !link->ending ? link->credit : 0;
}

bool Engine::is_draining(LinkId id) const {
  const Link* link = find(id);
  return link && !link->ending && link->draining;
}

void Engine::send(LinkId id, const Sending& sending, std::string_view first, std::string_view second) {
  KYANITE_ASSERT(may_send(id) > 0);
  Link& link = *find(id);
  Session& session = *link.session;
  const std::uint32_t delivery = session.next_delivery++;
  ++link.delivery_count;
  --link.credit;
  if (!sending.settled) {
    session.unsettled[delivery] = {&link, sending.key};
    link.unsettled_by_key[sending.key] = delivery;
    if (++unsettled_ >= settings_.unsettled_max) unsettled_full_ = true;
  }
  Transfer transfer;
  transfer.handle = link.handle;
  transfer.delivery_id = delivery;
  transfer.delivery_tag = sending.tag;
  transfer.message_format = sending.format;
  transfer.settled = sending.settled;
  const std::size_t bytes = first.size() + second.size();
  if (bytes + transfer_head_bytes_max(sending.tag.size()) <= peer_frame_size_) {
    std::string& to = out();
    append_transfer_head(to, session.channel, transfer, bytes);
    to += first;
    to += second;
    ++session.next_outgoing_id;
    --session.remote_window;
    if (link.credit == 0) drained(id);
    return;
  }
  link.remainder = std::make_unique<Link::Remainder>();
  ++session.remainders;
  Link::Remainder& rest = *link.remainder;
  rest.delivery = delivery;
  rest.format = sending.format;
  rest.settled = sending.settled;
  rest.tag = sending.tag;
  rest.bytes.reserve(bytes);
  rest.bytes += first;
  rest.bytes += second;
  write_transfers(link);
}

// As many frames of what is left as the window takes.
void Engine::write_transfers(Link& link) {
  if (!link.remainder) return;
  Session& session = *link.session;
  Link::Remainder& rest = *link.remainder;
  const std::size_t room = peer_frame_size_ - transfer_head_bytes_max(rest.tag.size());
  while (session.remote_window > 0 && rest.at < rest.bytes.size()) {
    const std::string_view piece = std::string_view(rest.bytes).substr(rest.at, room);
    rest.at += piece.size();
    Transfer transfer;
    transfer.handle = link.handle;
    transfer.delivery_id = rest.delivery;
    transfer.delivery_tag = rest.tag;
    transfer.message_format = rest.format;
    transfer.settled = rest.settled;
    transfer.more = rest.at < rest.bytes.size();
    std::string& to = out();
    append_transfer_head(to, session.channel, transfer, piece.size());
    to += piece;
    ++session.next_outgoing_id;
    --session.remote_window;
  }
  if (rest.at < rest.bytes.size()) return;
  drop_remainder(link);
  if (link.credit > 0) {
    events_.emplace_back(CreditReceived{link.id, link.draining});
  } else {
    drained(link.id);
  }
}

void Engine::drained(LinkId id) {
  Link* link = find(id);
  if (!link || link->ending || !link->hub_sends || !link->draining || link->remainder) return;
  link->delivery_count += link->credit;
  link->credit = 0;
  write_flow(*link->session, link, true);
  link->draining = false;
}

void Engine::on_disposition(Session& session, const Disposition& disposition) {
  if (disposition.role != Role::receiver) return;  // of what we received: settled already
  const std::uint32_t span = disposition.last - disposition.first;
  if (span > 0x7fffffff) return;                           // last before first
  if (!disposition.settled && !disposition.state) return;  // how far it has come, no outcome
  // Settled without an outcome: nobody said that it was taken, so that it is not lost.
  outcomes_.outcome = disposition.state.value_or(Outcome{OutcomeKind::released, std::nullopt});
  outcomes_.settled = disposition.settled;
  bool knows_any = false;
  if (span < session.unsettled.size()) {
    for (std::uint32_t i = 0; i <= span; ++i) {
      const std::uint32_t delivery = disposition.first + i;
      if (!session.unsettled.contains(delivery)) continue;
      knows_any = true;
      name_outcome(session, delivery);
    }
  } else {
    std::vector<std::uint32_t> named;
    for (const auto& [delivery, sent] : session.unsettled) {
      if (delivery - disposition.first <= span) named.push_back(delivery);
    }
    std::sort(named.begin(), named.end(), [first = disposition.first](std::uint32_t a, std::uint32_t b) {
      return a - first < b - first;
    });
    knows_any = !named.empty();
    for (const std::uint32_t delivery : named) name_outcome(session, delivery);
  }
  if (outcomes_.named.empty()) outcomes_ = {};
  tell_unsettled_room();
  // A receiver that waits for our answer about something we forgot.
  if (!disposition.settled && !knows_any && session.next_delivery - disposition.first - 1 < 0x7fffffff &&
      session.next_delivery - disposition.last - 1 < 0x7fffffff) {
    append_disposition(
        out(), session.channel,
        Disposition{Role::sender, disposition.first, disposition.last, true, tracked(lock_lost())});
  }
}

// Told once: a receiver in mode second that says it again is answered when the first one is.
void Engine::name_outcome(Session& session, std::uint32_t delivery) {
  const auto found = session.unsettled.find(delivery);
  Session::Sent& sent = found->second;
  if (outcomes_.settled || !sent.told) outcomes_.named.push_back({sent.link->id, sent.key});
  sent.told = true;
  if (!outcomes_.settled) return;  // until settle_sent
  sent.link->unsettled_by_key.erase(sent.key);
  session.unsettled.erase(found);
  --unsettled_;
}

std::optional<Event> Engine::next_outcome() {
  while (outcomes_.at < outcomes_.named.size()) {
    const Outcomes::Of of = outcomes_.named[outcomes_.at++];
    // The caller may have ended the link since.
    if (has(of.link)) return OutcomeReceived{of.link, of.key, outcomes_.outcome, outcomes_.settled};
  }
  if (outcomes_.at > 0) outcomes_ = {};
  return std::nullopt;
}

// Links that had credit stood still because too much was unsettled.
void Engine::tell_unsettled_room() {
  if (!unsettled_full_ || unsettled_ >= settings_.unsettled_max) return;
  unsettled_full_ = false;
  for (const auto& [channel, session] : sessions_) {
    if (session->remote_window > 0) tell_room(*session);
  }
}

void Engine::settle_sent(LinkId id, std::uint64_t key, const Outcome& outcome) {
  Link* link = find(id);
  if (!link || link->ending) return;
  const auto found = link->unsettled_by_key.find(key);
  if (found == link->unsettled_by_key.end()) return;
  const std::uint32_t delivery = found->second;
  append_disposition(out(), link->session->channel,
                     Disposition{Role::sender, delivery, delivery, true, tracked(outcome)});
  link->session->unsettled.erase(delivery);
  link->unsettled_by_key.erase(found);
  --unsettled_;
  tell_unsettled_room();
}

void Engine::forget_sent(LinkId id, std::uint64_t key) {
  Link* link = find(id);
  if (!link) return;
  const auto found = link->unsettled_by_key.find(key);
  if (found == link->unsettled_by_key.end()) return;
  link->session->unsettled.erase(found->second);
  link->unsettled_by_key.erase(found);
  --unsettled_;
  tell_unsettled_room();
}

void Engine::forget_unsettled(Link& link) {
  for (const auto& [key, delivery] : link.unsettled_by_key) link.session->unsettled.erase(delivery);
  unsettled_ -= link.unsettled_by_key.size();
  link.unsettled_by_key.clear();
  tell_unsettled_room();
}

}  // namespace kyanite::amqp
