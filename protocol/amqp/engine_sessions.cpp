#include <algorithm>
#include <utility>

#include "protocol/amqp/engine.h"
#include "protocol/amqp/engine_state.h"

// Sessions: begin, flow, end.
namespace kyanite::amqp {
namespace {

// Of a difference of serial numbers.
bool is_negative(std::uint32_t difference) { return difference > 0x7fff'ffff; }

}  // namespace

void Engine::on_begin(std::uint16_t channel, const Begin& begin) {
  if (channel >= settings_.sessions_max) {
    return fail(Condition{"amqp:connection:framing-error", "a channel beyond channel-max", {}});
  }
  std::unique_ptr<Session>& session = sessions_[channel];
  if (session && !session->ended) {
    return fail(Condition{"amqp:not-allowed", "a second begin on a channel", {}});
  }
  session = std::make_unique<Session>();
  session->channel = channel;
  session->handle_max = begin.handle_max;
  session->next_incoming_id = begin.next_outgoing_id;
  session->incoming_window = settings_.incoming_window;
  session->remote_window = begin.incoming_window;

  Begin answer;
  answer.remote_channel = channel;
  answer.next_outgoing_id = 0;
  answer.incoming_window = settings_.incoming_window;
  answer.outgoing_window = settings_.incoming_window;
  answer.handle_max = settings_.links_per_session - 1;
  append_begin(out(), channel, answer);
}

void Engine::on_flow(Session& session, const Flow& flow) {
  // What is on its way was not counted by the peer yet. Without next-incoming-id it has seen nothing.
  const std::uint32_t on_their_way = session.next_outgoing_id - flow.next_incoming_id.value_or(0);
  const bool was_shut = session.remote_window == 0;
  // A count that nobody sent is taken for an empty window, not for one of four thousand million.
  session.remote_window = on_their_way > flow.incoming_window ? 0 : flow.incoming_window - on_their_way;
  session.next_incoming_id = flow.next_outgoing_id;

  if (!flow.handle) {
    if (flow.echo) write_flow(session, nullptr);
    if (session.remote_window > 0) {
      if (session.remainders > 0) {
        for (const auto& [handle, link] : session.handles) write_transfers(*link);
      }
      if (was_shut) tell_room(session);
    }
    return;
  }
  const auto found = session.handles.find(*flow.handle);
  if (found == session.handles.end()) {
    return fail_session(session,
                        Condition{"amqp:session:unattached-handle", "flow for a handle without a link", {}});
  }
  Link& link = *found->second;
  if (link.ending) return;
  if (!link.hub_sends) {
    // The sender's word on its count; what it gave up of its credit is gone.
    if (flow.delivery_count) {
      const std::uint32_t left = link.delivery_count + link.credit - *flow.delivery_count;
      link.delivery_count = *flow.delivery_count;
      link.credit = is_negative(left) ? 0 : std::min(left, link.credit_window);
      top_up(link);
    }
    if (flow.echo && link.answered) write_flow(session, &link);
    return;
  }
  if (flow.link_credit) {
    // What was sent since the peer counted; nothing when it counts more than there was.
    const std::uint32_t used = link.delivery_count - flow.delivery_count.value_or(0);
    const std::uint32_t counted = is_negative(used) ? 0 : used;
    link.credit = *flow.link_credit > counted ? *flow.link_credit - counted : 0;
    link.draining = flow.drain;
  }
  if (session.remainders > 0 && session.remote_window > 0) {
    for (const auto& [handle, other] : session.handles) write_transfers(*other);
  }
  if (flow.echo && link.answered && !link.draining) write_flow(session, &link);
  if (link.answered) events_.emplace_back(CreditReceived{link.id, link.draining});
  if (was_shut && session.remote_window > 0) tell_room(session);
}

// The window had been shut and is open.
void Engine::tell_room(Session& session) {
  for (const auto& [handle, link] : session.handles) {
    if (link->hub_sends && link->answered && !link->ending && link->credit > 0) {
      events_.emplace_back(CreditReceived{link->id, link->draining});
    }
  }
}

void Engine::write_flow(Session& session, const Link* link, bool drain) {
  Flow flow;
  flow.next_incoming_id = session.next_incoming_id;
  flow.incoming_window = session.incoming_window;
  flow.next_outgoing_id = session.next_outgoing_id;
  flow.outgoing_window = settings_.incoming_window;
  if (link) {
    flow.handle = link->handle;
    flow.delivery_count = link->delivery_count;
    flow.link_credit = link->credit;
    if (link->hub_sends) flow.available = 0;
    flow.drain = drain;
  }
  append_flow(out(), session.channel, flow);
}

void Engine::on_end(Session& session) {
  append_end(out(), session.channel, {});
  end_links(session, std::nullopt);
  session.ended = true;
}

void Engine::fail_session(Session& session, Condition condition) {
  append_end(out(), session.channel, End{tracked(condition)});
  end_links(session, condition);
  session.ended = true;
}

void Engine::end_links(Session& session, const std::optional<Condition>& condition) {
  while (!session.handles.empty()) {
    Link& link = *session.handles.begin()->second;
    if (!link.ending) events_.emplace_back(LinkEnded{link.id, condition});
    remove(link);
  }
}

}  // namespace kyanite::amqp
