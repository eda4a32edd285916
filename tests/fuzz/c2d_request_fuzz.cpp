#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/base/limits.h"
#include "protocol/topics/property_bag.h"
#include "server/api/c2d_request.h"
#include "server/hub/c2d_message.h"

// Headers as lines "name: value", an empty line, the body. Whatever is accepted fits its limits, and a device
// that decodes the topic finds exactly the properties that were sent.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kyanite;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  HttpRequest request;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) break;
    const std::size_t colon = std::min(line.find(": "), line.size());
    request.headers.emplace_back(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
  }
  request.body = rest;
  const WallTime now{seconds{1'767'607'200}};
  const Result<C2dMessage> message = parse_c2d_request(request, "d1", now);
  if (!message) return 0;

  KYANITE_ASSERT(message->header.bytes <= limits::kC2dBytesMax);
  KYANITE_ASSERT(!message->header.explicit_expiry || message->header.expiry > now);
  const std::string topic = c2d_topic_of(*message);
  constexpr std::string_view prefix = "devices/d1/messages/devicebound/";
  KYANITE_ASSERT(topic.size() <= limits::kTopicBytesMax);
  KYANITE_ASSERT(topic.starts_with(prefix) && topic.size() > prefix.size());
  KYANITE_ASSERT(topic.find_first_of("+#? \t") == std::string::npos);
  const PropertyBag bag = decode_property_bag(std::string_view(topic).substr(prefix.size()));
  KYANITE_ASSERT(bag.application == message->application);
  KYANITE_ASSERT(bag.ignored_system == 0);
  for (const Property& property : bag.system) {
    if (property.name == "message-id") KYANITE_ASSERT(property.value == message->header.message_id);
    if (property.name == "correlation-id") KYANITE_ASSERT(property.value == message->correlation_id);
    if (property.name == "user-id") KYANITE_ASSERT(property.value == message->user_id);
    if (property.name == "content-type") KYANITE_ASSERT(property.value == message->content_type);
    if (property.name == "content-encoding") KYANITE_ASSERT(property.value == message->content_encoding);
  }
  return 0;
}
