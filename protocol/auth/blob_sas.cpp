#include "protocol/auth/blob_sas.h"

#include <algorithm>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/base64.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::string_view kVersion = "2018-03-28";
// Clocks of devices differ; the storage service is as strict as this hub is with its own tokens.
constexpr std::size_t kTimeBytes = 20;  // "2026-01-05T10:00:00Z"

Error sas_refused(std::string reason) { return Error(Errc::unauthorized, std::move(reason)); }

std::string text_to_sign(const BlobAccount& account, std::string_view blob, const BlobSas& sas) {
  std::string text;
  const auto line = [&text](std::string_view value) {
    text += value;
    text += '\n';
  };
  line(sas.permissions);
  line(sas.start);
  line(sas.expiry);
  line("/blob/" + account.name + "/" + account.container + "/" + std::string(blob));
  line(sas.identifier);
  line(sas.ip);
  line(sas.protocol);
  line(sas.version);
  line(sas.cache_control);
  line(sas.disposition);
  line(sas.encoding);
  line(sas.language);
  text += sas.type;
  return text;
}

std::string seconds_text(WallTime time) {
  std::string text = to_iso_time(std::chrono::floor<seconds>(time));
  return text.substr(0, kTimeBytes - 1) + "Z";
}

}  // namespace

std::string make_blob_sas(const BlobAccount& account, std::string_view blob, std::string_view permissions,
                          WallTime expiry) {
  const auto key = decode_base64(account.key);
  if (!key || key->empty()) return {};
  BlobSas sas;
  sas.version = kVersion;
  sas.expiry = seconds_text(expiry);
  sas.permissions = permissions;
  const std::string signature = encode_base64(hmac_sha256(*key, text_to_sign(account, blob, sas)));
  return "?sv=" + sas.version + "&sr=b&sig=" + percent_encode(signature) +
         "&se=" + percent_encode(sas.expiry) + "&sp=" + sas.permissions;
}

Result<void> check_blob_sas(const BlobAccount& account, std::string_view blob, const BlobSas& sas, char right,
                            WallTime now) {
  if (sas.signature.empty()) return sas_refused("no signature in the query");
  if (sas.version != kVersion || sas.resource != "b") return sas_refused("a signature of another kind");
  const auto expiry = parse_iso_time(sas.expiry);
  if (!expiry) return sas_refused("the signature has no expiry");
  const auto key = decode_base64(account.key);
  std::string given = sas.signature;
  std::replace(given.begin(), given.end(), ' ', '+');
  const auto signature = decode_base64(given);
  if (!key || !signature ||
      !equal_in_constant_time(hmac_sha256(*key, text_to_sign(account, blob, sas)), *signature)) {
    return sas_refused("wrong signature");
  }
  if (now >= *expiry) return sas_refused("the signature has expired");
  // What this hub never signs is not half understood.
  if (!sas.start.empty() || !sas.ip.empty() || !sas.identifier.empty()) {
    return sas_refused("the signature has restrictions that are not offered");
  }
  if (sas.permissions.find(right) == std::string::npos) return sas_refused("the right is not signed");
  return {};
}

Result<BlobAccount> parse_storage_connection_string(std::string_view text) {
  BlobAccount account;
  std::string suffix = "core.windows.net";
  std::string endpoint;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = part.find('=');
    if (part.empty()) continue;
    if (equals == std::string_view::npos) return Error(Errc::config_invalid, "has a part without '='");
    const std::string_view name = part.substr(0, equals);
    const std::string value(part.substr(equals + 1));
    if (equals_ignoring_case(name, "AccountName")) {
      account.name = value;
    } else if (equals_ignoring_case(name, "AccountKey")) {
      account.key = value;
    } else if (equals_ignoring_case(name, "EndpointSuffix")) {
      suffix = value;
    } else if (equals_ignoring_case(name, "BlobEndpoint")) {
      endpoint = value;
    }
  }
  if (account.name.empty()) return Error(Errc::config_invalid, "has no AccountName");
  const auto key = decode_base64(account.key);
  if (!key || key->empty()) return Error(Errc::config_invalid, "has no AccountKey in base64");
  if (endpoint.empty()) {
    account.host = account.name + ".blob." + suffix;
    return account;
  }
  constexpr std::string_view kHttps = "https://";
  if (!endpoint.starts_with(kHttps)) {
    return Error(Errc::config_invalid, "has a BlobEndpoint without https://, which devices cannot use");
  }
  account.host = endpoint.substr(kHttps.size());
  if (account.host.ends_with('/')) account.host.pop_back();
  if (account.host.empty() || account.host.find('/') != std::string::npos) {
    return Error(Errc::config_invalid, "has a BlobEndpoint with a path, which devices cannot use");
  }
  return account;
}

bool is_valid_blob_name(std::string_view name) {
  if (name.empty() || name.size() > limits::kBlobNameBytesMax || !is_valid_utf8(name)) return false;
  const auto is_forbidden = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\';
  };
  if (std::any_of(name.begin(), name.end(), is_forbidden)) return false;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string_view segment = name.substr(at, end - at);
    if (segment.empty() || segment == "." || segment == "..") return false;
    at = end + 1;
  }
  return true;
}

}  // namespace kyanite
