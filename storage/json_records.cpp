#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "protocol/base/base64.h"
#include "protocol/base/json_limits.h"
#include "storage/record_codec.h"

// Records kept as JSON: two version bytes, then one JSON object with short fixed names (format.md).
namespace kyanite {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kOldestReader = 1;

Error damaged(std::string_view kind, std::string_view why) {
  return Error(Errc::storage_failed, std::string(kind) + " record: " + std::string(why));
}

std::string with_head(const Json& document) {
  std::string out;
  out.push_back(static_cast<char>(kVersion));
  out.push_back(static_cast<char>(kOldestReader));
  out += dump_json(document);
  return out;
}

Result<Json> without_head(std::string_view kind, std::string_view bytes) {
  if (bytes.size() < 2) return damaged(kind, "shorter than its head");
  if (static_cast<std::uint8_t>(bytes[1]) > kVersion) return damaged(kind, "written by a newer program");
  Result<Json> document = parse_json(bytes.substr(2));
  if (!document) return damaged(kind, "not JSON");
  if (!document->is_object()) return damaged(kind, "not a JSON object");
  return document;
}

// Takes typed members out of an object and remembers whether one was missing or of another type.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {}
  bool ok() const { return ok_; }

  void read(const char* name, std::string& into) {
    if (const Json* member = find(name, Json::value_t::string)) into = member->get_ref<const std::string&>();
  }
  // The same for a member that is written only when there is something to say.
  void read_present(const char* name, std::string& into) {
    if (object_.contains(name)) read(name, into);
  }
  void read(const char* name, bool& into) {
    if (const Json* member = find(name, Json::value_t::boolean)) into = member->get<bool>();
  }
  void read(const char* name, std::uint64_t& into) {
    if (const Json* member = find(name, Json::value_t::number_unsigned)) into = member->get<std::uint64_t>();
  }
  void read(const char* name, WallTime& into) {
    const auto member = object_.find(name);
    if (member == object_.end() || !member->is_number_integer()) {
      ok_ = false;
      return;
    }
    into = WallTime(milliseconds(member->get<std::int64_t>()));
  }
  void read(const char* name, std::vector<std::string>& into) {
    const Json* member = find(name, Json::value_t::array);
    if (!member) return;
    for (const Json& item : *member) {
      if (item.is_string()) {
        into.push_back(item.get_ref<const std::string&>());
      } else {
        ok_ = false;
      }
    }
  }
  // An enumerator by its stored name; the names' order is the enumerators'.
  template <class Enum, std::size_t N>
  void read(const char* name, Enum& into, const std::array<const char*, N>& names) {
    std::string text;
    read(name, text);
    for (std::size_t i = 0; i < N; ++i) {
      if (text == names[i]) {
        into = static_cast<Enum>(i);
        return;
      }
    }
    ok_ = false;
  }

 private:
  const Json* find(const char* name, Json::value_t type) {
    const auto member = object_.find(name);
    if (member != object_.end() && member->type() == type) return &*member;
    ok_ = false;
    return nullptr;
  }

  const Json& object_;
  bool ok_ = true;
};

std::int64_t to_milliseconds(WallTime time) { return time.time_since_epoch().count(); }

constexpr std::array<const char*, 2> kStatusNames{"enabled", "disabled"};
constexpr std::array<const char*, 4> kAuthNames{"sas", "selfSigned", "certificateAuthority", "none"};

template <class Enum, std::size_t N>
const char* stored_name(Enum value, const std::array<const char*, N>& names) {
  return names[static_cast<std::size_t>(value)];
}

}  // namespace

std::string encode_identity(const IdentityRecord& record) {
  return with_head(Json{{"device", record.id.device},
                        {"module", record.id.module},
                        {"generation", record.generation_id},
                        {"etag", record.etag_counter},
                        {"status", stored_name(record.status, kStatusNames)},
                        {"reason", record.status_reason},
                        {"statusUpdated", to_milliseconds(record.status_updated)},
                        {"auth", stored_name(record.auth_type, kAuthNames)},
                        {"primaryKey", record.primary_key},
                        {"secondaryKey", record.secondary_key},
                        {"primaryThumbprint", record.primary_thumbprint},
                        {"secondaryThumbprint", record.secondary_thumbprint},
                        {"edge", record.iot_edge},
                        {"scope", record.device_scope},
                        {"parents", record.parent_scopes},
                        {"managedBy", record.managed_by}});
}

Result<IdentityRecord> decode_identity(std::string_view bytes) {
  const Result<Json> document = without_head("identity", bytes);
  if (!document) return document.error();
  IdentityRecord record;
  Members members(*document);
  members.read("device", record.id.device);
  members.read("module", record.id.module);
  members.read("generation", record.generation_id);
  members.read("etag", record.etag_counter);
  members.read("status", record.status, kStatusNames);
  members.read("reason", record.status_reason);
  members.read("statusUpdated", record.status_updated);
  members.read("auth", record.auth_type, kAuthNames);
  members.read("primaryKey", record.primary_key);
  members.read("secondaryKey", record.secondary_key);
  members.read("primaryThumbprint", record.primary_thumbprint);
  members.read("secondaryThumbprint", record.secondary_thumbprint);
  members.read("edge", record.iot_edge);
  members.read("scope", record.device_scope);
  members.read("parents", record.parent_scopes);
  members.read("managedBy", record.managed_by);
  if (!members.ok()) return damaged("identity", "a member is missing or of another type");
  return record;
}

