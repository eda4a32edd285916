#include "server/api/message_headers.h"

#include <algorithm>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::string_view kApplicationPrefix = "iothub-app-";

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// RFC 9110 section 5.6.2.
bool is_token_character(char c) {
  constexpr std::string_view kPunctuation = "!#$%&'*+-.^_`|~";
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         kPunctuation.find(c) != std::string_view::npos;
}

void append_encoded(std::string& text, char c) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  text += '%';
  text += kDigits[byte >> 4];
  text += kDigits[byte & 15];
}

}  // namespace

std::string_view last_header(const HttpRequest& request, std::string_view name) {
  for (auto header = request.headers.rbegin(); header != request.headers.rend(); ++header) {
    if (equals_ignoring_case(header->first, name)) return header->second;
  }
  return {};
}

std::optional<std::string_view> application_name(std::string_view header) {
  if (header.size() < kApplicationPrefix.size() ||
      !equals_ignoring_case(header.substr(0, kApplicationPrefix.size()), kApplicationPrefix)) {
    return std::nullopt;
  }
  return header.substr(kApplicationPrefix.size());
}

void put_application(std::vector<Property>& properties, std::string_view name, std::string_view value) {
  const auto known = std::find_if(properties.begin(), properties.end(), [name](const Property& property) {
    return equals_ignoring_case(property.name, name);
  });
  if (known != properties.end()) {
    *known = {std::string(name), std::string(value)};
  } else {
    properties.push_back({std::string(name), std::string(value)});
  }
}

std::string header_value(std::string_view text) {
  std::string value;
  for (const char c : text) {
    if (is_control(c)) {
      append_encoded(value, c);
    } else {
      value += c;
    }
  }
  return value;
}

std::string header_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    if (is_token_character(c)) {
      name += c;
    } else {
      append_encoded(name, c);
    }
  }
  return name;
}

}  // namespace kyanite
