#include "tests/support/amqp_client.h"

#include <algorithm>
#include <utility>

#include "protocol/amqp/reader.h"
#include "protocol/amqp/writer.h"

namespace kyanite::test {
namespace {

constexpr std::string_view kAmqpHeader{"AMQP\x00\x01\x00\x00", 8};
constexpr std::string_view kSaslHeader{"AMQP\x03\x01\x00\x00", 8};
constexpr std::uint8_t kSaslInit = 0x41;
constexpr std::uint8_t kSaslOutcome = 0x44;
constexpr std::string_view kSelector = "apache.org:selector-filter:string";
constexpr std::uint64_t kSelectorCode = 0x0000'468C'0000'0004;

void append_sasl_init(std::string& out, const std::string& user, const std::string& password) {
  std::string body;
  amqp::Writer writer(body);
  writer.descriptor(kSaslInit);
  writer.begin_list();
  writer.symbol("PLAIN");
  writer.binary('\0' + user + '\0' + password);
  writer.null();
  writer.end();
  const std::size_t size = body.size() + 8;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift & 0xff);
  out += std::string("\x02\x01\x00\x00", 4);
  out += body;
}

std::string source_with(const std::string& address, const std::string& selector) {
  std::string out;
  amqp::Writer writer(out);
  writer.descriptor(0x28);
  writer.begin_list();
  writer.string(address);
  for (int field = 1; field < 7; ++field) writer.null();
  writer.begin_map();
  writer.symbol(kSelector);
  writer.value(amqp::Described{{amqp::Value(kSelectorCode), amqp::Value(selector)}});
  writer.end();
  writer.end();
  return out;
}

}  // namespace

AmqpClient::AmqpClient(Options options)
    : options_(std::move(options)), decoder_(options_.max_frame_size), sasl_(!options_.password.empty()) {}

void AmqpClient::start() {
  if (sasl_) {
    output_ += kSaslHeader;
    append_sasl_init(output_, options_.user, options_.password);
    return;
  }
  output_ += kAmqpHeader;
  amqp::Open open;
  open.container_id = options_.container;
  open.hostname = options_.host;
  open.max_frame_size = options_.max_frame_size;
  amqp::append_open(output_, open);
  amqp::Begin begin;
  begin.incoming_window = begin.outgoing_window = options_.incoming_window;
  amqp::append_begin(output_, 0, begin);
}

AmqpClient::Handle AmqpClient::attach(amqp::Role role, const std::string& address,
                                      const LinkOptions& options) {
  const Handle handle = next_handle_++;
  Link& link = links_[handle];
  link.name = "link-" + std::to_string(handle);
  link.role = role;
  amqp::Attach attach;
  attach.name = link.name;
  attach.handle = handle;
  attach.role = role;
  attach.sender_mode = options.sender_mode;
  attach.receiver_mode = options.receiver_mode;
  if (role == amqp::Role::sender) {
    attach.source.encoded = amqp::empty_source();
    attach.target.encoded = amqp::target_of(address);
    attach.initial_delivery_count = 0;
  } else {
    attach.source.encoded =
        options.selector.empty() ? amqp::source_of(address) : source_with(address, options.selector);
    attach.target.encoded = amqp::empty_target();
  }
  if (!options.channel.empty()) {
    attach.properties.entries.push_back(
        {amqp::Symbol{"com.microsoft:channel-correlation-id"}, options.channel});
  }
  if (options.epoch) {
    attach.properties.entries.push_back({amqp::Symbol{"com.microsoft:epoch"}, *options.epoch});
  }
  amqp::append_attach(output_, 0, attach);
  return handle;
}

void AmqpClient::detach(Handle handle) {
  const auto link = links_.find(handle);
  if (link == links_.end()) return;
  links_.erase(link);
  amqp::append_detach(output_, 0, {handle, true, std::nullopt});
}

void AmqpClient::grant(Handle handle, std::uint32_t credit, bool drain) {
  const auto link = links_.find(handle);
  if (link != links_.end()) write_flow(&link->second, handle, credit, drain);
}

