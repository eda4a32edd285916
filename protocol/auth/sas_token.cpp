#include "protocol/auth/sas_token.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "protocol/auth/symmetric_key.h"
#include "protocol/auth/username.h"
#include "protocol/base/base64.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::string_view kScheme = "SharedAccessSignature";
constexpr std::size_t kSignatureBytes = 32;

Error refused(const char* reason) { return {Errc::unauthorized, std::string("SAS token: ") + reason}; }

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// The fields as they stand in the token.
struct RawFields {
  std::optional<std::string_view> sr, sig, se, skn;

  std::optional<std::string_view>* slot(std::string_view name) {
    if (equals_ignoring_case(name, "sr")) return &sr;
    if (equals_ignoring_case(name, "sig")) return &sig;
    if (equals_ignoring_case(name, "se")) return &se;
    if (equals_ignoring_case(name, "skn")) return &skn;
    return nullptr;
  }
};

Result<RawFields> split_fields(std::string_view text) {
  RawFields fields;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (piece.empty()) continue;
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos) return refused("a field has no '='");
    std::optional<std::string_view>* const slot = fields.slot(piece.substr(0, equals));
    if (slot == nullptr) continue;
    // Two values for one field could be read differently by what signs and what checks.
    if (slot->has_value()) return refused("a field stands twice");
    *slot = piece.substr(equals + 1);
  }
  if (!fields.sr || fields.sr->empty()) return refused("sr is missing");
  if (!fields.sig || fields.sig->empty()) return refused("sig is missing");
  if (!fields.se || fields.se->empty()) return refused("se is missing");
  return fields;
}

