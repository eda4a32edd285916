#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "protocol/amqp/engine.h"
#include "protocol/base/channel.h"
#include "protocol/base/error.h"
#include "protocol/base/reply.h"
#include "server/amqp/amqp_link.h"
#include "server/amqp/claims.h"
#include "server/hub/hub_services.h"

namespace kyanite {

class AmqpShard;
class AmqpDevice;

// AmqpConnection joins one Channel, its amqp::Engine, the claims that were proven on it and the links of its
// peer, which it opens by their address (spec amqp.md 2 to 4).
//
// Owner: its shard's AmqpShard, which others ask for it by number. Calls on its shard only. Bound: the
// engine's; past limits::kOutputHighBytes of output links are told that there is no room and the socket is
// not read.
class AmqpConnection final : public Channel::Sink {
 public:
  AmqpConnection(AmqpShard& shard, std::uint64_t number, std::unique_ptr<Channel> channel);
  ~AmqpConnection() override;

  void start();
  std::uint64_t number() const { return number_; }

  // For links and the functions that open them.
  AmqpShard& shard() const { return shard_; }
  const HubServices& services() const;
  amqp::Engine& engine() { return engine_; }
  Claims& claims() { return claims_; }
  const PeerInfo& peer() const { return channel_->peer(); }
  // Messages that may be sent on the link now: the engine's count, 0 while the output is full.
  std::uint32_t may_send(amqp::LinkId link) const;
  // Answers AttachReceived. The claim is the one that allows the link, which ends with it; 0 for none.
  void accept(amqp::LinkId id, amqp::Acceptance acceptance, std::unique_ptr<AmqpLink> link,
              std::uint64_t claim);
  void refuse(amqp::LinkId id, amqp::Condition condition);
  // Ends an accepted link from our side; the AmqpLink is destroyed at the end of the turn.
  void detach(amqp::LinkId id, amqp::Condition condition);
  AmqpLink* find(amqp::LinkId id) const;
  // The connection's presence as this device or module; made by the first of its links.
  AmqpDevice& device(const Identity& identity, const Claim& claim);
  AmqpDevice* find_device(const Identity& identity) const;

  // A reply that finds its way back although the connection may be gone by then; `handler(AmqpConnection&,
  // Result<T>)` runs on this shard, and what it sends is written when it returns.
  template <class T, class Handler>
  Reply<T> reply_to_self(Handler handler);
  // The same for a link: `handler(Link&, Result<T>)`, dropped when the link has ended.
  template <class T, class Link, class Handler>
  Reply<T> reply_to_link(amqp::LinkId id, Handler handler);

  // Writes what the engine has, and tells of the end when it came. Whoever calls into the connection from
  // outside of its own events (a message of the hub, a timer) calls it at the end.
  void flush();

  // Ends the connection with this condition.
  void end(amqp::Condition condition);
};

}  // namespace kyanite
