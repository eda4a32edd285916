#include "config/keys.h"

#include <cctype>
#include <utility>

#include "config/validate.h"
#include "protocol/base/base64.h"

namespace kyanite {
namespace {

using nlohmann::json;
using Fault = std::optional<KeyFault>;

// Names of an enum in the schema's spelling.
template <class E>
using Names = std::vector<std::pair<std::string_view, E>>;

template <class E>
E from_name(const Names<E>& names, const json& value) {
  const auto text = value.get<std::string>();
  for (const auto& [name, e] : names) {
    if (name == text) return e;
  }
  return names.front().second;  // not reached: the schema lists the same names
}

template <class E>
json to_name(const Names<E>& names, E wanted) {
  for (const auto& [name, e] : names) {
    if (e == wanted) return std::string(name);
  }
  return nullptr;
}

const Names<KeyType> kKeyTypes{{"ecdsa-p256", KeyType::ecdsa_p256}, {"rsa-2048", KeyType::rsa_2048}};
const Names<TlsVersion> kTlsVersions{{"1.2", TlsVersion::tls1_2}, {"1.3", TlsVersion::tls1_3}};
const Names<RetainProperty> kRetain{{"both", RetainProperty::both},
                                    {"x-opt-retain", RetainProperty::x_opt_retain},
                                    {"mqtt-retain", RetainProperty::mqtt_retain}};
const Names<InvalidSubscription> kInvalid{{"close", InvalidSubscription::close},
                                          {"suback80", InvalidSubscription::suback80}};
const Names<PreSubscription> kPreSubscription{
    {"drop", PreSubscription::drop}, {"deliver", PreSubscription::deliver}, {"skip", PreSubscription::skip}};
const Names<Durability> kDurability{{"fsync", Durability::fsync}, {"os", Durability::os}};
const Names<Tier> kTiers{
    {"off", Tier::off}, {"F1", Tier::f1}, {"S1", Tier::s1}, {"S2", Tier::s2}, {"S3", Tier::s3}};
const Names<OperationsLevel> kOperationsLevels{{"none", OperationsLevel::none},
                                               {"error", OperationsLevel::error},
                                               {"information", OperationsLevel::information}};
const Names<LogFormat> kFormats{
    {"automatic", LogFormat::automatic}, {"json", LogFormat::json}, {"text", LogFormat::text}};

Fault apply_address(ListenAddress& target, const json& value, std::string_view example) {
  const auto text = value.get<std::string>();
  const auto parsed = listen_address_from_text(text);
  if (!parsed) {
    return KeyFault{"is " + json(text).dump(-1, ' ', false, json::error_handler_t::replace) +
                        ", which is no ADDRESS:PORT",
                    "write a numeric address and a port up to 65535, for example " + std::string(example)};
  }
  target = *parsed;
  return std::nullopt;
}

// "off" for no listener.
Fault apply_optional_address(std::optional<ListenAddress>& target, const json& value,
                             std::string_view example) {
  if (value.get<std::string>() == "off") {
    target.reset();
    return std::nullopt;
  }
  ListenAddress address;
  Fault fault = apply_address(address, value, example);
  if (!fault) target = address;
  return fault;
}

Fault apply_host_names(Settings& settings, const json& value) {
  std::vector<std::string> names;
  for (const json& entry : value) {
    const auto text = entry.get<std::string>();
    if (auto fault = host_name_fault(text)) return fault;
    names.push_back(text);
  }
  settings.hub.host_names = std::move(names);
  return std::nullopt;
}

Fault apply_events_host(Settings& settings, const json& value) {
  const auto text = value.get<std::string>();
  if (!text.empty()) {
    if (auto fault = host_name_fault(text)) return fault;
  }
  settings.events.host_name = text;
  return std::nullopt;
}

Fault apply_folders(Settings& settings, const json& value) {
  std::vector<std::string> folders;
  for (const json& entry : value) {
    const auto folder = std::filesystem::path(entry.get<std::string>()).lexically_normal();
    if (!folder.is_absolute()) {
      return KeyFault{
          "has " + entry.dump(-1, ' ', false, json::error_handler_t::replace) + ", which is no absolute path",
          "write the folder's whole path, for example /var/lib/kyanite-exchange"};
    }
    folders.push_back(folder.string());
  }
  settings.import_export.folders = std::move(folders);
  return std::nullopt;
}

// "NAME=POLICY", a name that may hold '=' itself.
Fault apply_grants(std::vector<std::string>& into, const json& value) {
  std::vector<std::string> grants;
  for (const json& entry : value) {
    auto text = entry.get<std::string>();
    const std::size_t sign = text.rfind('=');
    if (sign == std::string::npos || sign == 0 || sign + 1 == text.size())
      return KeyFault{"has an entry that is not NAME=POLICY", "write for example hub-admin=iothubowner"};
    grants.push_back(std::move(text));
  }
  into = std::move(grants);
  return std::nullopt;
}

// As the service has it for every symmetric key. The value itself is never part of a message.
Fault apply_owner_key(Settings& settings, const json& value) {
  constexpr std::size_t kBytesMin = 16;
  constexpr std::size_t kBytesMax = 64;
  const auto text = value.get<std::string>();
  if (!text.empty()) {
    const auto bytes = decode_base64(text);
    if (!bytes || bytes->size() < kBytesMin || bytes->size() > kBytesMax) {
      return KeyFault{"is no base64 of 16 to 64 bytes", "make one with `openssl rand -base64 32`"};
    }
  }
  settings.auth.owner_key = text;
  return std::nullopt;
}

// The three kinds of rows that need no judgement beyond the schema.
#define KYANITE_PLAIN(path, flag, environment, member, type)                                        \
  {                                                                                                 \
    path, flag, environment,                                                                        \
        [](Settings& s, const json& v) -> Fault { return s.member = v.get<type>(), std::nullopt; }, \
        [](const Settings& s) -> json { return s.member; }                                          \
  }
#define KYANITE_TIME(path, member, unit)                                                                 \
  {                                                                                                      \
    path, "", "",                                                                                        \
        [](Settings& s, const json& v) -> Fault { return s.member = unit(v.get<int>()), std::nullopt; }, \
        [](const Settings& s) -> json { return s.member.count(); }                                       \
  }
#define KYANITE_CHOICE(path, flag, member, names)                                                         \
  {                                                                                                       \
    path, flag, "",                                                                                       \
        [](Settings& s, const json& v) -> Fault { return s.member = from_name(names, v), std::nullopt; }, \
        [](const Settings& s) -> json { return to_name(names, s.member); }                                \
  }
#define KYANITE_FILE(path, flag, environment, member)                                                      \
  {                                                                                                        \
    path, flag, environment,                                                                               \
        [](Settings& s, const json& v) -> Fault { return s.member = v.get<std::string>(), std::nullopt; }, \
        [](const Settings& s) -> json { return s.member.string(); }                                        \
  }

const std::vector<SettingKey> kKeys{
    KYANITE_FILE("dataDirectory", "--data", "KYANITE_DATA", data_directory),
    {"hub.hostNames", "--hostname", "KYANITE_HOSTNAME", apply_host_names,
     [](const Settings& s) -> json { return s.hub.host_names; }},
    KYANITE_PLAIN("hub.shards", "--shards", "", hub.shards, unsigned),
    {"listen.mqtts", "--mqtts", "",
     [](Settings& s, const json& v) { return apply_address(s.listen.mqtts, v, "0.0.0.0:8883 or [::]:8883"); },
     [](const Settings& s) -> json { return to_string(s.listen.mqtts); }},
    {"listen.https", "--https", "",
     [](Settings& s, const json& v) { return apply_address(s.listen.https, v, "0.0.0.0:443 or [::]:443"); },
     [](const Settings& s) -> json { return to_string(s.listen.https); }},
    {"listen.amqps", "--amqps", "",
     [](Settings& s, const json& v) {
       return apply_optional_address(s.listen.amqps, v, "0.0.0.0:5671, [::]:5671 or off");
     },
     [](const Settings& s) -> json { return to_string(s.listen.amqps); }},
    {"listen.amqp", "--amqp", "",
     [](Settings& s, const json& v) {
       return apply_optional_address(s.listen.amqp, v, "127.0.0.1:5672, [::]:5672 or off");
     },
     [](const Settings& s) -> json { return to_string(s.listen.amqp); }},
    {"listen.admin", "--admin", "",
     [](Settings& s, const json& v) {
       s.listen.admin_was_chosen = true;
       return apply_optional_address(s.listen.admin, v, "127.0.0.1:8080, [::]:8080 or off");
     },
     [](const Settings& s) -> json { return to_string(s.listen.admin); }},
    KYANITE_FILE("tls.certificateFile", "--certificate", "", tls.certificate_file),
    KYANITE_FILE("tls.keyFile", "--key", "", tls.key_file),
    KYANITE_FILE("tls.caFile", "--ca", "", tls.ca_file),
    KYANITE_CHOICE("tls.keyType", "", tls.key_type, kKeyTypes),
    KYANITE_CHOICE("tls.maxVersion", "", tls.max_version, kTlsVersions),
    KYANITE_PLAIN("tls.concurrentHandshakes", "", "", tls.concurrent_handshakes, std::size_t),
    KYANITE_TIME("tls.handshakeTimeoutSeconds", tls.handshake_timeout, seconds),
    KYANITE_CHOICE("mqtt.retainProperty", "", mqtt.retain_property, kRetain),
    KYANITE_CHOICE("mqtt.invalidSubscription", "", mqtt.invalid_subscription, kInvalid),
    KYANITE_PLAIN("mqtt.strictWill", "", "", mqtt.strict_will, bool),
    KYANITE_PLAIN("mqtt.emitDup", "", "", mqtt.emit_dup, bool),
    KYANITE_TIME("mqtt.keepAliveCapSeconds", mqtt.keep_alive_cap, seconds),
    KYANITE_TIME("mqtt.connectTimeoutSeconds", mqtt.connect_timeout, seconds),
    KYANITE_PLAIN("mqtt.maxSubscriptions", "", "", mqtt.max_subscriptions, std::size_t),
    KYANITE_PLAIN("ws.requireSubprotocol", "", "", ws.require_subprotocol, bool),
    KYANITE_PLAIN("auth.strictHost", "", "", auth.strict_host, bool),
    KYANITE_TIME("auth.sasGraceSeconds", auth.sas_grace, seconds),
    KYANITE_PLAIN("auth.disableLocalAuth", "", "", auth.disable_local_auth, bool),
    KYANITE_PLAIN("auth.disableDeviceSas", "", "", auth.disable_device_sas, bool),
    KYANITE_PLAIN("auth.disableModuleSas", "", "", auth.disable_module_sas, bool),
    KYANITE_PLAIN("auth.disconnectOnKeyChange", "", "", auth.disconnect_on_key_change, bool),
    KYANITE_PLAIN("auth.requireDeleteEtag", "", "", auth.require_delete_etag, bool),
    {"auth.ownerKey", "", "KYANITE_OWNER_KEY", apply_owner_key,
     [](const Settings& s) -> json { return s.auth.owner_key.empty() ? "" : "***"; }},
    KYANITE_PLAIN("auth.bearerIssuer", "", "", auth.bearer_issuer, std::string),
    KYANITE_PLAIN("auth.bearerAudience", "", "", auth.bearer_audience, std::string),
    KYANITE_FILE("auth.bearerJwksFile", "", "", auth.bearer_jwks_file),
    KYANITE_PLAIN("auth.bearerJwksUri", "", "", auth.bearer_jwks_uri, std::string),
    KYANITE_FILE("auth.bearerJwksCaFile", "", "", auth.bearer_jwks_ca_file),
    KYANITE_PLAIN("auth.bearerClaim", "", "", auth.bearer_claim, std::string),
    {"auth.bearerRights", "", "",
     [](Settings& s, const json& v) { return apply_grants(s.auth.bearer_rights, v); },
     [](const Settings& s) -> json { return s.auth.bearer_rights; }},
    {"auth.testTokens", "", "",
     [](Settings& s, const json& v) { return apply_grants(s.auth.test_tokens, v); },
     [](const Settings& s) -> json {
       json shown = json::array();  // what opens the hub is not shown
       for (const std::string& grant : s.auth.test_tokens)
         shown.push_back("***" + grant.substr(grant.rfind('=')));
       return shown;
     }},
    KYANITE_CHOICE("limits.tier", "--limits", limits.tier, kTiers),
    KYANITE_PLAIN("limits.units", "--limits-units", "", limits.units, std::uint32_t),
    KYANITE_CHOICE("c2d.preSubscription", "", c2d.pre_subscription, kPreSubscription),
    KYANITE_TIME("c2d.subscriptionSkewSeconds", c2d.subscription_skew, seconds),
    KYANITE_PLAIN("c2d.countLockExpiry", "", "", c2d.count_lock_expiry, bool),
    KYANITE_PLAIN("c2d.maxDeliveryCount", "", "", c2d.max_delivery_count, std::uint32_t),
    KYANITE_TIME("c2d.defaultTtlSeconds", c2d.default_ttl, seconds),
    KYANITE_TIME("c2d.lockTimeoutSeconds", c2d.lock_timeout, seconds),
    KYANITE_TIME("c2d.feedbackTtlSeconds", c2d.feedback_ttl, seconds),
    KYANITE_TIME("c2d.feedbackLockTimeoutSeconds", c2d.feedback_lock_timeout, seconds),
    KYANITE_PLAIN("c2d.feedbackMaxDeliveryCount", "", "", c2d.feedback_max_delivery_count, std::uint32_t),
    KYANITE_PLAIN("dashboard.enabled", "", "", dashboard.enabled, bool),
    KYANITE_PLAIN("fileUpload.enabled", "", "", file_upload.enabled, bool),
    KYANITE_FILE("fileUpload.connectionStringFile", "", "", file_upload.connection_string_file),
    KYANITE_PLAIN("fileUpload.container", "", "", file_upload.container, std::string),
    KYANITE_PLAIN("fileUpload.notifications", "", "", file_upload.notifications, bool),
    KYANITE_TIME("fileUpload.ttlSeconds", file_upload.ttl, seconds),
    KYANITE_PLAIN("fileUpload.blobBytesMax", "", "", file_upload.blob_bytes_max, std::uint64_t),
    KYANITE_PLAIN("fileUpload.totalBytesMax", "", "", file_upload.total_bytes_max, std::uint64_t),
    KYANITE_PLAIN("events.deviceLifecycle", "", "", events.device_lifecycle, bool),
    KYANITE_PLAIN("events.twinChanges", "", "", events.twin_changes, bool),
    KYANITE_PLAIN("events.connectionState", "", "", events.connection_state, bool),
    KYANITE_CHOICE("events.connections", "", events.connections, kOperationsLevels),
    KYANITE_CHOICE("events.deviceTelemetry", "", events.device_telemetry, kOperationsLevels),
    KYANITE_CHOICE("events.c2dCommands", "", events.c2d_commands, kOperationsLevels),
    {"events.hostname", "", "", apply_events_host,
     [](const Settings& s) -> json { return s.events.host_name; }},
    KYANITE_PLAIN("events.entity", "", "", events.entity, std::string),
    KYANITE_PLAIN("methods.emptyAsNull", "", "", methods.empty_as_null, bool),
    KYANITE_CHOICE("storage.durability", "--durability", storage.durability, kDurability),
    KYANITE_PLAIN("storage.telemetryPartitions", "", "", storage.telemetry_partitions, std::uint32_t),
    KYANITE_TIME("storage.retentionHours", storage.retention, std::chrono::hours),
    KYANITE_PLAIN("storage.retentionBytes", "", "", storage.retention_bytes, std::uint64_t),
    KYANITE_PLAIN("storage.freeBytesFloor", "", "", storage.free_bytes_floor, std::uint64_t),
    KYANITE_TIME("storage.commitPaceMilliseconds", storage.commit_pace, milliseconds),
    KYANITE_PLAIN("storage.acceptDamage", "--accept-damage", "", storage.accept_damage, std::uint64_t),
    KYANITE_PLAIN("log.level", "--log-level", "", log.level, std::string),
    KYANITE_CHOICE("log.format", "--log-format", log.format, kFormats),
    KYANITE_FILE("seedFile", "--seed", "", seed_file),
    {"importExport.folders", "", "", apply_folders,
     [](const Settings& s) -> json { return s.import_export.folders; }},
    KYANITE_PLAIN("testControl", "--test-control", "", test_control, bool),
    KYANITE_TIME("drainTimeoutSeconds", drain_timeout, seconds),
};

#undef KYANITE_PLAIN
#undef KYANITE_TIME
#undef KYANITE_CHOICE
#undef KYANITE_FILE

}  // namespace

const std::vector<SettingKey>& setting_keys() { return kKeys; }

const SettingKey* find_key(std::string_view path) {
  for (const SettingKey& key : kKeys) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

bool is_secret(std::string_view path) { return path == "auth.ownerKey" || path == "auth.testTokens"; }

const SettingKey* secret_of_file_variable(std::string_view variable) {
  constexpr std::string_view kSuffix = "_FILE";
  if (!variable.ends_with(kSuffix)) return nullptr;
  const std::string_view name = variable.substr(0, variable.size() - kSuffix.size());
  for (const SettingKey& key : kKeys) {
    if (is_secret(key.path) && (name == environment_name(key.path) || name == key.environment)) return &key;
  }
  return nullptr;
}

std::string environment_name(std::string_view path) {
  std::string out = "KYANITE_";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '.') {
      out += '_';
    } else {
      if (std::isupper(byte) != 0) out += '_';
      out += static_cast<char>(std::toupper(byte));
    }
  }
  return out;
}

}  // namespace kyanite
