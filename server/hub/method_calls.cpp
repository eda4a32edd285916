#include "server/hub/method_calls.h"

#include <charconv>
#include <iterator>
#include <utility>

#include "protocol/base/json_text.h"
#include "protocol/base/limits.h"

namespace kyanite {
namespace {

std::string to_hex(std::uint64_t number) {
  char text[16];
  const auto end = std::to_chars(std::begin(text), std::end(text), number, 16).ptr;
  return std::string(std::begin(text), end);
}

// What becomes of a device's answer (spec device-mqtt.md 7.2).
Result<MethodResult> judge(AnswerMethod message) {
  if (message.body.size() > limits::kMethodPayloadBytesMax) {
    return Error(Errc::message_too_large, "the answer of the device is larger than 131072 bytes");
  }
  // A byte order mark is no part of the value: the text is put into a document as it is.
  std::string payload(without_byte_order_mark(message.body));
  if (payload.empty()) return MethodResult{message.status, {}};
  if (const Result<void> checked = check_json(payload); !checked) {
    return Error(Errc::bad_device_response,
                 "the device answered with a body that is " + checked.error().detail);
  }
  return MethodResult{message.status, std::move(payload)};
}

}  // namespace

MethodCalls::MethodCalls(DeviceHost& host)
    : host_(host), id_prefix_([&host] {
        const auto now = host.executor().wall_now().time_since_epoch().count();
        return to_hex(static_cast<std::uint64_t>(now)) + "-";
      }()) {}

MethodCalls::~MethodCalls() { on_drain(); }

void MethodCalls::invoke(InvokeMethod message) {
  const auto refuse = [&](const Error& error) {
    host_.counters().count(method_outcome_of(error));
    message.reply(error);
  };
  if (calls_.size() >= limits::kMethodCallsMax) {
    return refuse(Error(Errc::too_many_calls, "the device has " + std::to_string(limits::kMethodCallsMax) +
                                                  " direct methods under way"));
  }
  const bool listening = is_listening(message.identity.module);
  if (!listening && message.connect_timeout <= milliseconds::zero()) {
    const bool connected = host_.link(message.identity.module) != nullptr;
    return refuse(Error(Errc::device_not_online,
                        connected ? "the device is connected but not subscribed to direct methods"
                                  : "the device is not connected"));
  }
  const std::size_t payload_bytes = message.payload ? message.payload->size() : 0;
  if (!listening && waiting_bytes_ + payload_bytes > limits::kMethodWaitingBytesMax) {
    return refuse(Error(Errc::too_many_calls, "the direct methods that wait for the device carry more than " +
                                                  std::to_string(limits::kMethodWaitingBytesMax) + " bytes"));
  }
  waiting_bytes_ += payload_bytes;
  const auto call =
      calls_
          .emplace(++last_number_, Call{std::move(message.identity.module), std::move(message.method),
                                        std::move(message.payload), message.response_timeout,
                                        std::move(message.reply), TimerId{}, false, host_.executor().now()})
          .first;
  ++host_.counters().methods_under_way;
  if (listening) {
    send(call);
  } else {
    arm(call, message.connect_timeout);
  }
}

void MethodCalls::answer(AnswerMethod message) {
  const auto call = find(message.request_id);
  // Late, a second time, or never asked.
  if (call == calls_.end() || !call->second.sent || call->second.module != message.identity.module) return;
  finish(call, judge(std::move(message)));
}

void MethodCalls::on_listening(const std::string& module) {
  for (auto call = calls_.begin(); call != calls_.end(); ++call) {
    if (!call->second.sent && call->second.module == module) send(call);
  }
}

void MethodCalls::on_link_ended(const std::string& module) {
  // Whether the device carried the method out is unknown, so it is not sent again (service-rest.md 7).
  finish_all([&module](const Call& call) { return call.sent && call.module == module; },
             Error(Errc::timed_out, "the connection to the device ended before it answered"));
}

void MethodCalls::on_erased(const std::string& module) {
  finish_all([&module](const Call& call) { return module.empty() || call.module == module; },
             Error(module.empty() ? Errc::device_not_found : Errc::module_not_found,
                   "the identity was deleted while the method was under way"));
}

void MethodCalls::on_disabled() {
  finish_all([](const Call&) { return true; },
             Error(Errc::device_not_found, "the device was disabled while the method was under way"));
}

void MethodCalls::on_drain() {
  finish_all([](const Call&) { return true; }, Error(Errc::shutting_down, "the hub is shutting down"));
}

bool MethodCalls::is_listening(const std::string& module) const {
  const DeviceLink* link = host_.link(module);
  return link != nullptr && link->find(FilterKind::methods) != nullptr;
}

void MethodCalls::send(Calls::iterator call) {
  Call& under_way = call->second;
  std::string body = host_.settings().methods.empty_as_null ? "null" : "";
  if (under_way.payload) {
    waiting_bytes_ -= under_way.payload->size();
    body = std::move(*under_way.payload);
    under_way.payload.reset();
  }
  under_way.sent = true;
  arm(call, under_way.response_timeout);
  host_.send(under_way.module,
             CallMethod{request_id(call->first), std::move(under_way.method), std::move(body)});
}

// The actor stays while a call is under way, so the timer may name this.
void MethodCalls::arm(Calls::iterator call, milliseconds time) {
  if (call->second.timer) host_.executor().cancel(call->second.timer);
  call->second.timer = host_.executor().after(time, [this, number = call->first] { on_time(number); });
}

void MethodCalls::on_time(std::uint64_t number) {
  const auto call = calls_.find(number);
  call->second.timer = {};
  if (call->second.sent) {
    finish(call, Error(Errc::timed_out, "the device did not answer within the response timeout"));
  } else {
    finish(call, Error(Errc::device_not_online, "Timed out waiting for device to subscribe."));
  }
  host_.settled();
}

MethodCalls::Calls::iterator MethodCalls::finish(Calls::iterator call, Result<MethodResult> result) {
  if (call->second.timer) host_.executor().cancel(call->second.timer);
  if (call->second.payload) waiting_bytes_ -= call->second.payload->size();
  HubCounters& counters = host_.counters();
  --counters.methods_under_way;
  if (result) {
    const SteadyTime::duration took = host_.executor().now() - call->second.began;
    counters.method_seconds.observe(std::chrono::duration<double>(took).count());
  }
  counters.count(result ? MethodOutcome::answered : method_outcome_of(result.error()));
  call->second.reply(std::move(result));
  return calls_.erase(call);
}

template <class Predicate>
void MethodCalls::finish_all(Predicate concerns, const Error& error) {
  for (auto call = calls_.begin(); call != calls_.end();) {
    call = concerns(call->second) ? finish(call, error) : std::next(call);
  }
}

std::string MethodCalls::request_id(std::uint64_t number) const { return id_prefix_ + to_hex(number); }

MethodCalls::Calls::iterator MethodCalls::find(std::string_view request_id) {
  if (!request_id.starts_with(id_prefix_)) return calls_.end();
  const std::string_view digits = request_id.substr(id_prefix_.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (error != std::errc() || to_hex(number) != digits) return calls_.end();
  return calls_.find(number);
}

}  // namespace kyanite