void AmqpClient::write_flow(const Link* link, Handle handle, std::uint32_t credit, bool drain) {
  amqp::Flow flow;
  flow.next_incoming_id = transfers_received_;
  flow.incoming_window = flow.outgoing_window = options_.incoming_window;
  flow.next_outgoing_id = transfers_sent_;
  if (link) {
    flow.handle = handle;
    flow.delivery_count = link->deliveries;
    flow.link_credit = credit;
    flow.drain = drain;
  }
  transfers_told_ = transfers_received_;
  amqp::append_flow(output_, 0, flow);
}

std::uint32_t AmqpClient::may_send(Handle handle) const {
  const auto link = links_.find(handle);
  if (link == links_.end() || !link->second.is_open) return 0;
  return std::min(link->second.credit, transfers_max_ - transfers_sent_);
}

std::uint32_t AmqpClient::send(Handle handle, std::string_view payload, bool settled, std::uint32_t format) {
  const std::uint32_t delivery = next_delivery_++;
  const auto link = links_.find(handle);
  if (link == links_.end()) return delivery;
  ++link->second.deliveries;
  if (link->second.credit > 0) --link->second.credit;
  const std::string_view tag{reinterpret_cast<const char*>(&delivery), sizeof delivery};
  const std::size_t piece = peer_frame_size_ - amqp::transfer_head_bytes_max(tag.size());
  do {
    amqp::Transfer transfer;
    transfer.handle = handle;
    transfer.delivery_id = delivery;
    transfer.delivery_tag = tag;
    transfer.message_format = format;
    transfer.settled = settled;
    transfer.more = payload.size() > piece;
    const std::string_view part = payload.substr(0, piece);
    amqp::append_transfer_head(output_, 0, transfer, part.size());
    output_ += part;
    payload.remove_prefix(part.size());
    ++transfers_sent_;
  } while (!payload.empty());
  return delivery;
}

void AmqpClient::dispose(std::uint32_t delivery, const amqp::Outcome& outcome, bool settled) {
  amqp::append_disposition(output_, 0, {amqp::Role::receiver, delivery, delivery, settled, outcome});
}

void AmqpClient::ping() { amqp::append_empty_frame(output_); }

void AmqpClient::close() { amqp::append_close(output_, {}); }

// What came

void AmqpClient::feed(std::string_view bytes) {
  if (ended_) return;
  decoder_.feed(bytes);
  while (!ended_) {
    if (awaits_header_ && !take_header()) break;
    const auto frame = decoder_.next_frame();
    if (!frame) return end("a frame that cannot be read: " + frame.error().detail);
    if (!*frame) break;
    if ((*frame)->body.empty()) continue;
    (*frame)->type == amqp::FrameType::sasl ? on_sasl((*frame)->body) : on_frame((*frame)->body);
  }
  if (!ended_) decoder_.hold();
}

std::optional<AmqpClient::Event> AmqpClient::next() {
  if (events_.empty()) return std::nullopt;
  std::optional<Event> event = std::move(events_.front());
  events_.pop_front();
  return event;
}

bool AmqpClient::take_header() {
  const auto header = decoder_.next_header();
  if (!header) {
    end("a protocol header that cannot be read");
    return false;
  }
  if (!*header) return false;
  awaits_header_ = false;
  return true;
}

// Mechanisms say nothing to a client that has made its choice.
void AmqpClient::on_sasl(std::string_view body) {
  amqp::Reader reader(body);
  const auto code = reader.descriptor();
  if (!code) return end("a SASL frame that cannot be read");
  if (*code != kSaslOutcome) return;
  const auto fields = reader.value();
  const amqp::List* list = fields ? fields->as<amqp::List>() : nullptr;
  if (!list || list->items.empty() || list->items.front().integer() != 0) return end("SASL refused");
  sasl_ = false;
  awaits_header_ = true;
  start();
}

void AmqpClient::on_frame(std::string_view body) {
  const auto performative = amqp::read_performative(body);
  if (!performative) return end("a performative that cannot be read: " + performative.error().detail);
  std::visit([this](const auto& p) { on(p); }, *performative);
}