// The documents stay text inside the JSON: their member order and number spelling are the writer's.
std::string encode_twin(const TwinRecord& record) {
  Json json{{"version", record.version},
            {"etag", record.etag_counter},
            {"desiredVersion", record.desired_version},
            {"reportedVersion", record.reported_version},
            {"modelId", record.model_id},
            {"tags", record.tags},
            {"desired", record.desired},
            {"reported", record.reported},
            {"desiredMetadata", record.desired_metadata},
            {"reportedMetadata", record.reported_metadata},
            {"created", to_milliseconds(record.created)}};
  if (!record.configurations.empty()) json["configurations"] = record.configurations;
  return with_head(json);
}

namespace {

// The documents of a new twin are "{}".
TwinRecord without_documents() {
  TwinRecord record;
  record.tags.clear();
  record.desired.clear();
  record.reported.clear();
  return record;
}

// Reads a twin as encode_twin() writes it, member after member, and copies no more than what is wanted:
// queries read very many. It says no to whatever looks otherwise, which is read as JSON then.
class TwinReader {
 public:
  explicit TwinReader(std::string_view text) : rest_(text) {}

  bool read(const TwinTexts& wanted, TwinRecord& into) {
    into = without_documents();
    if (!(take("{") && number("version", into.version) && number(",etag", into.etag_counter) &&
          number(",desiredVersion", into.desired_version) &&
          number(",reportedVersion", into.reported_version) && text("modelId", &into.model_id) &&
          text("tags", wanted.tags ? &into.tags : nullptr))) {
      return false;
    }
    if (!wanted.rest && !wanted.desired && !wanted.reported) return true;
    if (!(text("desired", wanted.desired ? &into.desired : nullptr) &&
          text("reported", wanted.reported ? &into.reported : nullptr))) {
      return false;
    }
    if (!wanted.rest && !wanted.metadata) return true;
    if (!(text("desiredMetadata", wanted.desired && wanted.metadata ? &into.desired_metadata : nullptr) &&
          text("reportedMetadata", wanted.reported && wanted.metadata ? &into.reported_metadata : nullptr))) {
      return false;
    }
    std::int64_t created = 0;
    if (!(take(",\"created\":") && integer(created))) return false;
    into.created = WallTime(milliseconds(created));
    return rest_ == "}" || (text("configurations", &into.configurations) && rest_ == "}");
  }

 private:
  bool take(std::string_view literal) {
    if (!rest_.starts_with(literal)) return false;
    rest_.remove_prefix(literal.size());
    return true;
  }
  template <class Number>
  bool integer(Number& into) {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), into);
    if (error != std::errc() || end == rest_.data() + rest_.size()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return rest_.front() == ',' || rest_.front() == '}';
  }
  // A name with a comma in front is not the first one.
  bool number(std::string_view name, std::uint64_t& into) {
    if (name.starts_with(',')) {
      if (!take(",")) return false;
      name.remove_prefix(1);
    }
    return take("\"") && take(name) && take("\":") && integer(into);
  }
  bool text(std::string_view name, std::string* into) {
    if (!(take(",\"") && take(name) && take("\":\""))) return false;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < rest_.size(); ++at) {
      const char c = rest_[at];
      if (c != '"' && c != '\\') continue;
      if (into != nullptr) into->append(rest_, begin, at - begin);
      if (c == '"') {
        rest_.remove_prefix(at + 1);
        return true;
      }
      if (++at >= rest_.size()) return false;
      begin = at + 1;
      if (into != nullptr && !unescape(rest_[at], *into)) return false;
    }
    return false;
  }
  static bool unescape(char code, std::string& into) {
    constexpr std::string_view kCodes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t place = kCodes.find(code);
    if (place == std::string_view::npos) return false;
    into += kMeanings[place];
    return true;
  }

  std::string_view rest_;
};

}  // namespace

Result<TwinRecord> decode_twin(std::string_view bytes) { return decode_twin(bytes, TwinTexts()); }

Result<TwinRecord> decode_twin(std::string_view bytes, const TwinTexts& wanted) {
  if (bytes.size() > 2 && static_cast<std::uint8_t>(bytes[1]) <= kVersion) {
    TwinRecord record;
    if (TwinReader(bytes.substr(2)).read(wanted, record)) return record;
  }
  const Result<Json> document = without_head("twin", bytes);
  if (!document) return document.error();
  TwinRecord record = without_documents();
  Members members(*document);
  const auto read_text = [&members](bool is_wanted, const char* name, std::string& into) {
    if (is_wanted) members.read(name, into);
  };
  members.read("version", record.version);
  members.read("etag", record.etag_counter);
  members.read("desiredVersion", record.desired_version);
  members.read("reportedVersion", record.reported_version);
  members.read("modelId", record.model_id);
  read_text(wanted.tags, "tags", record.tags);
  read_text(wanted.desired, "desired", record.desired);
  read_text(wanted.reported, "reported", record.reported);
  read_text(wanted.desired && wanted.metadata, "desiredMetadata", record.desired_metadata);
  read_text(wanted.reported && wanted.metadata, "reportedMetadata", record.reported_metadata);
  if (wanted.rest) {
    members.read("created", record.created);
    members.read_present("configurations", record.configurations);
  }
  if (!members.ok()) return damaged("twin", "a member is missing or of another type");
  return record;
}

