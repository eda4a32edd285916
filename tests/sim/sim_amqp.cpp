#include "tests/sim/sim_amqp.h"

#include <array>
#include <utility>

#include "protocol/amqp/message.h"

namespace kyanite::sim {

std::string body_of(const amqp::Message& message) {
  const Result<std::string> body = message.body_bytes();
  return body ? *body : std::string();
}

SimAmqp::SimAmqp(Checkers& checkers, Random& random, std::string name)
    : checkers_(checkers), random_(random), name_(std::move(name)) {}

void SimAmqp::open(test::SimHub& hub, const std::string& user, const std::string& token,
                   const std::string& audience) {
  if (link_) cut();
  hub_ = &hub;
  token_ = token;
  audience_ = audience;
  uses_cbs_ = random_.chance(70);
  connection_ = checkers_.new_number();
  const auto shard = static_cast<std::uint16_t>(random_.below(hub.shard_count()));
  PeerInfo peer;
  peer.address = "192.0.2.7";
  peer.tls_version = "TLSv1.3";  // PLAIN is for TLS only
  link_ = std::make_unique<test::SimLink>(hub.executor(shard), std::move(peer));
  watch();
  // The smallest frame there may be cuts most messages.
  constexpr std::array<std::uint32_t, 3> kFrameSizes{512, 1'024, 65'536};
  constexpr std::array<std::uint32_t, 3> kWindows{4, 64, 2'048};
  Client::Options options;
  options.container = name_;
  options.host = test::SimHub::host();
  options.max_frame_size = kFrameSizes[random_.below(kFrameSizes.size())];
  options.incoming_window = kWindows[random_.below(kWindows.size())];
  if (!uses_cbs_) {
    options.user = user;
    options.password = token;
  }
  client_ = std::make_unique<Client>(options);
  tell("connect #" + std::to_string(connection_) + (uses_cbs_ ? " by $cbs" : " by PLAIN"));
  hub.amqp(shard).accept(link_->take_channel());
  client_->start();
  flush();
}

// It is judged until the hub's end of the link is gone, also when nobody reads it any more.
void SimAmqp::watch() {
  AmqpWatcher::OnMessage on_message = watcher();
  if (!on_message) return;
  const auto reader =
      std::make_shared<AmqpWatcher>([this] { return checkers_.new_number(); }, std::move(on_message));
  link_->on_hub_write([this, reader](std::string_view bytes) {
    const Result<void> read = reader->take(bytes);
    checkers_.judge.require(read.has_value(),
                            name_ + " is sent AMQP: " + (read ? std::string() : read.error().detail));
  });
}

SimAmqp::Handle SimAmqp::attach(amqp::Role role, const std::string& address,
                                const Client::LinkOptions& options) {
  tell("attach " + address);
  return client_->attach(role, address, options);
}

// The length of a token is no part of the story, and so cuts are not drawn from it.
void SimAmqp::flush() {
  if (!client_ || !link_) return;
  const std::string bytes = std::exchange(client_->output(), {});
  if (bytes.empty()) return;
  if (random_.chance(10)) {
    link_->send_in_pieces(bytes, 1 + random_.below(100));
  } else {
    link_->send(bytes);
  }
}

void SimAmqp::ping() {
  if (!connected_) return;
  client_->ping();
  flush();
}

void SimAmqp::disconnect() {
  if (!connected_) return;
  tell("close #" + std::to_string(connection_));
  client_->close();
  flush();
  connected_ = false;
}

void SimAmqp::cut() {
  if (!link_) return;
  tell("cut #" + std::to_string(connection_));
  link_->drop();
  forget();
}

void SimAmqp::stall() {
  if (!link_) return;
  stalled_ = true;
  link_->stall();
}

void SimAmqp::unstall() {
  if (!link_) return;
  stalled_ = false;
  link_->unstall();
}

void SimAmqp::forget() {
  link_.reset();
  client_.reset();
  connected_ = stalled_ = token_sent_ = false;
  on_forgotten();
}

void SimAmqp::read() {
  if (!link_) return;
  client_->feed(link_->take_received());
  while (client_) {
    std::optional<Client::Event> event = client_->next();
    if (!event) break;
    react(*event);
  }
  flush();
  if (link_ && link_->is_closed()) {
    tell("sees the end of #" + std::to_string(connection_));
    forget();
  }
}

void SimAmqp::react(Client::Event& event) {
  if (std::holds_alternative<Client::Begun>(event)) {
    if (!uses_cbs_) {
      connected_ = true;
      return on_connected();
    }
    cbs_requests_ = client_->attach(amqp::Role::sender, "$cbs", {});
    cbs_answers_ = client_->attach(amqp::Role::receiver, "$cbs", {});
  } else if (const auto* attached = std::get_if<Client::Attached>(&event)) {
    if (uses_cbs_ && attached->link == cbs_answers_) return client_->grant(cbs_answers_, 10);
    if (!uses_cbs_ || attached->link != cbs_requests_) on_attached(attached->link);
  } else if (const auto* credit = std::get_if<Client::Credit>(&event)) {
    if (uses_cbs_ && credit->link == cbs_requests_ && !std::exchange(token_sent_, true)) put_token();
  } else if (const auto* detached = std::get_if<Client::Detached>(&event)) {
    tell("link ended: " + (detached->condition ? detached->condition->name : std::string("-")));
    on_detached(detached->link, detached->condition);
  } else if (const auto* received = std::get_if<Client::Received>(&event)) {
    if (!uses_cbs_ || received->link != cbs_answers_) return on_received(*received);
    if (!received->settled) client_->dispose(received->delivery, {}, true);
    const auto answer = amqp::read_message(received->payload);
    const amqp::Value* status = answer ? answer->application_properties.find("status-code") : nullptr;
    checkers_.judge.require(status && status->integer(), "a token is answered with a status");
    if (!status || !status->integer()) return;
    tell("token " + std::to_string(*status->integer()));
    if (*status->integer() != 200) return client_->close();
    connected_ = true;
    on_connected();
  } else if (const auto* settled = std::get_if<Client::Settled>(&event)) {
    on_settled(*settled);
  } else if (const auto* confirmed = std::get_if<Client::Confirmed>(&event)) {
    on_confirmed(*confirmed);
  } else if (const auto* closed = std::get_if<Client::Closed>(&event)) {
    tell("closed: " + closed->why.substr(0, closed->why.find(':')));
    connected_ = false;
  }
}

void SimAmqp::put_token() {
  std::string message;
  amqp::Properties properties;
  properties.message_id = std::string("t");
  properties.reply_to = "cbs";
  amqp::append_properties(message, properties);
  amqp::Map application;
  application.entries = {{"operation", "put-token"}, {"type", "jwt"}, {"name", audience_}};
  amqp::append_application_properties(message, application);
  amqp::append_amqp_value(message, token_);
  client_->send(cbs_requests_, message, random_.chance(50));
}

}  // namespace kyanite::sim
