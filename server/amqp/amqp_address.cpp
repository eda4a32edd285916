#include "server/amqp/amqp_address.h"

#include <vector>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

std::string_view without_authority(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return text;
  // A path may hold "://" behind its first slash; a scheme stands before any.
  if (text.find('/') < scheme) return text;
  text.remove_prefix(scheme + 3);
  const std::size_t slash = text.find('/');
  return slash == std::string_view::npos ? std::string_view() : text.substr(slash);
}

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  for (;;) {
    const std::size_t slash = path.find('/');
    segments.push_back(percent_decode(path.substr(0, slash)));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool is(std::string_view segment, std::string_view fixed) { return equals_ignoring_case(segment, fixed); }

// Behind devices/<id>[/modules/<m>].
AmqpNode device_node(const std::vector<std::string>& segments, std::size_t at) {
  const std::size_t left = segments.size() - at;
  if (left == 2 && is(segments[at], "messages")) {
    if (is(segments[at + 1], "events")) return AmqpNode::device_events;
    if (is(segments[at + 1], "devicebound")) return AmqpNode::device_c2d;
  }
  if (left == 1 && is(segments[at], "twin")) return AmqpNode::device_twin;
  if (left == 2 && is(segments[at], "methods") && is(segments[at + 1], "devicebound")) {
    return AmqpNode::device_methods;
  }
  return AmqpNode::unknown;
}

void read_device(AmqpAddress& address, const std::vector<std::string>& segments) {
  std::size_t at = 2;
  address.identity.device = segments[1];
  if (segments.size() >= 4 && is(segments[2], "modules")) {
    address.identity.module = segments[3];
    at = 4;
  }
  if (!is_valid_id(address.identity.device) ||
      (!address.identity.module.empty() && !is_valid_id(address.identity.module))) {
    return;
  }
  if (at == 4 && address.identity.module.empty()) return;
  address.node = device_node(segments, at);
}

AmqpNode messages_node(const std::vector<std::string>& segments) {
  if (segments.size() == 2 && is(segments[1], "devicebound")) return AmqpNode::c2d;
  if (segments.size() == 3 && is(segments[1], "servicebound")) {
    if (is(segments[2], "feedback")) return AmqpNode::feedback;
    if (is(segments[2], "filenotifications")) return AmqpNode::file_notifications;
  }
  if (segments.size() >= 2 && is(segments[1], "events")) return AmqpNode::events_redirect;
  return AmqpNode::unknown;
}

AmqpNode entity_node(AmqpAddress& address, const std::vector<std::string>& segments) {
  address.entity = segments[0];
  if (segments.size() == 1) return AmqpNode::producer;
  if (segments.size() == 2 && is(segments[1], "$management")) return AmqpNode::management;
  if (segments.size() == 3 && is(segments[1], "partitions")) {
    address.partition = segments[2];
    return AmqpNode::producer;
  }
  if (segments.size() == 5 && is(segments[1], "consumergroups") && is(segments[3], "partitions")) {
    address.group = segments[2];
    address.partition = segments[4];
    return AmqpNode::partition;
  }
  return AmqpNode::unknown;
}

}  // namespace

AmqpAddress parse_amqp_address(std::string_view text) {
  AmqpAddress address;
  std::string_view path = without_authority(text);
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  address.path = to_lower_ascii(percent_decode(path));
  if (!is_valid_utf8(address.path)) return address;
  const std::vector<std::string> segments = segments_of(path);
  if (segments[0].empty()) return address;
  if (segments.size() == 1 && is(segments[0], "$cbs")) {
    address.node = AmqpNode::cbs;
  } else if (segments.size() == 1 && is(segments[0], "$management")) {
    address.node = AmqpNode::management;
  } else if (is(segments[0], "messages")) {
    address.node = messages_node(segments);
    if (address.node == AmqpNode::events_redirect) {
      // As the client wrote it: the answer repeats it (spec 6.2).
      const std::size_t slash = path.find('/', path.find('/') + 1);
      if (slash != std::string_view::npos) address.rest = path.substr(slash);
    }
  } else if (is(segments[0], "devices") && segments.size() >= 2) {
    read_device(address, segments);
  } else {
    address.node = entity_node(address, segments);
  }
  return address;
}

}  // namespace kyanite
