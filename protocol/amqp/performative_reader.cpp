#include <string>
#include <utility>

#include "protocol/amqp/fields.h"
#include "protocol/amqp/performative_codes.h"
#include "protocol/amqp/performatives.h"
#include "protocol/amqp/reader.h"

namespace kyanite::amqp {
namespace {

Error bad_performative(const char* detail) { return {Errc::malformed_packet, detail}; }

// A described value inside a field: its descriptor's code and its list.
struct Composite {
  std::uint64_t code = 0;
  Reader::Compound list;
};

// Takes a described list, whatever it is of.
Result<Composite> take_composite(Reader& reader) {
  Composite composite;
  if (reader.take_list(composite.code, composite.list)) return composite;
  const auto code = reader.descriptor();
  if (!code) return code.error();
  composite.code = *code;
  const auto list = reader.list();
  if (!list) return list.error();
  composite.list = *list;
  return composite;
}

Result<Composite> read_composite(std::string_view encoded) {
  Reader reader(encoded);
  return take_composite(reader);
}

std::string text_field(Fields& fields) { return std::string(fields.text().value_or(std::string_view())); }

std::optional<Condition> condition_field(Fields& fields) {
  const std::string_view encoded = fields.encoded();
  if (encoded.empty()) return std::nullopt;
  const Result<Composite> error = read_composite(encoded);
  if (!error) {
    fields.fail(error.error());
    return std::nullopt;
  }
  if (error->code != code::kError) {
    fields.fail("an error was expected");
    return std::nullopt;
  }
  Fields inner(error->list);
  Condition condition;
  condition.name = text_field(inner);
  condition.description = text_field(inner);
  condition.info = inner.map();
  if (auto finished = inner.finish(); !finished) fields.fail(finished.error());
  return condition;
}

// A source, or a target, or what may stand in its place (a coordinator, whose fields are others).
Terminus terminus_field(Fields& fields, std::uint8_t expected) {
  Terminus terminus;
  const std::string_view encoded = fields.encoded();
  if (encoded.empty()) return terminus;
  const Result<Composite> composite = read_composite(encoded);
  if (!composite) {
    fields.fail(composite.error());
    return terminus;
  }
  terminus.encoded = encoded;
  if (composite->code != expected) return terminus;
  // It may have come as list0, which is never sent (spec amqp.md 2.2).
  if (composite->list.count == 0)
    terminus.encoded = expected == code::kSource ? empty_source() : empty_target();
  Fields inner(composite->list);
  terminus.address = text_field(inner);
  inner.skip();  // durable
  inner.skip();  // expiry-policy
  inner.skip();  // timeout
  terminus.dynamic = inner.boolean().value_or(false);
  if (expected == code::kSource) {
    inner.skip();  // dynamic-node-properties
    inner.skip();  // distribution-mode
    terminus.filter = inner.map();
  }
  if (auto finished = inner.finish(); !finished) fields.fail(finished.error());
  return terminus;
}

std::optional<Outcome> outcome_field(Fields& fields) {
  const std::string_view encoded = fields.encoded();
  if (encoded.empty()) return std::nullopt;
  const Result<Composite> state = read_composite(encoded);
  if (!state) {
    fields.fail(state.error());
    return std::nullopt;
  }
  Fields inner(state->list);
  Outcome outcome;
  switch (state->code) {
    case code::kAccepted:
      outcome.kind = OutcomeKind::accepted;
      break;
    case code::kReleased:
      outcome.kind = OutcomeKind::released;
      break;
    case code::kRejected:
      outcome.kind = OutcomeKind::rejected;
      outcome.error = condition_field(inner);
      break;
    case code::kModified:
      outcome.kind = OutcomeKind::modified;
      outcome.delivery_failed = inner.boolean().value_or(false);
      outcome.undeliverable_here = inner.boolean().value_or(false);
      break;
    default:
      return std::nullopt;
  }
  if (auto finished = inner.finish(); !finished) fields.fail(finished.error());
  return outcome;
}

Role role_field(Fields& fields) {
  return fields.required(fields.boolean(), "the role is missing") ? Role::receiver : Role::sender;
}

template <class Mode>
Mode mode_field(Fields& fields, Mode absent, Mode last) {
  const auto number = fields.number<std::uint8_t>();
  if (!number) return absent;
  if (*number > static_cast<std::uint8_t>(last)) {
    fields.fail("an unknown settle mode");
    return absent;
  }
  return static_cast<Mode>(*number);
}

Open read_open(Fields& fields) {
  Open open;
  open.container_id = fields.required(fields.text(), "the container id is missing");
  open.hostname = text_field(fields);
  open.max_frame_size = fields.number<std::uint32_t>().value_or(open.max_frame_size);
  open.channel_max = fields.number<std::uint16_t>().value_or(open.channel_max);
  open.idle_time_out_ms = fields.number<std::uint32_t>();
  fields.skip();  // outgoing-locales
  fields.skip();  // incoming-locales
  fields.skip();  // offered-capabilities
  fields.skip();  // desired-capabilities
  open.properties = fields.map();
  return open;
}

Begin read_begin(Fields& fields) {
  Begin begin;
  begin.remote_channel = fields.number<std::uint16_t>();
  begin.next_outgoing_id = fields.required(fields.number<std::uint32_t>(), "the next outgoing id is missing");
  begin.incoming_window = fields.required(fields.number<std::uint32_t>(), "the incoming window is missing");
  begin.outgoing_window = fields.required(fields.number<std::uint32_t>(), "the outgoing window is missing");
  begin.handle_max = fields.number<std::uint32_t>().value_or(begin.handle_max);
  return begin;
}

Attach read_attach(Fields& fields) {
  Attach attach;
  attach.name = fields.required(fields.text(), "the name of a link is missing");
  attach.handle = fields.required(fields.number<std::uint32_t>(), "the handle is missing");
  attach.role = role_field(fields);
  attach.sender_mode = mode_field(fields, SenderMode::mixed, SenderMode::mixed);
  attach.receiver_mode = mode_field(fields, ReceiverMode::first, ReceiverMode::second);
  attach.source = terminus_field(fields, code::kSource);
  attach.target = terminus_field(fields, code::kTarget);
  fields.skip();  // unsettled: links are not resumed
  fields.skip();  // incomplete-unsettled
  attach.initial_delivery_count = fields.number<std::uint32_t>();
  attach.max_message_size = fields.number<std::uint64_t>().value_or(0);
  attach.offered_capabilities = fields.symbols();
  attach.desired_capabilities = fields.symbols();
  attach.properties = fields.map();
  return attach;
}

Flow read_flow(Fields& fields) {
  Flow flow;
  flow.next_incoming_id = fields.number<std::uint32_t>();
  flow.incoming_window = fields.required(fields.number<std::uint32_t>(), "the incoming window is missing");
  flow.next_outgoing_id = fields.required(fields.number<std::uint32_t>(), "the next outgoing id is missing");
  flow.outgoing_window = fields.required(fields.number<std::uint32_t>(), "the outgoing window is missing");
  flow.handle = fields.number<std::uint32_t>();
  flow.delivery_count = fields.number<std::uint32_t>();
  flow.link_credit = fields.number<std::uint32_t>();
  flow.available = fields.number<std::uint32_t>();
  flow.drain = fields.boolean().value_or(false);
  flow.echo = fields.boolean().value_or(false);
  return flow;
}

Transfer read_transfer(Fields& fields, std::string_view payload) {
  Transfer transfer;
  transfer.handle = fields.required(fields.number<std::uint32_t>(), "the handle is missing");
  transfer.delivery_id = fields.number<std::uint32_t>();
  transfer.delivery_tag = fields.binary().value_or(std::string_view());
  transfer.message_format = fields.number<std::uint32_t>();
  transfer.settled = fields.boolean();
  transfer.more = fields.boolean().value_or(false);
  fields.skip();  // rcv-settle-mode
  fields.skip();  // state
  transfer.resume = fields.boolean().value_or(false);
  transfer.aborted = fields.boolean().value_or(false);
  transfer.payload = payload;
  return transfer;
}

Disposition read_disposition(Fields& fields) {
  Disposition disposition;
  disposition.role = role_field(fields);
  disposition.first = fields.required(fields.number<std::uint32_t>(), "the first delivery is missing");
  disposition.last = fields.number<std::uint32_t>().value_or(disposition.first);
  disposition.settled = fields.boolean().value_or(false);
  disposition.state = outcome_field(fields);
  return disposition;
}

Detach read_detach(Fields& fields) {
  Detach detach;
  detach.handle = fields.required(fields.number<std::uint32_t>(), "the handle is missing");
  detach.closed = fields.boolean().value_or(false);
  detach.error = condition_field(fields);
  return detach;
}

template <class T>
Result<Performative> finished(Fields& fields, T performative) {
  if (auto done = fields.finish(); !done) return done.error();
  return {boost::system::in_place_value, std::move(performative)};
}

}  // namespace

Result<Performative> read_performative(std::string_view body) {
  Reader reader(body);
  const Result<Composite> frame = take_composite(reader);
  if (!frame) return frame.error();
  Fields fields(frame->list);
  if (frame->code == code::kTransfer) return finished(fields, read_transfer(fields, reader.rest()));
  if (frame->code < code::kOpen || frame->code > code::kClose)
    return Error(Errc::protocol_violation, "a frame has no performative of AMQP 1.0");
  if (!reader.at_end()) return bad_performative("bytes follow the performative of a frame");
  switch (frame->code) {
    case code::kOpen:
      return finished(fields, read_open(fields));
    case code::kBegin:
      return finished(fields, read_begin(fields));
    case code::kAttach:
      return finished(fields, read_attach(fields));
    case code::kFlow:
      return finished(fields, read_flow(fields));
    case code::kDisposition:
      return finished(fields, read_disposition(fields));
    case code::kDetach:
      return finished(fields, read_detach(fields));
    case code::kEnd:
      return finished(fields, End{condition_field(fields)});
    default:
      return finished(fields, Close{condition_field(fields)});
  }
}

Result<SaslInit> read_sasl_init(std::string_view body) {
  Reader reader(body);
  const Result<Composite> frame = take_composite(reader);
  if (!frame) return frame.error();
  if (frame->code != code::kSaslInit) return Error(Errc::protocol_violation, "a SASL frame is not sasl-init");
  if (!reader.at_end()) return bad_performative("bytes follow the performative of a frame");
  Fields fields(frame->list);
  SaslInit init;
  init.mechanism = fields.required(fields.text(), "the mechanism is missing");
  init.initial_response = fields.binary().value_or(std::string_view());
  init.hostname = text_field(fields);
  if (auto done = fields.finish(); !done) return done.error();
  return init;
}

}  // namespace kyanite::amqp
