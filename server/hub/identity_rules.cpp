#include "server/hub/identity_rules.h"

#include <array>
#include <charconv>
#include <string_view>

#include "protocol/auth/symmetric_key.h"

namespace kyanite {
namespace {

constexpr std::array<std::string_view, 2> kSystemModules{"$edgeAgent", "$edgeHub"};

std::uint64_t random_below(std::uint64_t bound) {
  const std::string hex = random_hex(7);
  std::uint64_t value = 0;
  std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  return value % bound;
}

// The service's time unit (100 ns since the year 1) with random digits below the millisecond, so that two
// identities of one id never share it.
std::string ticks(WallTime now) {
  constexpr std::uint64_t kUnixEpochMs = 62'135'596'800'000;
  const auto ms = static_cast<std::uint64_t>(now.time_since_epoch().count()) + kUnixEpochMs;
  return std::to_string(ms * 10'000 + random_below(10'000));
}

// Etags of a re-created identity must not meet those of the former one, hence a random start.
std::uint64_t first_etag() { return 100'000'000 + random_below(900'000'000); }

std::string scope_stem(const IdentityRecord& record) {
  return "ms-azure-iot-edge://" + record.id.device + "-";
}

std::string new_scope(const IdentityRecord& record, WallTime now) { return scope_stem(record) + ticks(now); }

bool names_own_scope(const IdentityRecord& record) {
  constexpr std::size_t kTicksDigitsMax = 19;
  const std::string stem = scope_stem(record);
  if (!record.device_scope.starts_with(stem)) return false;
  const std::string_view number = std::string_view(record.device_scope).substr(stem.size());
  return !number.empty() && number.size() <= kTicksDigitsMax &&
         number.find_first_not_of("0123456789") == std::string_view::npos;
}

// Keeps what belongs to the type and mints keys where none were given (4.5).
void settle_authentication(IdentityRecord& record) {
  if (record.auth_type == AuthenticationType::none && record.id.is_module() && !is_system_module(record.id)) {
    record.auth_type = AuthenticationType::sas;  // a module's "none" means keys (4.5)
  }
  if (record.auth_type != AuthenticationType::self_signed) {
    record.primary_thumbprint.clear();
    record.secondary_thumbprint.clear();
  }
  if (record.auth_type != AuthenticationType::sas) {
    record.primary_key.clear();
    record.secondary_key.clear();
  } else if (record.primary_key.empty()) {
    record.primary_key = make_symmetric_key();
    record.secondary_key = make_symmetric_key();
  }
}

// A leaf hangs under the edge device whose scope it names; naming only parents does nothing (4.7).
void settle_leaf_scope(IdentityRecord& record) {
  record.parent_scopes.clear();
  if (!record.device_scope.empty()) record.parent_scopes.push_back(record.device_scope);
}

void settle_module(IdentityRecord& record) {
  record.status = IdentityStatus::enabled;  // modules have no status of their own (4.8)
  record.status_reason.clear();
  record.iot_edge = false;
  record.device_scope.clear();
  record.parent_scopes.clear();
}

}  // namespace

bool is_system_module(const Identity& id) {
  for (const std::string_view name : kSystemModules) {
    if (id.module == name) return true;
  }
  return false;
}

IdentityRecord create_record(const IdentityRecord& wanted, WallTime now, bool keep_scope) {
  IdentityRecord record = wanted;
  record.generation_id = ticks(now);
  record.etag_counter = first_etag();
  record.status_updated = kNever;
  settle_authentication(record);
  if (record.id.is_module()) {
    settle_module(record);
  } else {
    record.managed_by.clear();
    if (!record.iot_edge) {
      settle_leaf_scope(record);
    } else if (!keep_scope || !names_own_scope(record)) {
      record.device_scope = new_scope(record, now);  // whatever the caller sent
    }
  }
  return record;
}

Result<IdentityRecord> replace_record(const IdentityRecord& current, const IdentityRecord& wanted,
                                      WallTime now) {
  IdentityRecord record = wanted;
  record.generation_id = current.generation_id;
  record.etag_counter = current.etag_counter + 1;
  settle_authentication(record);
  if (record.id.is_module()) {
    settle_module(record);
    record.status_updated = current.status_updated;
    return record;
  }
  record.managed_by.clear();
  record.status_updated = record.status == current.status ? current.status_updated : now;
  if (current.iot_edge && record.iot_edge) {
    if (record.device_scope != current.device_scope) {
      return Error(Errc::device_scope_invalid,
                   "the scope of an edge device is immutable and must be repeated");
    }
  } else if (record.iot_edge) {
    record.device_scope = new_scope(record, now);
  } else if (current.iot_edge) {
    record.device_scope.clear();  // the parent is set again in a second write (4.7)
    record.parent_scopes.clear();
  } else {
    settle_leaf_scope(record);
  }
  return record;
}

std::vector<IdentityRecord> system_modules(const std::string& device, WallTime now) {
  std::vector<IdentityRecord> modules;
  for (const std::string_view name : kSystemModules) {
    IdentityRecord wanted;
    wanted.id = {device, std::string(name)};
    wanted.auth_type = AuthenticationType::none;
    wanted.managed_by = "iotEdge";
    modules.push_back(create_record(wanted, now));
  }
  return modules;
}

TwinRecord new_twin(WallTime now) {
  TwinRecord twin;
  twin.created = now;
  return twin;
}

bool credentials_replaced(const IdentityRecord& before, const IdentityRecord& after) {
  if (before.auth_type != after.auth_type) return true;
  const auto survives = [](const std::string& secret, const std::string& a, const std::string& b) {
    return !secret.empty() && (secret == a || secret == b);
  };
  switch (before.auth_type) {
    case AuthenticationType::sas:
      return !survives(before.primary_key, after.primary_key, after.secondary_key) &&
             !survives(before.secondary_key, after.primary_key, after.secondary_key);
    case AuthenticationType::self_signed:
      return !survives(before.primary_thumbprint, after.primary_thumbprint, after.secondary_thumbprint) &&
             !survives(before.secondary_thumbprint, after.primary_thumbprint, after.secondary_thumbprint);
    case AuthenticationType::certificate_authority:
    case AuthenticationType::none:
      return false;
  }
  return false;
}

}  // namespace kyanite
