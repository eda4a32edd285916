#include "bench/load/methods_scenario.h"

#include "protocol/mqtt/encoder.h"

namespace kyanite::load {

void MethodsScenario::tick(SteadyTime now) {
  look_after_links(now);
  const bool all_tried = open_links();
  if (!told_ready_ && all_tried && tried_ == links_.size()) {
    told_ready_ = true;
    control_.report_ready();
  }
  if (control_.phase() == Phase::closing) finish();
}

void MethodsScenario::on_ready(Link& link) {
  link_opened();
  const mqtt::TopicRequest request{"$iothub/methods/POST/#", mqtt::QoS::at_most_once};
  mqtt::append_subscribe(link.output(), PacketId{1}, {&request, 1});
}

void MethodsScenario::on_suback(Link&) {
  ++listening_;
  ++tried_;
}

void MethodsScenario::on_publish(Link& link, std::string_view topic, std::string_view body) {
  const std::size_t parameters = topic.find("/?$rid=");
  if (parameters == std::string_view::npos) return;
  const std::string answer = "$iothub/methods/res/200" + std::string(topic.substr(parameters));
  mqtt::append_client_publish(link.output(), answer, body, mqtt::QoS::at_most_once, false, false, {});
}

void MethodsScenario::on_closed(Link& link, std::string_view reason) {
  count_failure(reason);
  if (!link.was_ready()) link_opened();
  if (!told_ready_) ++tried_;
}

}  // namespace kyanite::load
