#include <utility>

#include "protocol/amqp/message.h"
#include "tests/sim/sim_amqp_device.h"

// What a device asks and is asked over AMQP: its twin, and direct methods.
namespace kyanite::sim {
namespace {

amqp::Map annotations_of(const char* operation, const char* resource) {
  amqp::Map map;
  map.entries.push_back({amqp::Symbol{"operation"}, operation});
  if (resource) map.entries.push_back({amqp::Symbol{"resource"}, resource});
  return map;
}

constexpr const char* kNotifications = "/notifications/twin/properties/desired";

}  // namespace

// Twins

void SimAmqpDevice::ask_twin(const std::string& id, const amqp::Map& annotations, const std::string& body) {
  amqp::Properties properties;
  properties.correlation_id = id;
  std::string message;
  amqp::append_message_annotations(message, annotations);
  amqp::append_properties(message, properties);
  amqp::append_data(message, body);
  tell("asks its twin " + id);
  client_->send(*pair(Node::twin).sender, message, pair(Node::twin).settled);
  flush();
}

void SimAmqpDevice::get_twin() {
  if (!is_connected() || !pair(Node::twin).open) return;
  const std::string id = "g" + std::to_string(checkers_.new_number());
  gets_[id] = checkers_.twins.generation_of(identity_, state());
  ask_twin(id, annotations_of("GET", nullptr), " ");
}

void SimAmqpDevice::patch_twin(const std::string& key, bool removes) {
  if (!is_connected() || !pair(Node::twin).open) return;
  const std::uint64_t number = checkers_.new_number();
  const std::string id = "p" + std::to_string(number);
  patches_[id] = number;
  checkers_.twins.sent({number, identity_, Section::reported, key, removes, false}, state());
  Json body;
  body[key] = removes ? Json(nullptr) : Json(number);
  ask_twin(id, annotations_of("PATCH", "/properties/reported"), dump_json(body));
}

void SimAmqpDevice::want_desired(bool wants) {
  if (!is_connected() || !pair(Node::twin).open) return;
  const std::string id = (wants ? "s" : "u") + std::to_string(checkers_.new_number());
  ask_twin(id, annotations_of(wants ? "PUT" : "DELETE", kNotifications), " ");
}

void SimAmqpDevice::on_twin(const amqp::Message& message) {
  const std::string id = amqp::text_of(message.properties.correlation_id);
  if (id.empty()) return;  // a notification, which was judged as it was written
  const amqp::Value* found = message.message_annotations.find("status");
  const std::int64_t status = found ? found->integer().value_or(0) : 0;
  tell("twin " + id + " answered " + std::to_string(status));
  if (const auto patch = patches_.find(id); patch != patches_.end()) {
    const amqp::Value* version = message.message_annotations.find("version");
    if (status == 204) {
      checkers_.twins.accepted(
          patch->second, static_cast<std::uint64_t>(version ? version->integer().value_or(0) : 0), state());
    } else {
      checkers_.twins.refused(patch->second);
    }
    patches_.erase(patch);
    return;
  }
  if (id[0] != 'g') return;
  const auto get = gets_.find(id);
  checkers_.judge.require(get != gets_.end(), name_ + " gets one answer for each request: " + id);
  if (get == gets_.end()) return;
  const std::string generation = get->second;
  gets_.erase(get);
  if (status != 200) return;
  const auto body = parse_json(body_of(message));
  checkers_.judge.require(body && body->contains("desired") && body->contains("reported"), "a twin is whole");
  if (!body || checkers_.judge.failed()) return;
  for (const auto& [section, kind] :
       {std::pair("reported", Section::reported), {"desired", Section::desired}}) {
    checkers_.twins.read(identity_, generation, kind, (*body)[section].value("$version", std::uint64_t{0}),
                         state());
  }
}

// Methods

void SimAmqpDevice::answer_method(const amqp::Value& correlation_id, std::uint64_t number,
                                  const std::string& body) {
  const Pair& at = pair(Node::methods);
  if (!at.sender) return;
  const auto status = static_cast<std::int32_t>(200 + random_.below(3));
  checkers_.methods.answered(number, status, body);
  amqp::Properties properties;
  properties.correlation_id =
      random_.chance(50) ? amqp::Value(amqp::text_of(correlation_id)) : correlation_id;
  amqp::Map application;
  application.entries.push_back({"IoThub-status", status});
  std::string message;
  amqp::append_properties(message, properties);
  amqp::append_application_properties(message, application);
  if (!body.empty()) amqp::append_data(message, body);
  client_->send(*at.sender, message, at.settled);
}

void SimAmqpDevice::on_method(const amqp::Message& message) {
  const amqp::Value& id = message.properties.correlation_id;
  checkers_.judge.require(id.as<amqp::Uuid>() != nullptr, "a call has a uuid");
  const std::uint64_t number = number_of("m" + body_of(message), 'm');
  const std::string body = "{\"n\":" + std::to_string(number) + "}";
  tell("is called " + std::to_string(number));
  switch (manners_.methods) {
    case Manners::Answer::prompt:
      return answer_method(id, number, body);
    case Manners::Answer::late:
      late_answers_.emplace_back(id, number);
      return;
    case Manners::Answer::twice:
      answer_method(id, number, body);
      return answer_method(id, number, body);
    case Manners::Answer::wrong_id:
      return answer_method(std::string("ffff-1"), number, body);
    case Manners::Answer::never:
      return;
    case Manners::Answer::bad_json:
      return answer_method(id, number, "{");
    case Manners::Answer::no_body:
      return answer_method(id, number, "");
  }
}

void SimAmqpDevice::send_late_answers() {
  for (const auto& [id, number] : std::exchange(late_answers_, {})) {
    if (is_connected()) answer_method(id, number, "{\"n\":" + std::to_string(number) + "}");
  }
  flush();
}

}  // namespace kyanite::sim