// Seconds since 1970; values up to 2^63 are accepted (spec device-mqtt.md 3.3).
std::optional<std::uint64_t> parse_expiry(std::string_view text) {
  constexpr std::uint64_t max = std::uint64_t{1} << 63;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (max - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

WallTime to_expiry_time(std::uint64_t expiry_seconds) {
  const auto last = static_cast<std::uint64_t>(kSasExpiryMax.time_since_epoch() / seconds(1));
  return WallTime(seconds(static_cast<std::int64_t>(std::min(expiry_seconds, last))));
}

// base64 of the signature; some senders let '+' pass through form decoding, which makes it a blank.
std::optional<std::string> decode_signature(std::string_view raw) {
  std::string text = percent_decode(raw);
  std::replace(text.begin(), text.end(), ' ', '+');
  auto bytes = decode_base64(text);
  if (bytes && bytes->size() != kSignatureBytes) bytes.reset();
  return bytes;
}

std::string signature_of(std::string_view resource_raw, std::string_view expiry_raw, std::string_view key) {
  std::string text;
  text.reserve(resource_raw.size() + 1 + expiry_raw.size());
  text += resource_raw;
  text += '\n';
  text += expiry_raw;
  return hmac_sha256(key, text);
}

std::string_view without_scheme(std::string_view resource) {
  constexpr std::array<std::string_view, 6> schemes{"sb://",   "https://", "amqps://",
                                                    "amqp://", "mqtts://", "http://"};
  for (const std::string_view scheme : schemes) {
    if (starts_with_ignoring_case(resource, scheme)) return resource.substr(scheme.size());
  }
  return resource;
}

bool is_api_version_suffix(std::string_view segment) {
  if (!segment.empty() && segment.front() == '?') segment.remove_prefix(1);
  return starts_with_ignoring_case(segment, "api-version=");
}

// Old tools append the api-version to a device's or module's resource. It is dropped only there: elsewhere
// the segment can be an id, and dropping it would widen the scope.
void drop_api_version(std::vector<std::string>& segments) {
  const bool device_form = segments.size() == 4, module_form = segments.size() == 6;
  if ((device_form || module_form) && equals_ignoring_case(segments[1], "devices") &&
      (device_form || equals_ignoring_case(segments[3], "modules")) &&
      is_api_version_suffix(segments.back())) {
    segments.pop_back();
  }
}

// Case is ignored for ids too: some tools fold the whole sr, and the key binds the token to its identity.
// Several device SDKs encode the id before they encode the resource, so it may need one more decoding.
bool segment_covers(std::string_view scope, std::string_view requested) {
  return equals_ignoring_case(scope, requested) || equals_ignoring_case(percent_decode(scope), requested);
}

}  // namespace

Result<SasToken> parse_sas_token(std::string_view text) {
  if (text.empty()) return refused("missing");
  if (text.size() > limits::kSasTokenBytesMax) return refused("too long");
  if (starts_with_ignoring_case(text, "HostName=")) {
    return refused("this is a connection string; give it to the SDK, or send a token made from its key");
  }
  if (!starts_with_ignoring_case(text, kScheme) || text.size() == kScheme.size() ||
      text[kScheme.size()] != ' ') {
    return refused("does not begin with 'SharedAccessSignature '");
  }
  const Result<RawFields> fields = split_fields(text.substr(kScheme.size() + 1));
  if (!fields) return fields.error();

  SasToken token;
  const auto expiry = parse_expiry(*fields->se);
  if (!expiry) return refused("se is not a whole number of seconds");
  token.expiry = to_expiry_time(*expiry);
  auto signature = decode_signature(*fields->sig);
  if (!signature) return refused("sig is not the base64 of an HMAC-SHA256");
  token.signature = std::move(*signature);
  token.policy = percent_decode(fields->skn.value_or(std::string_view{}));
  if (token.policy.size() > limits::kPolicyNameBytesMax || !is_valid_utf8(token.policy)) {
    return refused("skn is not a policy name");
  }
  token.resource_raw = *fields->sr;
  token.expiry_raw = *fields->se;
  return token;
}

bool sas_signature_matches(const SasToken& token, std::string_view key_base64) {
  const auto key = decode_base64(key_base64);
  if (!key || key->empty()) return false;
  return equal_in_constant_time(signature_of(token.resource_raw, token.expiry_raw, *key), token.signature);
}

bool sas_signature_matches_text(const SasToken& token, std::string_view key_base64) {
  if (key_base64.empty()) return false;
  return equal_in_constant_time(signature_of(token.resource_raw, token.expiry_raw, key_base64),
                                token.signature);
}

Result<SasResource> parse_sas_resource(std::string_view resource_raw) {
  const std::string decoded = percent_decode(resource_raw);
  if (!is_valid_utf8(decoded)) return refused("sr is not UTF-8");
  std::string_view rest = without_scheme(decoded);
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  SasResource resource;
  while (true) {
    const std::size_t slash = rest.find('/');
    resource.segments.emplace_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  resource.segments.front() = normalize_host(resource.segments.front());
  if (resource.segments.front().empty()) return refused("sr has no host");
  drop_api_version(resource.segments);
  return resource;
}

bool sas_scope_covers_path(const SasResource& resource, const std::vector<std::string>& path,
                           const std::vector<std::string>& accepted_hosts) {
  const auto& scope = resource.segments;
  if (scope.empty() || scope.size() - 1 > path.size()) return false;
  if (!is_accepted_host(scope.front(), accepted_hosts)) return false;
  return std::equal(scope.begin() + 1, scope.end(), path.begin(), segment_covers);
}

bool sas_scope_covers(const SasResource& resource, const Identity& identity,
                      const std::vector<std::string>& accepted_hosts) {
  std::vector<std::string> path{"devices", identity.device};
  if (identity.is_module()) {
    path.emplace_back("modules");
    path.push_back(identity.module);
  }
  return sas_scope_covers_path(resource, path, accepted_hosts);
}

bool sas_scope_is_hub(const SasResource& resource, const std::vector<std::string>& accepted_hosts) {
  return resource.segments.size() == 1 && is_accepted_host(resource.segments.front(), accepted_hosts);
}

bool sas_scope_names_identity(const SasResource& resource) {
  return resource.segments.size() >= 3 && equals_ignoring_case(resource.segments[1], "devices");
}

std::string make_sas_token(std::string_view resource, std::string_view key_base64,
                           std::int64_t expiry_seconds, std::string_view policy) {
  const auto key = decode_base64(key_base64);
  if (!key || key->empty()) return {};
  const std::string sr = percent_encode(resource), se = std::to_string(expiry_seconds);
  std::string token(kScheme);
  token += " sr=" + sr;
  token += "&sig=" + percent_encode(encode_base64(signature_of(sr, se, *key)));
  token += "&se=" + se;
  if (!policy.empty()) token += "&skn=" + percent_encode(policy);
  return token;
}

}  // namespace kyanite
