#include <algorithm>
#include <utility>

#include "protocol/amqp/engine.h"
#include "protocol/amqp/engine_state.h"

// Links, and the messages that come on them.
namespace kyanite::amqp {
namespace {

// Some clients send a few messages more than they have credit for (spec amqp.md 2.5).
constexpr std::uint32_t kOverrun = 256;

}  // namespace

Engine::Link* Engine::find(LinkId link) const {
  const auto found = links_.find(link.value);
  return found == links_.end() ? nullptr : found->second.get();
}

bool Engine::has(LinkId link) const {
  const Link* found = find(link);
  return found && !found->ending;
}

void Engine::on_attach(Session& session, Attach attach) {
  if (attach.handle >= settings_.links_per_session) {
    return fail(Condition{"amqp:connection:framing-error", "a handle beyond handle-max", {}});
  }
  if (session.handles.contains(attach.handle)) {
    return fail_session(session,
                        Condition{"amqp:session:handle-in-use", "the handle has a link already", {}});
  }
  // Refused ones count until the peer has detached them: one that never does is no client.
  if (links_.size() >= 2 * settings_.links_max) {
    return fail(Condition{"amqp:resource-limit-exceeded", "the connection has too many links", {}});
  }
  if (std::max({attach.name.size(), attach.source.address.size(), attach.target.address.size()}) >
      settings_.link_text_bytes_max) {
    return fail_session(session,
                        Condition{"amqp:invalid-field", "the name or an address of a link is too long", {}});
  }
  auto made = std::make_unique<Link>();
  Link& link = *made;
  link.id = LinkId{++last_link_};
  link.session = &session;
  link.handle = attach.handle;
  link.hub_sends = attach.role == Role::receiver;
  if (!link.hub_sends) link.delivery_count = attach.initial_delivery_count.value_or(0);
  link.attach = std::make_unique<Attach>(std::move(attach));
  session.handles.emplace(link.handle, &link);
  links_.emplace(link.id.value, std::move(made));
  if (links_.size() > settings_.links_max) {
    return refuse(link.id,
                  Condition{"amqp:resource-limit-exceeded", "the connection has too many links", {}});
  }
  if (link.attach->source.dynamic || link.attach->target.dynamic) {
    return refuse(link.id, Condition{"amqp:not-implemented", "dynamic nodes are not offered", {}});
  }
  events_.emplace_back(AttachReceived{link.id, *link.attach, session.channel});
}

void Engine::write_attach(Link& link, const Acceptance* acceptance) {
  const Attach& asked = *link.attach;
  Attach answer;
  answer.name = asked.name;
  answer.handle = link.handle;
  answer.role = link.hub_sends ? Role::sender : Role::receiver;
  answer.sender_mode = acceptance && acceptance->sender_mode ? *acceptance->sender_mode : asked.sender_mode;
  answer.receiver_mode = asked.receiver_mode;
  answer.source.encoded = asked.source.is_null() ? empty_source() : asked.source.encoded;
  answer.target.encoded = asked.target.is_null() ? empty_target() : asked.target.encoded;
  if (link.hub_sends) answer.initial_delivery_count = 0;
  if (acceptance) {
    answer.max_message_size = acceptance->max_message_size;
    answer.offered_capabilities = acceptance->offered_capabilities;
    answer.properties = acceptance->properties ? *acceptance->properties : asked.properties;
  } else {
    // Our own terminus is null: the link is about to be refused.
    (link.hub_sends ? answer.source : answer.target).encoded.clear();
  }
  append_attach(out(), link.session->channel, answer);
  link.answered = true;
  link.attach.reset();
}

void Engine::accept(LinkId id, Acceptance acceptance) {
  Link* link = find(id);
  if (!link || link->answered || link->ending) return;
  write_attach(*link, &acceptance);
  if (link->hub_sends) {
    // Clients may grant credit with the attach, before it is answered.
    if (link->credit > 0 || link->draining) events_.emplace_back(CreditReceived{id, link->draining});
    return;
  }
  link->credit_window = acceptance.credit;
  link->credit = acceptance.credit;
  if (link->credit > 0) write_flow(*link->session, link);
}

void Engine::refuse(LinkId id, Condition condition) {
  Link* link = find(id);
  if (!link || link->answered || link->ending) return;
  write_attach(*link, nullptr);
  write_detach(*link, std::move(condition));
}

void Engine::detach(LinkId id, std::optional<Condition> condition) {
  Link* link = find(id);
  if (!link || link->ending) return;
  if (!link->answered) write_attach(*link, nullptr);
  write_detach(*link, std::move(condition));
}

// The handle is free again when the peer's own detach comes.
void Engine::write_detach(Link& link, std::optional<Condition> condition) {
  append_detach(out(), link.session->channel, Detach{link.handle, true, tracked(std::move(condition))});
  link.ending = true;
  forget_unsettled(link);
  if (link.assembly) assembling_bytes_ -= link.assembly->bytes.size();
  link.assembly.reset();
  drop_remainder(link);
}

void Engine::drop_remainder(Link& link) {
  if (link.remainder) --link.session->remainders;
  link.remainder.reset();
}

void Engine::on_detach(Session& session, const Detach& detach) {
  const auto found = session.handles.find(detach.handle);
  if (found == session.handles.end()) {
    return fail_session(session,
                        Condition{"amqp:session:unattached-handle", "detach of a handle without a link", {}});
  }
  Link& link = *found->second;
  if (!link.ending) {
    if (!link.answered) write_attach(link, nullptr);
    append_detach(out(), session.channel, Detach{link.handle, detach.closed, std::nullopt});
    events_.emplace_back(LinkEnded{link.id, detach.error});
  }
  remove(link);
}

void Engine::remove(Link& link) {
  forget_unsettled(link);
  if (link.assembly) assembling_bytes_ -= link.assembly->bytes.size();
  drop_remainder(link);
  link.session->handles.erase(link.handle);
  links_.erase(link.id.value);
}

void Engine::on_transfer(Session& session, const Transfer& transfer) {
  ++session.next_incoming_id;
  if (session.incoming_window > 0) --session.incoming_window;
  if (session.incoming_window < settings_.incoming_window / 2) {
    session.incoming_window = settings_.incoming_window;
    write_flow(session, nullptr);
  }
  const auto found = session.handles.find(transfer.handle);
  if (found == session.handles.end()) {
    return fail_session(
        session, Condition{"amqp:session:unattached-handle", "transfer on a handle without a link", {}});
  }
  Link& link = *found->second;
  if (link.ending) return;
  if (link.hub_sends || !link.answered) {
    return fail_session(session, Condition{"amqp:not-allowed", "transfer on a link that takes none", {}});
  }

  const bool settled = transfer.settled.value_or(false);
  const std::uint32_t format = transfer.message_format.value_or(0);
  if (!link.assembly) {
    if (!transfer.delivery_id) {
      return fail_session(session, Condition{"amqp:invalid-field", "transfer without a delivery-id", {}});
    }
    ++link.delivery_count;
    if (link.credit > 0) --link.credit;
    ++link.unsettled;
    if (link.unsettled > link.credit_window + kOverrun) {
      const Condition overrun{"amqp:link:transfer-limit-exceeded", "more messages than there was credit", {}};
      events_.emplace_back(LinkEnded{link.id, overrun});
      return write_detach(link, overrun);
    }
    // The common case: the message is in one frame and needs no copy.
    if (!transfer.more && !transfer.aborted) {
      return finish_delivery(link, *transfer.delivery_id, format, settled, transfer.payload);
    }
    link.assembly = std::make_unique<Link::Assembly>();
    link.assembly->delivery = *transfer.delivery_id;
    link.assembly->format = format;
  }
  Link::Assembly& assembly = *link.assembly;
  assembly.settled |= settled;
  if (transfer.aborted) {
    assembling_bytes_ -= assembly.bytes.size();
    link.assembly.reset();
    --link.unsettled;
    return top_up(link);
  }
  if (!assembly.too_large) {
    const bool fits = assembly.bytes.size() + transfer.payload.size() <= settings_.message_bytes_max &&
                      assembling_bytes_ + transfer.payload.size() <= settings_.assembling_bytes_max;
    if (fits) {
      assembling_bytes_ += transfer.payload.size();
      assembly.bytes += transfer.payload;
    } else {
      assembly.too_large = true;
      assembling_bytes_ -= assembly.bytes.size();
      std::string().swap(assembly.bytes);
    }
  }
  if (transfer.more) return;

  const std::unique_ptr<Link::Assembly> done = std::move(link.assembly);
  assembling_bytes_ -= done->bytes.size();
  if (done->too_large) {
    if (done->settled) {
      --link.unsettled;
      return top_up(link);
    }
    return settle(
        link.id, done->delivery,
        Outcome{OutcomeKind::rejected,
                Condition{"amqp:link:message-size-exceeded", "the message is larger than allowed", {}}});
  }
  assembled_ = std::move(done->bytes);
  finish_delivery(link, done->delivery, done->format, done->settled, assembled_);
}

void Engine::finish_delivery(Link& link, std::uint32_t delivery, std::uint32_t format, bool settled,
                             std::string_view payload) {
  const LinkId id = link.id;
  if (settled) {
    --link.unsettled;
    top_up(link);
  }
  events_.emplace_back(MessageReceived{id, delivery, format, settled, payload});
}

// What is not settled counts: a peer cannot have more under way than the window.
void Engine::top_up(Link& link) {
  if (link.credit_window == 0 || link.ending) return;
  const std::uint32_t room = link.credit_window > link.unsettled ? link.credit_window - link.unsettled : 0;
  if (link.credit > link.credit_window / 2 || room <= link.credit) return;
  // Not for each message: half of the window at a time, or all when nothing is left.
  if (room - link.credit < (link.credit_window + 1) / 2 && link.credit > 0) return;
  link.credit = room;
  write_flow(*link.session, &link);
}

void Engine::settle(LinkId id, std::uint32_t delivery, const Outcome& outcome) {
  Link* link = find(id);
  if (!link || link->ending) return;
  Session& session = *link->session;
  if (outcome.kind == OutcomeKind::accepted) {
    Settlements& run = settlements_;
    if (run.count > 0 && run.channel == session.channel && run.first + run.count == delivery) {
      ++run.count;
    } else {
      write_settlements();
      run = {session.channel, delivery, 1};
    }
  } else {
    append_disposition(out(), session.channel,
                       Disposition{Role::receiver, delivery, delivery, true, tracked(outcome)});
  }
  if (link->unsettled > 0) --link->unsettled;
  top_up(*link);
}

void Engine::write_settlements() {
  Settlements& run = settlements_;
  if (run.count == 0) return;
  const std::uint32_t last = run.first + run.count - 1;
  run.count = 0;
  append_disposition(output_, run.channel, Disposition{Role::receiver, run.first, last, true, Outcome{}});
}

}  // namespace kyanite::amqp
