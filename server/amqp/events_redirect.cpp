#include "server/amqp/events_redirect.h"

#include <string_view>
#include <utility>

#include "protocol/base/percent_encoding.h"
#include "server/amqp/amqp_shard.h"
#include "server/amqp/events_shard.h"
#include "server/amqp/link_openers.h"

namespace kyanite {
namespace {

// Clients connect to this port of the host, whatever they are told (6.2).
constexpr std::int32_t kRedirectPort = 5671;

bool asks_management(std::string_view rest) {
  return equals_ignoring_case(rest.substr(0, rest.find_last_not_of('/') + 1), "/$management");
}

}  // namespace

amqp::Condition redirect_condition(const EventsEndpoint& endpoint, const std::string& rest) {
  const bool is_ipv6 = endpoint.host_name.find(':') != std::string::npos;
  const std::string host = is_ipv6 ? "[" + endpoint.host_name + "]" : endpoint.host_name;
  amqp::Condition condition{
      "amqp:link:redirect", "events are read at the Event Hubs-compatible endpoint", {}};
  auto& info = condition.info.entries;
  info.push_back({amqp::Symbol{"hostname"}, endpoint.host_name});
  info.push_back({amqp::Symbol{"network-host"}, endpoint.host_name});
  info.push_back({amqp::Symbol{"port"}, kRedirectPort});
  info.push_back({amqp::Symbol{"address"},
                  "amqps://" + host + ":" + std::to_string(kRedirectPort) + "/" + endpoint.entity + rest});
  return condition;
}

EventsRedirect::EventsRedirect(AmqpConnection& connection, amqp::LinkId id, amqp::Condition condition)
    : AmqpLink(connection, id), condition_(std::move(condition)) {
  timer_ = connection.services().executor.after(
      kGap, [&shard = connection.shard(), number = connection.number(), id] {
        AmqpConnection* found = shard.find(number);
        AmqpLink* self = found ? found->find(id) : nullptr;
        if (self) static_cast<EventsRedirect*>(self)->redirect();
      });
}

EventsRedirect::~EventsRedirect() {
  if (timer_) connection().services().executor.cancel(timer_);
}

void EventsRedirect::redirect() {
  timer_ = {};
  AmqpConnection& peer = connection();
  peer.detach(id(), std::move(condition_));
  peer.flush();
}

void open_events_redirect(AmqpConnection& connection, const amqp::AttachReceived& attach,
                          const AmqpAddress& address) {
  if (attach.attach.role != amqp::Role::receiver) {
    // Event Hubs clients of 2019 ask for the hub's facts and learn where they are by the first of their two
    // links, the sending one. It is refused at once: they take the reason only while they wait for it to
    // open.
    if (asks_management(address.rest)) {
      const EventsEndpoint& endpoint = connection.shard().events().endpoint;
      return connection.refuse(attach.link, redirect_condition(endpoint, address.rest));
    }
    return connection.refuse(attach.link,
                             {"amqp:not-allowed", "events come from devices; nobody may send them here", {}});
  }
  connection.accept(
      attach.link, {},
      std::make_unique<EventsRedirect>(
          connection, attach.link, redirect_condition(connection.shard().events().endpoint, address.rest)),
      0);
}

}  // namespace kyanite
