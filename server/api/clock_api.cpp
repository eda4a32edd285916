#include "server/api/clock_api.h"

#include <cmath>

#include "protocol/base/iso_time.h"
#include "server/api/api_response.h"
#include "server/hub/clock_control.h"

namespace kyanite {
namespace {

constexpr double kSecondsMax = 1e12;  // far beyond what the clock takes, and whole in milliseconds

HttpResponse clock_response(const ClockState& state) {
  Json json;
  json["now"] = to_iso_time(state.now);
  json["shiftSeconds"] = static_cast<double>(state.shift.count()) / 1000;
  return json_response(json);
}

Reply<ClockState> answer(const ApiCall& call, Reply<HttpResponse> reply) {
  return answer_with<ClockState>(call.context.services.executor, std::move(reply), clock_response);
}

std::optional<milliseconds> parse_seconds(const Json& value) {
  if (!value.is_number()) return std::nullopt;
  const double number = value.get<double>();
  if (!(std::abs(number) <= kSecondsMax)) return std::nullopt;
  return milliseconds(std::llround(number * 1000));
}

}  // namespace

void get_clock(const ApiCall& call, Reply<HttpResponse> reply) {
  call.context.services.clock.get(answer(call, std::move(reply)));
}

void set_clock(const ApiCall& call, Reply<HttpResponse> reply) {
  const Result<Json> body = parse_json(call.request.body);
  if (!body) return reply(body.error());
  ClockControl& clock = call.context.services.clock;
  if (body->is_object() && body->size() == 1) {
    const auto member = body->begin();
    const std::string& name = member.key();
    const Json& value = member.value();
    const std::optional<milliseconds> time = parse_seconds(value);
    if (name == "shiftSeconds" && time) return clock.shift_to(*time, answer(call, std::move(reply)));
    if (name == "advanceSeconds" && time) return clock.advance(*time, answer(call, std::move(reply)));
    const auto now = value.is_string() ? parse_iso_time(value.get<std::string>()) : std::nullopt;
    if (name == "now" && now) return clock.set_now(*now, answer(call, std::move(reply)));
  }
  reply(
      Error(Errc::argument_invalid,
            R"(the body must be {"shiftSeconds":number}, {"advanceSeconds":number} or {"now":"UTC time"})"));
}

void reset_clock(const ApiCall& call, Reply<HttpResponse> reply) {
  call.context.services.clock.shift_to(milliseconds(0), answer(call, std::move(reply)));
}

}  // namespace kyanite
