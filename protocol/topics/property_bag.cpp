#include "protocol/topics/property_bag.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

struct SystemName {
  std::string_view wire;
  std::string_view service;  // empty: known, but never taken from a device
};

// Spec device-mqtt.md 4.3.
constexpr std::array kSystemNames{
    SystemName{"$.mid", "message-id"},
    SystemName{"$.cid", "correlation-id"},
    SystemName{"$.uid", "user-id"},
    SystemName{"$.to", "to"},
    SystemName{"$.ct", "content-type"},
    SystemName{"$.ce", "content-encoding"},
    SystemName{"$.exp", "absolute-expiry-time"},
    SystemName{"$.ctime", "iothub-creation-time-utc"},
    SystemName{"$.on", "iothub-outputname"},
    SystemName{"$.cdid", ""},
    SystemName{"$.cmid", ""},
    SystemName{"$.ifid", "iothub-interface-id"},
    SystemName{"$.sub", "dt-subject"},
    SystemName{"$.schema", "iothub-message-schema"},
    SystemName{"$.diagid", "iothub-diag-id"},
    SystemName{"$.diagctx", "diag-correlation-context"},
    SystemName{"iothub-ack", ""},
    SystemName{"iothub-operation", "iothub-operation"},
};

const SystemName* find_system_name(std::string_view wire) {
  if (!wire.starts_with("$.") && !wire.starts_with("iothub-")) return nullptr;
  const auto found = std::find_if(kSystemNames.begin(), kSystemNames.end(),
                                  [wire](const SystemName& name) { return name.wire == wire; });
  return found == kSystemNames.end() ? nullptr : &*found;
}

// Percent-decodes; text that would not be UTF-8 stays as it was sent (4.2 step 5).
std::string decode(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  std::string decoded = percent_decode(text);
  return is_valid_utf8(decoded) ? decoded : std::string(text);
}

// Finds application properties by name ignoring case. A topic has room for some 20,000 names, chosen by the
// sender: beyond a few they are kept in a tree, whose cost no choice of names can spoil.
class ApplicationNames {
 public:
  explicit ApplicationNames(std::vector<Property>& properties) : properties_(properties) {}

  // Adds the property, or replaces the one of the same name: the last one wins (4.2 step 7).
  void put(Property property) {
    Property* known = find(property.name);
    if (known) {
      *known = std::move(property);
      return;
    }
    properties_.push_back(std::move(property));
    if (properties_.size() > kScannedMax) index_from(by_name_.size());
  }

 private:
  static constexpr std::size_t kScannedMax = 16;

  Property* find(std::string_view name) {
    if (by_name_.empty()) {
      const auto found = std::find_if(
          properties_.begin(), properties_.end(),
          [name](const Property& property) { return equals_ignoring_case(property.name, name); });
      return found == properties_.end() ? nullptr : &*found;
    }
    const auto found = by_name_.find(to_lower_ascii(name));
    return found == by_name_.end() ? nullptr : &properties_[found->second];
  }

  void index_from(std::size_t first) {
    for (std::size_t i = first; i < properties_.size(); ++i) {
      by_name_.emplace(to_lower_ascii(properties_[i].name), i);
    }
  }

  std::vector<Property>& properties_;
  std::map<std::string, std::size_t> by_name_;  // lower-case name to position; empty while a scan is cheaper
};

void put_system(std::vector<Property>& system, std::string_view name, std::string value) {
  const auto known = std::find_if(system.begin(), system.end(),
                                  [name](const Property& property) { return property.name == name; });
  if (known != system.end()) {
    known->value = std::move(value);
  } else {
    system.push_back({std::string(name), std::move(value)});
  }
}

void decode_pair(std::string_view pair, PropertyBag& bag, ApplicationNames& names) {
  const std::size_t equals = pair.find('=');
  Property property;
  property.name = decode(pair.substr(0, equals));
  if (property.name.empty()) return;
  if (equals != std::string_view::npos) property.value = decode(pair.substr(equals + 1));

  if (const SystemName* system = find_system_name(property.name)) {
    // A system property without a value says nothing.
    if (!system->service.empty() && property.value) {
      put_system(bag.system, system->service, *std::move(property.value));
    }
  } else if (property.name.starts_with("$.")) {
    ++bag.ignored_system;
  } else {
    names.put(std::move(property));
  }
}

}  // namespace

std::size_t counted_property_bytes(const PropertyBag& bag) {
  std::size_t size = 0;
  for (const Property& property : bag.system) size += property.value ? property.value->size() : 0;
  for (const Property& property : bag.application) {
    size += property.name.size() + (property.value ? property.value->size() : 0);
  }
  return size;
}

PropertyBag decode_property_bag(std::string_view text) {
  if (text.starts_with('?')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);

  PropertyBag bag;
  ApplicationNames names(bag.application);
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    if (!pair.empty()) decode_pair(pair, bag, names);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  bag.size_bytes = counted_property_bytes(bag);
  return bag;
}

}  // namespace kyanite
