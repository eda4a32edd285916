#include <algorithm>

#include "protocol/auth/sas_token.h"
#include "server/amqp/amqp_connection.h"
#include "server/amqp/link_openers.h"

// The times at which something is due: heartbeats, silence, tokens that end.
namespace kyanite {
namespace {

// Tokens end by the clock on the wall, which may step: it is looked at this often at least.
constexpr milliseconds kExpiryCheck{30'000};
// A connection that proved nothing, or whose last token ended, has so long to put one (spec amqp.md 3.4).
constexpr milliseconds kUnprovenTime{300'000};

// A full output that the peer has not read by then: it would be silent, if we listened.
constexpr milliseconds kStalledTime{240'000};

}  // namespace

bool AmqpConnection::is_proven() const { return !claims_.empty() || !peer().certificate_chain.empty(); }

// Not touched by each message: armed for the earliest moment at which anything can be due.
void AmqpConnection::arm_timer() {
  if (ended_) return;
  const Executor& clock = services().executor;
  milliseconds wait = std::chrono::ceil<milliseconds>(engine_.next_due() - clock.now());
  if (const auto expiry = claims_.next_expiry()) {
    const milliseconds grace = shard_.security().rules.sas_grace;
    if (*expiry < kSasExpiryMax) wait = std::min({wait, kExpiryCheck, *expiry + grace - clock.wall_now()});
  }
  if (!is_proven()) {
    wait = std::min(wait, std::chrono::ceil<milliseconds>(unproven_since_ + kUnprovenTime - clock.now()));
  }
  services().executor.cancel(timer_);
  timer_ = services().executor.after(std::max(wait, milliseconds(1)), [&shard = shard_, number = number_] {
    if (AmqpConnection* self = shard.find(number)) self->on_timer();
  });
}

void AmqpConnection::on_timer() {
  timer_ = {};
  if (ended_) return;
  const SteadyTime now = services().executor.now();
  if (full_since_ && now - *full_since_ >= kStalledTime) {
    return end({"amqp:resource-limit-exceeded", "The peer does not read what it is sent", {}});
  }
  // Silence is the peer's only while we listen.
  if (reading_paused_) engine_.feed({}, now);
  engine_.on_time(now);
  end_claims(services().executor.wall_now());
  if (is_proven()) {
    unproven_since_ = now;
  } else if (now - unproven_since_ >= kUnprovenTime) {
    return end({"amqp:unauthorized-access", "No token was put in time", {}});
  }
  flush();
  arm_timer();
}

// Exactly the links that an ended claim authorised go (spec 3.4).
void AmqpConnection::end_claims(WallTime now) {
  for (const Claim& ended : claims_.take_expired(now - shard_.security().rules.sas_grace)) {
    end_links_of(ended, "the token for '" + ended.audience + "' has expired");
  }
}

void AmqpConnection::end_links_of(const Claim& claim, const std::string& why) {
  std::vector<std::uint64_t> links;
  for (const auto& [id, entry] : links_) {
    if (entry.claim == claim.id) links.push_back(id);
  }
  for (const std::uint64_t id : links) {
    detach(amqp::LinkId{id}, condition_of(Error(Errc::unauthorized, why)));
  }
}

void AmqpConnection::on_clock_shift() {
  if (!ended_) on_timer();
}

}  // namespace kyanite
