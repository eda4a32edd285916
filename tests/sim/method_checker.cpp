#include "tests/sim/method_checker.h"

#include <algorithm>

#include "tests/sim/telemetry_checker.h"

namespace kyanite::sim {

void MethodChecker::written(const std::string& body, const Identity& to) {
  const auto call = calls_.find(number_of("m" + body, 'm'));
  judge_.require(call != calls_.end(), "a device gets only calls that were made: " + body);
  if (call == calls_.end()) return;
  judge_.require(call->second.identity == to, "a call goes to its own identity: " + body);
  judge_.require(++call->second.written == 1, "a call is sent once: " + body);
}

void MethodChecker::answered(std::uint64_t number, std::int32_t status, const std::string& body) {
  calls_[number].answers.emplace_back(status, body);
}

void MethodChecker::replied(std::uint64_t number, int http_status, const std::string& body) {
  const Call& call = calls_[number];
  const std::string name = "call " + std::to_string(number);
  if (http_status == 200) {
    const bool said = std::any_of(call.answers.begin(), call.answers.end(), [&](const auto& answer) {
      return body == "{\"status\":" + std::to_string(answer.first) +
                         ",\"payload\":" + (answer.second.empty() ? "null" : answer.second) + "}";
    });
    judge_.require(said, name + " is answered by what the device said: " + body);
    return;
  }
  const bool allowed = http_status == 404 || http_status == 502 || http_status == 503 || http_status == 504;
  judge_.require(allowed, name + " ends in a documented way: " + std::to_string(http_status));
  judge_.require(http_status != 502 || !call.answers.empty(), name + " was answered badly");
}

}  // namespace kyanite::sim
