#include "config/validate.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "protocol/base/base64.h"

namespace kyanite {
namespace {

bool is_label_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
}

// As the storage service has it. It is the first part of paths, so it may not hide the hub's own.
bool is_container_name(std::string_view name) {
  for (const std::string_view route :
       {"devices", "twins", "jobs", "configurations", "statistics", "messages", "digitaltwins", "kyanite"}) {
    if (name == route) return false;
  }
  if (name.size() < 3 || name.size() > 63 || name.front() == '-' || name.back() == '-') return false;
  if (name.find("--") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// As the service has it. It is a segment of addresses beside those of the hub's own nodes.
bool is_entity_name(std::string_view name) {
  for (const std::string_view node : {"messages", "devices"}) {
    if (name == node) return false;
  }
  const auto is_end = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return name.size() <= 256 && is_end(name.front()) && is_end(name.back()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_label_character(c) || c == '.'; });
}

// Whoever can change the keys on their way opens the hub.
bool is_key_set_address(std::string_view uri) {
  for (const char c : uri) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return false;
  }
  constexpr std::string_view kHttps = "https://";
  if (uri.starts_with(kHttps)) return uri.size() > kHttps.size();
  for (const std::string_view local : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    if (!uri.starts_with(local)) continue;
    const std::string_view rest = uri.substr(local.size());
    return rest.empty() || rest.front() == ':' || rest.front() == '/';
  }
  return false;
}

// Zeros, "aaaa...", a word said again and again: what somebody types who wants a key quickly.
bool is_guessable(std::string_view base64) {
  constexpr std::size_t kDistinctMin = 8;
  const auto bytes = decode_base64(base64);
  return !bytes || std::set<char>(bytes->begin(), bytes->end()).size() < kDistinctMin;
}

bool same_socket(const ListenAddress& a, const ListenAddress& b) {
  if (a.port == 0 || a.port != b.port) return false;
  const auto any = [](const ListenAddress& l) { return l.address == "::" || l.address == "0.0.0.0"; };
  return a.address == b.address || any(a) || any(b);
}

// The key of docker/compose.test.yaml: whoever reads that file can sign with it.
constexpr std::string_view kPublishedKey = "a3lhbml0ZS10ZXN0LXN1aXRlLWtleS1vbmx5IQ==";

void check_ports(const Settings::Listeners& listen, Problems& out) {
  const auto admin = listen.admin_was_chosen ? listen.admin : std::nullopt;  // else it gives way
  const std::pair<const char*, std::optional<ListenAddress>> all[] = {{"listen.mqtts", listen.mqtts},
                                                                      {"listen.https", listen.https},
                                                                      {"listen.amqps", listen.amqps},
                                                                      {"listen.amqp", listen.amqp},
                                                                      {"listen.admin", admin}};
  for (const auto& [key, address] : all) {
    for (const auto& [earlier, other] : all) {
      if (earlier == key) break;
      if (!address || !other || !same_socket(*other, *address)) continue;
      out.push_back({key, "uses port " + std::to_string(address->port) + " like " + earlier,
                     "choose different ports; SDKs expect 8883 for MQTT, 443 for HTTPS and 5671 for AMQP"});
      break;
    }
  }
}

}  // namespace

std::optional<KeyFault> host_name_fault(std::string_view name) {
  const std::string shown = "names \"" + std::string(name) + "\"";
  if (name.find("://") != std::string_view::npos || name.find('/') != std::string_view::npos) {
    return KeyFault{shown + ", which is an address of a page",
                    "write the host name alone, for example hub.example.test"};
  }
  const auto colons = std::count(name.begin(), name.end(), ':');
  if (colons == 1)
    return KeyFault{shown + " with a port", "leave the port out; --mqtts, --https and --amqps choose ports"};
  if (colons > 1) {
    if (listen_address_from_text("[" + std::string(name) + "]:0")) return std::nullopt;
    return KeyFault{shown + ", which is no IPv6 address", "write it without brackets, for example fd00::1"};
  }
  std::size_t label = 0;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    if (i == name.size() || name[i] == '.') {
      if (label == 0 || label > 63) {
        return KeyFault{shown + ", which has an empty or too long part",
                        "write parts of 1 to 63 characters with dots between"};
      }
      label = 0;
    } else if (!is_label_character(name[i])) {
      return KeyFault{shown + ", which holds a character no host name may hold",
                      "use letters, digits, hyphens and dots; a wildcard is not possible"};
    } else {
      ++label;
    }
  }
  return std::nullopt;
}

