#include "server/hub/fault_properties.h"

#include <algorithm>
#include <charconv>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/topics/property_bag.h"

namespace kyanite {
namespace {

constexpr std::string_view kFaultType = "AzIoTHub_FaultOperationType";
constexpr milliseconds kServiceDelay{1'000};  // what the SDKs' tests ask for mostly
constexpr milliseconds kServiceDuration{5'000};

std::string_view fault_property(const PropertyBag& bag, std::string_view name) {
  for (const Property& property : bag.application) {
    if (property.name == name && property.value) return *property.value;
  }
  return {};
}

milliseconds fault_seconds(const PropertyBag& bag, std::string_view stem, milliseconds otherwise,
                           milliseconds most) {
  std::string_view text = fault_property(bag, std::string(stem) + "Secs");
  if (text.empty()) text = fault_property(bag, std::string(stem) + "Seconds");
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return otherwise;
  return std::min<milliseconds>(seconds(number), most);
}

}  // namespace

std::vector<FaultRule> faults_asked_for(std::string_view text, const Identity& identity) {
  if (text.find(kFaultType) == std::string_view::npos) return {};
  const PropertyBag bag = decode_property_bag(text);
  const std::string_view type = fault_property(bag, kFaultType);
  FaultRule rule;
  rule.scope.device = identity.device;
  rule.scope.module = identity.module;
  rule.begins_after =
      fault_seconds(bag, "AzIoTHub_FaultOperationDelayIn", kServiceDelay, limits::kFaultDurationMax);
  rule.duration =
      fault_seconds(bag, "AzIoTHub_FaultOperationDurationIn", kServiceDuration, limits::kFaultDurationMax);
  rule.duration = std::max<milliseconds>(rule.duration, seconds(1));
  if (type == "KillTcp") return {rule};
  if (type == "ShutDownMqtt") {
    rule.orderly = true;
    return {rule};
  }
  if (type == "InvokeThrottling" || type == "InvokeMaxMessageQuota") {
    rule.moment = FaultMoment::publish;
    rule.pretext = type == "InvokeThrottling" ? FaultPretext::throttled : FaultPretext::quota_exceeded;
    return {rule};
  }
  if (type == "InvokeAuthError") {
    FaultRule refusal = rule;
    refusal.kind = FaultKind::refuse_connect;
    refusal.connack_code = 5;
    return {refusal, rule};
  }
  return {};
}

}  // namespace kyanite