void AmqpClient::on(const amqp::Open& open) { peer_frame_size_ = std::min(open.max_frame_size, 65'536U); }

void AmqpClient::on(const amqp::Begin& begin) {
  transfers_max_ = begin.incoming_window;
  events_.emplace_back(Begun{});
}

void AmqpClient::on(const amqp::Attach& attach) {
  const auto known = std::find_if(links_.begin(), links_.end(), [&](const auto& entry) {
    return entry.second.name == attach.name && entry.second.role != attach.role;
  });
  if (known == links_.end()) return;  // detached meanwhile; the hub's detach follows
  of_hub_[attach.handle] = known->first;
  const amqp::Terminus& own = attach.role == amqp::Role::sender ? attach.source : attach.target;
  if (own.is_null()) return;  // refused: the detach that follows says why
  known->second.is_open = true;
  events_.emplace_back(Attached{known->first});
}

void AmqpClient::on(const amqp::Flow& flow) {
  transfers_max_ = flow.next_incoming_id.value_or(0) + flow.incoming_window;
  if (flow.echo) write_flow(nullptr, 0, 0, false);
  if (!flow.handle) {
    for (const auto& [handle, link] : links_) {
      if (link.role == amqp::Role::sender && may_send(handle) > 0) events_.emplace_back(Credit{handle});
    }
    return;
  }
  const auto handle = of_hub_.find(*flow.handle);
  const auto link = handle == of_hub_.end() ? links_.end() : links_.find(handle->second);
  if (link == links_.end()) return;
  if (link->second.role == amqp::Role::receiver) {
    if (flow.delivery_count) link->second.deliveries = *flow.delivery_count;  // a drain used credit up
    return;
  }
  link->second.credit =
      flow.delivery_count.value_or(0) + flow.link_credit.value_or(0) - link->second.deliveries;
  events_.emplace_back(Credit{link->first});
}

void AmqpClient::on(const amqp::Transfer& transfer) {
  ++transfers_received_;
  if (transfers_received_ - transfers_told_ > options_.incoming_window / 2) write_flow(nullptr, 0, 0, false);
  const auto handle = of_hub_.find(transfer.handle);
  const auto found = handle == of_hub_.end() ? links_.end() : links_.find(handle->second);
  if (found == links_.end()) return;
  Link& link = found->second;
  if (!std::exchange(link.assembling, true)) {
    link.delivery = transfer.delivery_id.value_or(0);
    link.settled = false;
  }
  link.settled = link.settled || transfer.settled.value_or(false);
  link.assembled += transfer.payload;
  if (transfer.more) return;
  link.assembling = false;
  ++link.deliveries;
  events_.emplace_back(
      Received{found->first, link.delivery, link.settled, std::exchange(link.assembled, {})});
}

void AmqpClient::on(const amqp::Disposition& disposition) {
  const amqp::Outcome outcome = disposition.state.value_or(amqp::Outcome{});
  if (disposition.role == amqp::Role::receiver) {
    events_.emplace_back(Settled{disposition.first, disposition.last, outcome});
  } else {
    events_.emplace_back(Confirmed{disposition.first, disposition.last, outcome});
  }
}

void AmqpClient::on(const amqp::Detach& detach) {
  const auto handle = of_hub_.find(detach.handle);
  if (handle == of_hub_.end()) return;
  const Handle own = handle->second;
  of_hub_.erase(handle);
  if (links_.erase(own) == 0) return;  // the answer to this client's
  amqp::append_detach(output_, 0, {own, true, std::nullopt});
  events_.emplace_back(Detached{own, detach.error});
}

void AmqpClient::on(const amqp::End& ending) {
  end("session ended: " + (ending.error ? ending.error->name + " " + ending.error->description : ""));
}

void AmqpClient::on(const amqp::Close& closing) {
  end(closing.error ? closing.error->name + ": " + closing.error->description : "closed");
}

void AmqpClient::end(std::string why) {
  ended_ = true;
  events_.emplace_back(Closed{std::move(why)});
}

}  // namespace kyanite::test
