#include "server/admin/request_source.h"

#include <algorithm>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr int kForbidden = 403;
constexpr int kMisdirected = 421;

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && equals_ignoring_case(text.substr(text.size() - end.size()), end);
}

// A browser takes what consists of these for an address, whatever it looks like.
bool is_ipv4_like(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

// Behind a proxy that adds TLS the page's scheme is https.
bool is_same_origin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equals_ignoring_case(origin.substr(0, scheme.size()), scheme))
      return equals_ignoring_case(origin.substr(scheme.size()), host);
  }
  return false;
}

}  // namespace

bool is_local_name(std::string_view host, const std::vector<std::string>& own_names) {
  std::string_view name = without_port(host);
  if (name.starts_with('[')) return true;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.find('.') == std::string_view::npos || is_ipv4_like(name)) return true;
  if (ends_with_ignoring_case(name, ".localhost")) return true;
  return std::any_of(own_names.begin(), own_names.end(),
                     [name](const std::string& own) { return equals_ignoring_case(own, name); });
}

std::optional<ForeignRequest> foreign_request(const HttpRequest& request, const SpokenNames& names) {
  const std::string_view host = request.header("host").value_or(std::string_view());
  if (names && !is_local_name(host, *names)) {
    return ForeignRequest{
        kMisdirected,
        "this port answers to addresses, localhost and the names of the hub (hub.hostNames); "
        "the Host of the request is another name"};
  }
  const auto origin = request.header("origin");
  if (origin && !is_same_origin(*origin, host)) {
    return ForeignRequest{kForbidden, "this port does not answer pages of other sites (Origin)"};
  }
  return std::nullopt;
}

}  // namespace kyanite
