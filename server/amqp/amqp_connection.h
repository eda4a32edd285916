#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocol/amqp/engine.h"
#include "protocol/base/channel.h"
#include "protocol/base/error.h"
#include "protocol/base/reply.h"
#include "server/amqp/amqp_link.h"
#include "server/amqp/amqp_shard.h"
#include "server/amqp/claims.h"
#include "server/hub/hub_services.h"

namespace kyanite {

class AmqpDevice;
class ReplyLink;

// AmqpConnection joins one Channel, its amqp::Engine, the claims that were proven on it and the links of its
// peer, which it opens by their address (spec amqp.md 2 to 4).
//
// Owner: its shard's AmqpShard, which others ask for it by number. Calls on its shard only. Bound: the
// engine's; past limits::kAmqpOutputBytes of output links are told that there is no room and the socket is
// not read; a peer that does not read them within kStalledTime is dropped.
//
// Files: amqp_connection.cpp (bytes, output, links, the end), amqp_opening.cpp (SASL, attach), amqp_time.cpp.
class AmqpConnection final : public Channel::Sink {
 public:
  AmqpConnection(AmqpShard& shard, std::uint64_t number, std::unique_ptr<Channel> channel);
  ~AmqpConnection() override;

  void start();
  std::uint64_t number() const { return number_; }
  bool has_ended() const { return ended_; }
  // All links end because the connection does.
  bool is_finishing() const { return finishing_; }

  // For links and the functions that open them.
  AmqpShard& shard() const { return shard_; }
  const HubServices& services() const { return shard_.services(); }
  amqp::Engine& engine() { return engine_; }
  Claims& claims() { return claims_; }
  const PeerInfo& peer() const { return channel_->peer(); }
  const std::string& container() const { return container_; }  // as the peer calls itself
  // Messages that may be sent on the link now: the engine's count, 0 while the output is full.
  std::uint32_t may_send(amqp::LinkId link);
  // Answers AttachReceived. The claim is the one that allows the link, which ends with it; 0 for none. A link
  // whose claim ended while its node was asked is refused, and told so by on_ending().
  void accept(amqp::LinkId id, amqp::Acceptance acceptance, std::unique_ptr<AmqpLink> link,
              std::uint64_t claim);
  void refuse(amqp::LinkId id, amqp::Condition condition);
  // Ends an accepted link from our side; the AmqpLink is destroyed at the end of the turn.
  void detach(amqp::LinkId id, amqp::Condition condition);
  AmqpLink* find(amqp::LinkId id) const;
  // Tokens that await the verdict of a device's owner, and requests to $management that await shard 0.
  std::uint32_t& verdicts() { return verdicts_; }
  std::vector<ReplyLink*>& reply_links() { return reply_links_; }
  const std::vector<ReplyLink*>& reply_links() const { return reply_links_; }
  void put_claim(Claim claim);
  // Tells the log why something was refused, for so many a minute; never with a token in it.
  void tell_refused(std::string_view what, const Error& error);

  // The connection's presence as this device or module; made by the first of its links, which gives the
  // claim. nullptr when the shard has no slot for one.
  AmqpDevice* device(const Identity& identity);
  AmqpDevice* find_device(const Identity& identity) const;
  // It has no links any more: destroyed at the end of the turn.
  void remove_device(const Identity& identity);

  // A reply that finds its way back although the connection may be gone by then; `handler(AmqpConnection&,
  // Result<T>)` runs on this shard, and what it sends is written when it returns.
  template <class T, class Handler>
  Reply<T> reply_to_self(Handler handler) {
    return Reply<T>(services().executor, [&shard = shard_, number = number_,
                                          handler = std::move(handler)](Result<T> result) mutable {
      AmqpConnection* self = shard.find(number);
      if (!self || self->ended_) return;
      handler(*self, std::move(result));
      self->flush();
    });
  }
  // The same for a link: `handler(Link&, Result<T>)`, dropped when the link has ended.
  template <class T, class Link, class Handler>
  Reply<T> reply_to_link(amqp::LinkId id, Handler handler) {
    return reply_to_self<T>(
        [id, handler = std::move(handler)](AmqpConnection& self, Result<T> result) mutable {
          if (AmqpLink* link = self.find(id)) handler(static_cast<Link&>(*link), std::move(result));
        });
  }

  // Writes what the engine has, and tells of the end when it came. Whoever calls into the connection from
  // outside of its own events (a message of the hub, a timer) calls it at the end.
  void flush();

  // Ends the connection with this condition.
  void end(amqp::Condition condition);
  void update_reading();
  void on_clock_shift();

 private:
  struct LinkEntry {
    std::unique_ptr<AmqpLink> link;
    std::uint64_t claim = 0;
  };

  // Channel::Sink
  void on_bytes(std::string_view bytes) override;
  void on_writable() override;
  void on_closed(ChannelEnd how) override;

  void handle_events();
  bool is_output_full() const;
  void write_output();
  void drop_ended();
  void finish(bool flush_output);  // after the engine has closed
  std::unique_ptr<AmqpLink> take_link(amqp::LinkId id);

  void handle(amqp::SaslStarted& sasl);
  void handle(amqp::Opened& opened);
  void handle(amqp::AttachReceived& attach);
  void handle(const amqp::MessageReceived& message);
  void handle(const amqp::CreditReceived& credit);
  void handle(const amqp::OutcomeReceived& outcome);
  void handle(const amqp::LinkEnded& ended);
  void handle(const amqp::PeerClosed& closed);

  // amqp_opening.cpp
  void judge_plain_response(const std::string& response);
  void sasl_done(bool accepted);
  void open_link(const amqp::AttachReceived& attach);
  void open_device_node(const amqp::AttachReceived& attach, const struct AmqpAddress& address);

  // amqp_time.cpp
  void arm_timer();
  void on_timer();
  void end_claims(WallTime now);
  void end_links_of(const Claim& claim, const std::string& why);
  bool is_proven() const;

  AmqpShard& shard_;
  const std::uint64_t number_;
  std::unique_ptr<Channel> channel_;
  amqp::Engine engine_;
  Claims claims_;
  std::string container_;
  std::unordered_map<std::uint64_t, LinkEntry> links_;
  std::vector<ReplyLink*> reply_links_;
  std::map<Identity, std::unique_ptr<AmqpDevice>> devices_;
  // Of this turn: whoever is on the stack may be one of them.
  std::vector<std::unique_ptr<AmqpLink>> ended_links_;
  std::vector<std::unique_ptr<AmqpDevice>> ended_devices_;
  bool handling_ = false;
  bool held_ = false;     // input waits until the output has room
  bool no_room_ = false;  // a link was told so
  bool finishing_ = false;
  std::size_t room_turn_ = 0;
  bool ended_ = false;
  bool heard_ = false;  // anything at all from the peer
  bool reading_paused_ = false;
  std::uint32_t verdicts_ = 0;
  unsigned refusals_told_ = 0;  // since then
  SteadyTime refusals_since_{};
  SteadyTime unproven_since_;
  std::optional<SteadyTime> full_since_;  // the output, of which the peer has not read all since
  TimerId timer_{};
};

}  // namespace kyanite
