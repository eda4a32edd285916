#include "server/hub/device_actor.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/hub/device_directory.h"
#include "server/hub/device_router.h"
#include "server/hub/identity_rules.h"
#include "server/hub/registry_service.h"

namespace kyanite {
namespace {

void refuse(DeviceMessage& message, const Error& error) {
  std::visit(
      [&error](auto& m) {
        if constexpr (requires { m.reply; }) m.reply(error);
      },
      message);
}

bool is_about_live_connection(const DeviceMessage& message) {
  return std::holds_alternative<Detached>(message) || std::holds_alternative<Active>(message);
}

bool is_disabled_device(const IdentityRecord& record) {
  return !record.id.is_module() && record.status == IdentityStatus::disabled;
}

}  // namespace

DeviceActor::DeviceActor(DeviceDirectory& directory, std::string device)
    : directory_(directory), device_(std::move(device)), presence_(*this) {}

DeviceActor::~DeviceActor() { refuse_waiting(Error(Errc::shutting_down)); }

bool DeviceActor::is_idle() const { return !in_flight_ && waiting_.empty() && presence_.is_quiet(); }

bool DeviceActor::unload() {
  loaded_ = false;
  records_.reset();
  return presence_.is_empty();
}

void DeviceActor::receive(DeviceMessage message) {
  shard_check_.check();
  if (is_about_live_connection(message)) {
    run(std::move(message));
    return settled();
  }
  if (in_flight_ || !waiting_.empty()) {
    if (waiting_.size() >= limits::kDeviceQueueMax) {
      refuse(message, Error(Errc::busy, "too many operations wait for the device"));
      return;
    }
    waiting_.push_back(std::move(message));
    return;
  }
  if (!loaded_) {
    waiting_.push_back(std::move(message));
    return load();
  }
  run(std::move(message));
  settled();
}

void DeviceActor::load() {
  in_flight_ = true;
  // The actor stays while in_flight_ is set, so the reply may name it.
  directory_.identities().load(
      device_, Reply<DeviceRecords>(directory_.executor(),
                                    [this](Result<DeviceRecords> r) { on_loaded(std::move(r)); }));
}

void DeviceActor::on_loaded(Result<DeviceRecords> records) {
  shard_check_.check();
  in_flight_ = false;
  if (records) {
    loaded_ = true;
    records_ = std::move(*records);
  } else if (records.error().code == Errc::device_not_found) {
    loaded_ = true;
    records_.reset();
  } else {
    refuse_waiting(records.error());
  }
  run_waiting();
}

void DeviceActor::run_waiting() {
  while (!in_flight_ && !waiting_.empty()) {
    if (!loaded_) return load();
    DeviceMessage message = std::move(waiting_.front());
    waiting_.pop_front();
    run(std::move(message));
  }
  settled();
}

void DeviceActor::refuse_waiting(const Error& error) {
  for (DeviceMessage& message : waiting_) refuse(message, error);
  waiting_.clear();
}

void DeviceActor::run(DeviceMessage message) {
  std::visit([this](auto& m) { on(std::move(m)); }, message);
}

// The last thing a step does: the directory may end the actor.
void DeviceActor::settled() {
  if (is_idle()) directory_.on_settled(device_);
}

IdentityRecord* DeviceActor::find(const Identity& id) {
  if (!records_) return nullptr;
  if (!id.is_module()) return &records_->device;
  const auto it = std::find_if(records_->modules.begin(), records_->modules.end(),
                               [&id](const IdentityRecord& m) { return m.id.module == id.module; });
  return it == records_->modules.end() ? nullptr : &*it;
}

Error DeviceActor::absent(const Identity& id) const {
  return Error(records_ && id.is_module() ? Errc::module_not_found : Errc::device_not_found);
}

IdentityView DeviceActor::view(const IdentityRecord& record) const {
  const LiveState live = presence_.live(record.id.module);
  return {record, live.connected, live.connection_state_updated, live.last_activity};
}

void DeviceActor::on(Attach message) {
  const IdentityRecord* record = find(message.identity);
  if (!record) {
    message.reply(absent(message.identity));
    return;
  }
  const Result<AuthVerdict> verdict = authenticate_device(
      *record, records_->device.status, message.credentials, directory_.security(), executor().wall_now());
  if (!verdict) {
    message.reply(verdict.error());
    return;
  }
  message.credentials = {};  // judged; a waiting Attach keeps no secret
  presence_.attach(std::move(message), *verdict, record->generation_id);
}

void DeviceActor::on(Detached message) { presence_.detached(message); }

void DeviceActor::on(Active message) { presence_.active(message); }

void DeviceActor::on(GetIdentity message) {
  const IdentityRecord* record = find(message.identity);
  if (record) {
    message.reply(view(*record));
  } else {
    message.reply(absent(message.identity));
  }
}

void DeviceActor::on(ListModules message) {
  if (!records_) {
    message.reply(Error(Errc::device_not_found));
    return;
  }
  std::vector<IdentityView> views;
  views.reserve(records_->modules.size());
  for (const IdentityRecord& module : records_->modules) views.push_back(view(module));
  message.reply(std::move(views));
}

void DeviceActor::on(PutIdentity message) {
  const Identity& id = message.wanted.id;
  const IdentityRecord* current = find(id);
  IdentityChange change;
  Result<void> planned = current ? replace(message, *current, change) : create(message, change);
  if (!planned) {
    message.reply(planned.error());
    return;
  }
  commit_put(std::move(change), std::move(message.reply));
}

Result<void> DeviceActor::create(const PutIdentity& message, IdentityChange& change) {
  const Identity& id = message.wanted.id;
  if (message.if_match || (id.is_module() && !records_)) return absent(id);
  if (id.is_module() && records_->modules.size() >= limits::kModulesPerDeviceMax)
    return Errc::too_many_modules;
  const WallTime now = executor().wall_now();
  IdentityRecord record = create_record(message.wanted, now);
  const bool edge = record.iot_edge;
  change.writes.push_back({std::move(record), new_twin(now), std::nullopt});
  if (edge) {
    for (IdentityRecord& module : system_modules(id.device, now)) {
      change.writes.push_back({std::move(module), new_twin(now), std::nullopt});
    }
  }
  return {};
}

Result<void> DeviceActor::replace(const PutIdentity& message, const IdentityRecord& current,
                                  IdentityChange& change) {
  const Identity& id = message.wanted.id;
  if (!message.if_match)
    return Error(id.is_module() ? Errc::module_already_exists : Errc::device_already_exists);
  if (!message.if_match->matches(identity_etag(current))) return Errc::precondition_failed;
  const WallTime now = executor().wall_now();
  Result<IdentityRecord> record = replace_record(current, message.wanted, now);
  if (!record) return record.error();
  const bool becomes_edge = record->iot_edge && !current.iot_edge;
  const bool was_edge = current.iot_edge && !record->iot_edge;
  change.writes.push_back({std::move(*record), std::nullopt, current.etag_counter});
  if (becomes_edge) {
    for (IdentityRecord& module : system_modules(id.device, now)) {
      if (!find(module.id)) change.writes.push_back({std::move(module), new_twin(now), std::nullopt});
    }
  }
  if (was_edge) {
    for (const IdentityRecord& module : records_->modules) {
      if (is_system_module(module.id)) change.erases.push_back({module.id});
    }
  }
  return {};
}

void DeviceActor::commit_put(IdentityChange change, Reply<IdentityView> reply) {
  in_flight_ = true;
  IdentityChange applied = change;  // what memory becomes once the store has it
  directory_.identities().commit(
      std::move(change),
      Reply<void>(directory_.executor(), [this, applied = std::move(applied),
                                          reply = std::move(reply)](Result<void> committed) mutable {
        in_flight_ = false;
        if (committed) {
          apply(applied);
          reply(view(*find(applied.writes.front().record.id)));
        } else {
          unload();
          reply(committed.error());
        }
        run_waiting();
      }));
}

void DeviceActor::apply(const IdentityChange& change) {
  for (const IdentityChange::Erase& erase : change.erases) {
    presence_.forget(erase.id.module);
    std::erase_if(records_->modules, [&erase](const IdentityRecord& m) { return m.id == erase.id; });
  }
  for (const IdentityChange::Write& write : change.writes) {
    if (IdentityRecord* record = find(write.record.id)) {
      const IdentityRecord before = std::exchange(*record, write.record);
      close_ended_by(before, write.record);
    } else if (write.record.id.is_module()) {
      std::vector<IdentityRecord>& modules = records_->modules;
      const auto place = std::lower_bound(
          modules.begin(), modules.end(), write.record,
          [](const IdentityRecord& a, const IdentityRecord& b) { return a.id.module < b.id.module; });
      modules.insert(place, write.record);
    } else {
      records_.emplace();
      records_->device = write.record;
    }
  }
}

// Connections that the committed change ends (spec device-mqtt.md 2.11).
void DeviceActor::close_ended_by(const IdentityRecord& before, const IdentityRecord& after) {
  if (is_disabled_device(after) && !is_disabled_device(before)) {
    presence_.close_all(CloseReason::identity_disabled, Error(Errc::device_disabled));
    return;
  }
  if (!directory_.security().rules.disconnect_on_key_change || !credentials_replaced(before, after)) return;
  // A policy's token does not depend on the identity's own keys.
  if (presence_.connected_scope(after.id.module) == AuthScope::hub) return;
  presence_.close(after.id.module, CloseReason::credential_changed,
                  Error(Errc::unauthorized, "the credential was replaced while connecting"));
}

void DeviceActor::on(DeleteIdentity message) {
  if (!message.if_match && directory_.security().rules.require_delete_etag) {
    message.reply(Error(Errc::etag_missing));
    return;
  }
  const IdentityRecord* current = find(message.identity);
  if (!current) {
    message.reply(absent(message.identity));
    return;
  }
  if (message.if_match && !message.if_match->matches(identity_etag(*current))) {
    message.reply(Error(Errc::precondition_failed));
    return;
  }
  IdentityChange change;
  change.erases.push_back({message.identity});
  in_flight_ = true;
  directory_.identities().commit(
      std::move(change),
      Reply<void>(directory_.executor(), [this, module = message.identity.module,
                                          reply = std::move(message.reply)](Result<void> committed) mutable {
        in_flight_ = false;
        if (!committed) {
          unload();
        } else if (module.empty()) {
          presence_.forget_all();
          records_.reset();
        } else {
          presence_.forget(module);
          std::erase_if(records_->modules,
                        [&module](const IdentityRecord& m) { return m.id.module == module; });
        }
        reply(std::move(committed));
        run_waiting();
      }));
}

Executor& DeviceActor::executor() { return directory_.executor(); }

void DeviceActor::close_connection(ConnectionRef connection, CloseReason reason) {
  directory_.router().send(connection, CloseConnection{reason});
}

void DeviceActor::on_connected_changed(const std::string& module, bool connected) {
  if (module.empty()) directory_.on_device_presence(connected);
}

void DeviceActor::on_takeover_timeout(const std::string& module) {
  presence_.takeover_timeout(module);
  settled();
}

}  // namespace kyanite