std::optional<ListenAddress> open_to_strangers(std::string_view owner_key,
                                               const Settings::Listeners& listen) {
  if (owner_key != kPublishedKey) return std::nullopt;
  for (const auto& address :
       {std::optional(listen.mqtts), std::optional(listen.https), listen.amqps, listen.amqp, listen.admin}) {
    if (address && !is_private(*address)) return address;
  }
  return std::nullopt;
}

Problem published_key_problem(const ListenAddress& address) {
  return {"auth.ownerKey",
          "is the key that docker/compose.test.yaml publishes, and " + to_string(address) +
              " is not a private address: anybody who reaches the hub could open it",
          "make one with `openssl rand -base64 32`, or listen on loopback or a private address; with "
          "testControl it is taken, with a warning"};
}

Problems check_settings(const Settings& settings) {
  Problems out;
  const auto& tls = settings.tls;
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    const bool lacks_key = tls.key_file.empty();
    out.push_back({lacks_key ? "tls.keyFile" : "tls.certificateFile",
                   lacks_key ? "is missing beside tls.certificateFile" : "is missing beside tls.keyFile",
                   "give both, or neither to let the hub make its own certificate"});
  }
  if (!tls.ca_file.empty() && tls.certificate_file.empty()) {
    out.push_back(
        {"tls.caFile", "is given without tls.certificateFile",
         "give certificateFile and keyFile too, or leave caFile out: the hub then makes its own CA"});
  }
  if (!is_container_name(settings.file_upload.container)) {
    out.push_back(
        {"fileUpload.container", "is no name for a container",
         "use 3 to 63 lower-case letters, digits and single hyphens, and no name of a route such as "
         "devices"});
  }
  if (const std::string& entity = settings.events.entity; !entity.empty() && !is_entity_name(entity)) {
    out.push_back(
        {"events.entity", "is no name for an event hub",
         "use letters, digits, dots, hyphens and underscores, with a letter or digit at both ends"});
  }
  if (settings.limits.tier == Tier::f1 && settings.limits.units > 1) {
    out.push_back({"limits.units", "is " + std::to_string(settings.limits.units) + " with the tier F1",
                   "leave it out: the service sells F1 as one unit"});
  }
  const auto& auth = settings.auth;
  const bool has_keys = !auth.bearer_jwks_file.empty() || !auth.bearer_jwks_uri.empty();
  const bool has_bearer =
      !auth.bearer_issuer.empty() || !auth.bearer_audience.empty() || has_keys || !auth.bearer_rights.empty();
  if (has_bearer && (auth.bearer_issuer.empty() || auth.bearer_audience.empty() || !has_keys ||
                     auth.bearer_rights.empty())) {
    out.push_back({"auth.bearerIssuer",
                   "goes together with bearerAudience, bearerJwksFile or bearerJwksUri, and bearerRights",
                   "give all four, or none to accept no bearer tokens"});
  }
  if (!auth.bearer_jwks_file.empty() && !auth.bearer_jwks_uri.empty()) {
    out.push_back({"auth.bearerJwksUri", "is given beside auth.bearerJwksFile", "give one of the two"});
  }
  if (!auth.bearer_jwks_ca_file.empty() && auth.bearer_jwks_uri.empty()) {
    out.push_back({"auth.bearerJwksCaFile", "is given without auth.bearerJwksUri", "leave it out"});
  }
  if (!auth.bearer_jwks_uri.empty() && !is_key_set_address(auth.bearer_jwks_uri)) {
    out.push_back({"auth.bearerJwksUri", "is no https address",
                   "write for example https://issuer.example.test/keys; http is for this machine only, "
                   "since whoever sends the keys opens the hub"});
  }
  if (!auth.owner_key.empty() && !settings.test_control && is_guessable(auth.owner_key)) {
    out.push_back({"auth.ownerKey", "is a key that anybody can guess",
                   "make one with `openssl rand -base64 32`; with testControl any key will do"});
  }
  if (const auto address = open_to_strangers(auth.owner_key, settings.listen);
      address && !settings.test_control)
    out.push_back(published_key_problem(*address));
  if (!auth.test_tokens.empty() && !settings.test_control) {
    out.push_back(
        {"auth.testTokens", "is given without testControl", "leave it out: fixed tokens are for tests only"});
  }
  check_ports(settings.listen, out);
  return out;
}

}  // namespace kyanite
