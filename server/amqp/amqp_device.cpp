#include "server/amqp/amqp_device.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/amqp/device_link.h"
#include "server/amqp/link_openers.h"

// Presence at the owner, and links as they come and go.
namespace kyanite {
namespace {

constexpr milliseconds kActiveInterval{1'000};
// Certificates end by the clock on the wall, which may step: it is looked at this often at least.
constexpr milliseconds kExpiryLook{30'000};

// Spec amqp.md 7.2, 8.
amqp::Condition condition_of_close(CloseReason reason) {
  switch (reason) {
    case CloseReason::takeover:
      return {"amqp:link:stolen", "The device has connected anew", {}};
    case CloseReason::identity_disabled:
      return condition_of(Error(Errc::device_disabled));
    case CloseReason::identity_deleted:
      return condition_of(Error(Errc::device_not_found));
    case CloseReason::credential_changed:
      return condition_of(Error(Errc::unauthorized, "the credential was changed"));
    case CloseReason::credential_expired:
      return condition_of(Error(Errc::unauthorized, "the credential has expired"));
    case CloseReason::shutting_down:
      break;
  }
  return condition_of(Error(Errc::shutting_down));
}

std::string property_of(const amqp::Attach& attach, std::string_view name) {
  const amqp::Value* value = attach.properties.find(name);
  return value ? std::string(value->text().value_or(std::string_view())) : std::string();
}

// What a receiver listens for at the owner; nothing for others.
std::optional<FilterKind> subscription_of(AmqpNode node, const Identity& identity, amqp::Role role) {
  if (role != amqp::Role::receiver) return std::nullopt;
  if (node == AmqpNode::device_c2d && !identity.is_module()) return FilterKind::c2d;
  if (node == AmqpNode::device_methods) return FilterKind::methods;
  return std::nullopt;
}

// Names of no topic: nothing over AMQP is stored.
std::string filter_name(FilterKind kind) {
  switch (kind) {
    case FilterKind::c2d:
      return "amqp:messages/devicebound";
    case FilterKind::methods:
      return "amqp:methods/devicebound";
    default:
      return "amqp:twin";
  }
}

}  // namespace

AmqpDevice::AmqpDevice(AmqpConnection& connection, ConnectionRef self, Identity identity)
    : connection_(connection), shard_(connection.shard()), self_(self) {
  origin_.identity = std::move(identity);
  started_ = last_active_ = executor().now();
}

AmqpDevice::~AmqpDevice() {
  executor().cancel(expiry_timer_);
  executor().cancel(shaping_timer_);
  // Else the process ends, and there is nobody to tell.
  if (connection_.is_finishing()) leave_as_connection();
  shard_.remove_device(self_);
}

Executor& AmqpDevice::executor() const { return shard_.services().executor; }

ConnectionFacts AmqpDevice::facts() const {
  const PeerInfo& peer = connection_.peer();
  ConnectionFacts facts{self_,        origin_.identity, client_type_,   origin_.model_id,
                        peer.address, peer.tls_version, peer.transport, scope_,
                        kind_};
  facts.protocol = DeviceProtocol::amqp;
  return facts;
}

// Presence

void AmqpDevice::attach(const amqp::Attach& first, const Claim& claim) {
  state_ = State::attaching;
  client_type_ = property_of(first, "com.microsoft:client-version");
  origin_.model_id = property_of(first, "com.microsoft:model-id");
  Attach attach;
  attach.connection = self_;
  attach.identity = origin_.identity;
  attach.over_amqp = true;
  attach.client_type = client_type_;
  attach.model_id = origin_.model_id;
  const bool is_policy = claim.rights.has(Right::device_connect);
  if (is_policy) {
    attach.proven_until = claim.expiry;
    scope_ = AuthScope::hub;
  } else {
    attach.credentials = claim.credentials;
    scope_ = origin_.identity.is_module() ? AuthScope::module : AuthScope::device;
    kind_ = attach.credentials.sas_token ? AuthKind::sas : AuthKind::x509;
  }
  // By reference, never by pointer: the device may be gone when the owner answers, which must then not go on
  // counting it as connected.
  attach.reply = Reply<Attachment>(
      executor(), [&shard = shard_, self = self_, identity = origin_.identity](Result<Attachment> verdict) {
        if (AmqpDevice* device = shard.find_device(self)) {
          AmqpConnection& connection = device->connection_;
          device->on_attach_reply(std::move(verdict));
          connection.flush();
        } else if (verdict) {
          shard.services().router.send(Detached{self, identity, verdict->epoch});
        }
      });
  shard_.services().router.send(std::move(attach));
}

void AmqpDevice::on_attach_reply(Result<Attachment> verdict) {
  std::vector<Opening> openings = std::exchange(openings_, {});
  if (!verdict) {
    shard_.observer().on_refused(facts(), verdict.error());
    for (const Opening& opening : openings) {
      connection_.refuse(opening.attach.link, condition_of(verdict.error()));
    }
    state_ = State::left;
    return connection_.remove_device(identity());
  }
  state_ = State::attached;
  epoch_ = verdict->epoch;
  scope_ = verdict->scope;
  kind_ = verdict->kind;
  origin_ = shard_.ingest().make_origin(origin_.identity, *verdict, std::move(origin_.model_id));
  ++shard_.statistics().devices;
  shard_.observer().on_connected(facts());
  started_ = last_active_ = executor().now();
  // Tokens are the connection's claims, which end the links that they opened.
  if (kind_ == AuthKind::x509) watch_expiry(verdict->credential_expiry);
  for (Opening& opening : openings) let_in(std::move(opening));
  leave_if_unused();
}

void AmqpDevice::watch_expiry(std::optional<WallTime> expiry) {
  if (!expiry) return;
  const milliseconds left = *expiry - executor().wall_now();
  expiry_timer_ = executor().after(std::clamp(left, milliseconds(1), kExpiryLook),
                                   [&shard = shard_, self = self_, expiry] {
                                     AmqpDevice* device = shard.find_device(self);
                                     if (!device) return;
                                     AmqpConnection& connection = device->connection_;
                                     device->expiry_timer_ = {};
                                     if (*expiry > device->executor().wall_now())
                                       return device->watch_expiry(expiry);
                                     device->deliver(CloseConnection{CloseReason::credential_expired});
                                     connection.flush();
                                   });
}

// Drives lastActivityTime; once a second is precise enough for it.
void AmqpDevice::note_activity() {
  const SteadyTime now = executor().now();
  if (now - last_active_ < kActiveInterval) return;
  last_active_ = now;
  shard_.services().router.send(Active{identity(), epoch_, executor().wall_now()});
}

// A successor waits for Detached: what this device sent is in the log's queue before it.
void AmqpDevice::leave(EndReason reason, std::string_view detail) {
  const State before = std::exchange(state_, State::left);
  if (before != State::attached) return;
  --shard_.statistics().devices;
  shard_.ingest().flush();
  shard_.services().router.send(Detached{self_, identity(), epoch_});
  shard_.observer().on_disconnected(facts(), reason, detail,
                                    std::chrono::duration_cast<milliseconds>(executor().now() - started_));
}

void AmqpDevice::leave_if_unused() {
  if (state_ != State::attached || !links_.empty() || !openings_.empty()) return;
  leave_as_connection();
  connection_.remove_device(identity());
}

// As the end of the last link, or of the connection, looks to an operator.
void AmqpDevice::leave_as_connection() {
  if (!connection_.is_finishing()) return leave(EndReason::device_disconnected, {});
  if (shard_.is_draining()) return leave(EndReason::shutting_down, {});
  const bool is_orderly = connection_.engine().state() == amqp::EngineState::closed;
  is_orderly ? leave(EndReason::device_disconnected, {})
             : leave(EndReason::link_lost, "the connection ended");
}

void AmqpDevice::end_links(const amqp::Condition& condition) {
  for (const Opening& opening : std::exchange(openings_, {})) {
    connection_.refuse(opening.attach.link, condition);
  }
  while (!links_.empty()) connection_.detach(links_.back()->id(), condition);
}

void AmqpDevice::deliver(const CloseConnection& close) {
  if (state_ == State::left) return;
  leave(end_reason_of(close.reason), {});
  end_links(condition_of_close(close.reason));
  connection_.remove_device(identity());
}

// Links

void AmqpDevice::open(const amqp::AttachReceived& received, AmqpNode node, const Claim& claim) {
  if (openings_.size() >= kOpeningsMax) {
    return connection_.refuse(received.link, condition_of(Error(Errc::busy, "too many links at once")));
  }
  if (state_ == State::fresh) {
    if (fault_at_attach(received.link) || throttled_at_attach(received.link)) {
      return connection_.remove_device(identity());
    }
    attach(received.attach, claim);
  }
  Opening opening{received, node, claim.id};
  if (state_ == State::attached) return let_in(std::move(opening));
  openings_.push_back(std::move(opening));
}

void AmqpDevice::let_in(Opening opening) {
  const amqp::LinkId link = opening.attach.link;
  if (!connection_.engine().has(link)) return;
  const auto kind = subscription_of(opening.node, identity(), opening.attach.attach.role);
  if (!kind) return accept(opening);
  const AmqpNode node = opening.node;
  openings_.push_back(std::move(opening));
  steal(node, link);
  subscribe(*kind, reply<void>([link, kind = *kind](AmqpDevice& self, const Result<void>& subscribed) {
    self.on_subscribed(link, kind, subscribed);
  }));
}

void AmqpDevice::on_subscribed(amqp::LinkId id, FilterKind kind, const Result<void>& subscribed) {
  const auto found = std::find_if(openings_.begin(), openings_.end(),
                                  [id](const Opening& opening) { return opening.attach.link == id; });
  if (found == openings_.end()) return;  // a newer one took its place
  const Opening opening = std::move(*found);
  openings_.erase(found);
  if (!subscribed) {
    connection_.refuse(id, condition_of(subscribed.error()));
  } else if (connection_.engine().has(id)) {
    accept(opening);
  } else {
    unsubscribe(kind);  // the peer left meanwhile
  }
  // To the receiver that was let in, or on for one that still waits.
  for (CallMethod& call : std::exchange(early_calls_, {})) deliver(call);
  leave_if_unused();
}

void AmqpDevice::accept(const Opening& opening) {
  if (connection_.has_ended() || !connection_.engine().has(opening.attach.link)) return;
  auto link = make_device_link(connection_, *this, opening.attach, opening.node);
  if (!link) {
    return connection_.refuse(opening.attach.link,
                              {"amqp:not-allowed", "The node does not serve links of this role", {}});
  }
  links_.push_back(link.get());
  connection_.accept(opening.attach.link, acceptance_of(opening.node, opening.attach.attach), std::move(link),
                     opening.claim);
}

void AmqpDevice::steal(AmqpNode node, amqp::LinkId by) {
  const amqp::Condition stolen{"amqp:link:stolen", "The device has attached the link anew", {}};
  std::erase_if(openings_, [&](const Opening& opening) {
    const bool older = opening.node == node && opening.attach.attach.role == amqp::Role::receiver &&
                       opening.attach.link != by;
    if (older) connection_.refuse(opening.attach.link, stolen);
    return older;
  });
  if (const AmqpDeviceLink* older = find_receiver(node)) connection_.detach(older->id(), stolen);
}

// The last thing that a link tells, whoever ended it.
void AmqpDevice::on_link_ended(const AmqpDeviceLink& link) {
  std::erase(links_, &link);
  if (state_ != State::attached) return;
  const auto kind =
      subscription_of(link.node(), identity(), link.hub_sends() ? amqp::Role::receiver : amqp::Role::sender);
  if (kind) unsubscribe(*kind);
  if (kind == FilterKind::c2d) allow_c2d(0);  // the next link gives credit of its own
  if (link.wants_desired() && !wants_desired()) unsubscribe(FilterKind::twin_desired);
  leave_if_unused();
}

AmqpDeviceLink* AmqpDevice::find_receiver(AmqpNode node) const {
  const auto found = std::find_if(links_.begin(), links_.end(), [node](const AmqpDeviceLink* link) {
    return link->node() == node && link->hub_sends();
  });
  return found == links_.end() ? nullptr : *found;
}

bool AmqpDevice::is_opening_receiver(AmqpNode node) const {
  return std::any_of(openings_.begin(), openings_.end(), [node](const Opening& opening) {
    return opening.node == node && opening.attach.attach.role == amqp::Role::receiver;
  });
}

amqp::LinkId AmqpDevice::answers_of(const AmqpDeviceLink& requests) const {
  const AmqpDeviceLink* of_session = nullptr;
  const AmqpDeviceLink* any = nullptr;
  for (const AmqpDeviceLink* link : links_) {
    if (link->node() != requests.node() || !link->hub_sends()) continue;
    if (!requests.channel().empty() && link->channel() == requests.channel()) return link->id();
    if (link->session() == requests.session()) of_session = link;
    any = link;
  }
  const AmqpDeviceLink* chosen = of_session ? of_session : any;
  return chosen ? chosen->id() : amqp::LinkId{};
}

void AmqpDevice::subscribe(FilterKind kind, Reply<void> reply) {
  GrantedFilter filter;
  filter.filter = filter_name(kind);
  filter.kind = kind;
  filter.qos = 1;
  shard_.services().router.send(Subscribe{identity(), epoch_, {std::move(filter)}, std::move(reply)});
}

// Nobody waits for it: what comes meanwhile finds no link, and the owner takes it back.
void AmqpDevice::unsubscribe(FilterKind kind) {
  Reply<void> done = reply<void>([kind](AmqpDevice& self, const Result<void>& unsubscribed) {
    // The owner has given up what it sent before, all of which came before this answer.
    if (unsubscribed && kind == FilterKind::methods) self.early_calls_.clear();
  });
  shard_.services().router.send(Unsubscribe{identity(), epoch_, {filter_name(kind)}, std::move(done)});
}

}  // namespace kyanite