Result<std::uint64_t> twin_version(std::string_view bytes) {
  // encode_twin() writes it first; whatever looks otherwise is read as a whole.
  constexpr std::string_view kFirst = R"({"version":)";
  if (bytes.size() > 2 && static_cast<std::uint8_t>(bytes[1]) <= kVersion) {
    if (std::string_view rest = bytes.substr(2); rest.starts_with(kFirst)) {
      rest.remove_prefix(kFirst.size());
      std::uint64_t version = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), version);
      if (error == std::errc() && end != rest.data() + rest.size() && *end == ',') return version;
    }
  }
  const Result<TwinRecord> record = decode_twin(bytes);
  if (!record) return record.error();
  return record->version;
}

std::string encode_session(const SessionRecord& record) {
  Json list = Json::array();
  for (const StoredSubscription& subscription : record.subscriptions) {
    list.push_back(Json{{"filter", subscription.filter},
                        {"qos", subscription.qos},
                        {"created", to_milliseconds(subscription.created)}});
  }
  return with_head(
      Json{{"device", record.id.device}, {"module", record.id.module}, {"subscriptions", std::move(list)}});
}

Result<SessionRecord> decode_session(std::string_view bytes) {
  const Result<Json> document = without_head("session", bytes);
  if (!document) return document.error();
  SessionRecord record;
  Members members(*document);
  members.read("device", record.id.device);
  members.read("module", record.id.module);
  const auto list = document->find("subscriptions");
  if (!members.ok() || list == document->end() || !list->is_array()) {
    return damaged("session", "a member is missing or of another type");
  }
  for (const Json& item : *list) {
    if (!item.is_object()) return damaged("session", "a subscription is not an object");
    StoredSubscription subscription;
    std::uint64_t qos = 0;
    Members fields(item);
    fields.read("filter", subscription.filter);
    fields.read("qos", qos);
    fields.read("created", subscription.created);
    if (!fields.ok() || qos > 2) return damaged("session", "a member is missing or of another type");
    subscription.qos = static_cast<std::uint8_t>(qos);
    record.subscriptions.push_back(std::move(subscription));
  }
  return record;
}

std::string encode_policies(const std::vector<AccessPolicy>& policies) {
  Json list = Json::array();
  for (const AccessPolicy& policy : policies) {
    list.push_back(Json{{"name", policy.name},
                        {"primaryKey", policy.primary_key},
                        {"secondaryKey", policy.secondary_key},
                        {"rights", policy.rights.bits}});
  }
  return with_head(Json{{"policies", std::move(list)}});
}

Result<std::vector<AccessPolicy>> decode_policies(std::string_view bytes) {
  const Result<Json> document = without_head("policies", bytes);
  if (!document) return document.error();
  const auto list = document->find("policies");
  if (list == document->end() || !list->is_array()) return damaged("policies", "no list");
  std::vector<AccessPolicy> policies;
  for (const Json& item : *list) {
    if (!item.is_object()) return damaged("policies", "a policy is not an object");
    AccessPolicy policy;
    std::uint64_t bits = 0;
    Members members(item);
    members.read("name", policy.name);
    members.read("primaryKey", policy.primary_key);
    members.read("secondaryKey", policy.secondary_key);
    members.read("rights", bits);
    if (!members.ok() || bits > 15) return damaged("policies", "a member is missing or of another type");
    policy.rights.bits = static_cast<std::uint8_t>(bits);
    policies.push_back(std::move(policy));
  }
  return policies;
}

std::string encode_ca_certificate(const CaCertificateRecord& record) {
  Json json{{"name", record.name},
            {"der", encode_base64(record.der)},
            {"verified", record.verified},
            {"created", to_milliseconds(record.created)}};
  if (!record.challenge.empty()) json["challenge"] = record.challenge;
  return with_head(json);
}

Result<CaCertificateRecord> decode_ca_certificate(std::string_view bytes) {
  const Result<Json> document = without_head("CA certificate", bytes);
  if (!document) return document.error();
  CaCertificateRecord record;
  std::string der;
  Members members(*document);
  members.read("name", record.name);
  members.read("der", der);
  members.read("verified", record.verified);
  members.read_present("challenge", record.challenge);
  members.read("created", record.created);
  if (!members.ok()) return damaged("CA certificate", "a member is missing or of another type");
  auto bytes_of_der = decode_base64(der);
  if (!bytes_of_der) return damaged("CA certificate", "der is not base64");
  record.der = std::move(*bytes_of_der);
  return record;
}

}  // namespace kyanite
