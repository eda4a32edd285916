#include <cctype>
#include <charconv>

#include "config/settings.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {

std::string to_string(const std::optional<ListenAddress>& address) {
  return address ? to_string(*address) : "off";
}

std::string to_string(const ListenAddress& address) {
  const std::string port = std::to_string(address.port);
  if (address.address.find(':') == std::string::npos) return address.address + ":" + port;
  return "[" + address.address + "]:" + port;
}

namespace {

bool is_ipv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || value > 255 || digits > 3) return false;
    text.remove_prefix(digits);
    if (part < 3) {
      if (text.empty() || text.front() != '.') return false;
      text.remove_prefix(1);
    }
  }
  return text.empty();
}

// The form only: digits in groups of up to four, at most one "::". The system has the last word when binding.
bool is_ipv6(std::string_view text) {
  std::size_t groups = 0;
  bool gap = false;
  std::size_t i = 0;
  if (text.size() >= 2 && text.substr(0, 2) == "::") {
    gap = true;
    i = 2;
  }
  while (i < text.size()) {
    const std::string_view rest = text.substr(i);
    if (rest.find('.') != std::string_view::npos && rest.find(':') == std::string_view::npos) {
      return is_ipv4(rest) && (gap ? groups <= 5 : groups == 6);
    }
    std::size_t digits = 0;
    while (digits < rest.size() && std::isxdigit(static_cast<unsigned char>(rest[digits])) != 0) ++digits;
    if (digits == 0 || digits > 4) return false;
    ++groups;
    i += digits;
    if (i == text.size()) break;
    if (text[i] != ':') return false;
    ++i;
    if (i == text.size()) return false;
    if (text[i] == ':') {
      if (gap) return false;
      gap = true;
      ++i;
    }
  }
  return gap ? groups <= 7 : groups == 8;
}

}  // namespace

bool is_private(const ListenAddress& address) {
  std::string text = to_lower_ascii(address.address);
  constexpr std::string_view kMapped = "::ffff:";
  if (text.starts_with(kMapped) && is_ipv4(std::string_view(text).substr(kMapped.size())))
    text.erase(0, kMapped.size());
  if (!is_ipv4(text)) {
    // A first group of four digits: shorter ones begin with a zero that was left out.
    const std::string first = text.substr(0, text.find(':'));
    if (first.size() != 4) return text == "::1";
    const std::string_view head = std::string_view(first).substr(0, 2);
    return head == "fc" || head == "fd" || (head == "fe" && first[2] >= '8' && first[2] <= 'b');
  }
  unsigned parts[2] = {0, 0};
  const char* at = text.data();
  for (unsigned& part : parts) at = std::from_chars(at, text.data() + text.size(), part).ptr + 1;
  return parts[0] == 127 || parts[0] == 10 || (parts[0] == 172 && parts[1] >= 16 && parts[1] < 32) ||
         (parts[0] == 192 && parts[1] == 168) || (parts[0] == 169 && parts[1] == 254);
}

std::optional<ListenAddress> listen_address_from_text(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  ListenAddress out;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), out.port);
  if (port_text.empty() || error != std::errc() || end != port_text.data() + port_text.size())
    return std::nullopt;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6(host)) return std::nullopt;
  } else if (host == "*") {
    host = "::";
    out.or_ipv4 = true;
  } else if (!is_ipv4(host)) {
    return std::nullopt;
  }
  out.address = std::string(host);
  return out;
}

}  // namespace kyanite
