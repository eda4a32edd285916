#include <algorithm>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/limits.h"
#include "server/hub/authenticator.h"
#include "server/hub/device_actor.h"
#include "server/hub/device_directory.h"
#include "server/hub/hub_events.h"
#include "server/hub/identity_rules.h"
#include "server/hub/registry_service.h"
#include "server/hub/twin_record.h"

// The actor's side of the registry: identities read, created, replaced and deleted.
namespace kyanite {
namespace {

bool is_disabled_device(const IdentityRecord& record) {
  return !record.id.is_module() && record.status == IdentityStatus::disabled;
}

}  // namespace

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

void DeviceActor::on(RotateKeys message) {
  const IdentityRecord* current = find(message.identity);
  if (!current) return message.reply(absent(message.identity));
  if (current->auth_type != AuthenticationType::sas) {
    return message.reply(Error(Errc::argument_invalid, "the identity has no symmetric keys"));
  }
  IdentityRecord record = *current;
  if (message.which != RotateKeys::Which::secondary) record.primary_key = make_symmetric_key();
  if (message.which != RotateKeys::Which::primary) record.secondary_key = make_symmetric_key();
  ++record.etag_counter;
  IdentityChange change;
  change.writes.push_back({std::move(record), std::nullopt, current->etag_counter});
  commit_change(std::move(change), std::move(message.reply));
}

Result<void> DeviceActor::create(const PutIdentity& message, IdentityChange& change) {
  const Identity& id = message.wanted.id;
  if ((message.if_match && !message.or_create) || (id.is_module() && !records_)) return absent(id);
  if (id.is_module() && records_->modules.size() >= limits::kModulesPerDeviceMax)
    return Errc::too_many_modules;
  const WallTime now = executor().wall_now();
  const Result<TwinRecord> twin = message.twin ? initial_twin(*message.twin, now) : new_twin(now);
  if (!twin) return twin.error();
  IdentityRecord record = create_record(message.wanted, now, message.keep_scope);
  const bool edge = record.iot_edge;
  change.writes.push_back({std::move(record), *twin, std::nullopt});
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
  if (!events().wants_lifecycle()) return commit_change(std::move(change), std::move(reply));
  for (const IdentityChange::Write& write : change.writes) {
    if (write.new_twin) change.events.push_back(events().identity_created(write.record, *write.new_twin));
  }
  std::vector<IdentityRecord> erased;
  for (const IdentityChange::Erase& erase : change.erases) erased.push_back(*find(erase.id));
  std::vector<TelemetryAppend> created = std::exchange(change.events, {});
  collect_deleted(std::move(erased), std::move(created),
                  [this, change = std::move(change),
                   reply = std::move(reply)](Result<std::vector<TelemetryAppend>> collected) mutable {
                    if (!collected) return reply(collected.error());
                    change.events = std::move(*collected);
                    commit_change(std::move(change), std::move(reply));
                  });
}

void DeviceActor::commit_change(IdentityChange change, Reply<IdentityView> reply) {
  in_flight_ = true;
  IdentityChange applied{change.writes, change.erases, {}};  // what memory becomes once the store has it
  stores().identities().commit(
      std::move(change), Reply<void>(executor(), [this, applied = std::move(applied),
                                                  reply = std::move(reply)](Result<void> committed) mutable {
        in_flight_ = false;
        if (committed) {
          apply(applied);
          IdentityView written = view(*find(applied.writes.front().record.id));
          written.created = applied.writes.front().new_twin.has_value();
          reply(std::move(written));
        } else {
          loaded_ = false;
          reply(committed.error());
        }
        run_waiting();
      }));
}

void DeviceActor::forget_module(const std::string& module) {
  erase_twin(module);
  sessions_.erase(module);
  presence_.forget(module);
  directory_.activity().forget({device_, module});
  methods_.on_erased(module);
  std::erase_if(records_->modules, [&module](const IdentityRecord& m) { return m.id.module == module; });
}

void DeviceActor::apply(const IdentityChange& change) {
  for (const IdentityChange::Erase& erase : change.erases) {
    forget_module(erase.id.module);
  }
  for (const IdentityChange::Write& write : change.writes) {
    bool to_judge = write.new_twin.has_value();  // nobody has yet
    if (IdentityRecord* record = find(write.record.id)) {
      const IdentityRecord before = std::exchange(*record, write.record);
      to_judge = to_judge || before.iot_edge != write.record.iot_edge;  // deployments are for edge devices
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
    if (to_judge && configurations()) {
      twin(write.record.id.module)
          .apply_configurations({write.record.id, Reply<DeploymentVerdict>(
                                                      executor(), [](const Result<DeploymentVerdict>&) {})});
    }
  }
  on_changed();
}

// Connections that the committed change ends (spec device-mqtt.md 2.11).
void DeviceActor::close_ended_by(const IdentityRecord& before, const IdentityRecord& after) {
  if (is_disabled_device(after) && !is_disabled_device(before)) {
    presence_.close_all(CloseReason::identity_disabled, Error(Errc::device_disabled));
    return methods_.on_disabled();
  }
  if (!directory_.security().rules.disconnect_on_key_change || !credentials_replaced(before, after)) return;
  // A policy's token does not depend on the identity's own keys.
  presence_.close_own(after.id.module, CloseReason::credential_changed,
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
  if (!events().wants_lifecycle()) {
    return commit_delete(message.identity, {}, std::move(message.reply));
  }
  std::vector<IdentityRecord> records{*current};
  if (!message.identity.is_module()) {
    records.insert(records.end(), records_->modules.begin(), records_->modules.end());
  }
  collect_deleted(
      std::move(records), {},
      [this, message = std::move(message)](Result<std::vector<TelemetryAppend>> collected) mutable {
        if (!collected) return message.reply(collected.error());
        commit_delete(message.identity, std::move(*collected), std::move(message.reply));
      });
}

// Reads the twins of `erased`, since the event of a deletion shows the twin as it was last, and hands over
// `so_far` with their events, the last identity's first. Other changes wait meanwhile; what a twin was asked
// before is in what it answers, even if its write is under way.
void DeviceActor::collect_deleted(std::vector<IdentityRecord> erased, std::vector<TelemetryAppend> so_far,
                                  AfterCollect then) {
  if (erased.empty()) return then(std::move(so_far));
  in_flight_ = true;
  const Identity id = erased.back().id;
  twin(id.module).get(
      {id, Reply<TwinView>(executor(), [this, erased = std::move(erased), so_far = std::move(so_far),
                                        then = std::move(then)](Result<TwinView> read) mutable {
         in_flight_ = false;
         if (read) {
           so_far.push_back(events().identity_deleted(erased.back(), read->twin));
           erased.pop_back();
           collect_deleted(std::move(erased), std::move(so_far), std::move(then));
         } else {
           then(read.error());
         }
         run_waiting();
       })});
}

void DeviceActor::commit_delete(const Identity& identity, std::vector<TelemetryAppend> deleted,
                                Reply<void> reply) {
  IdentityChange change;
  change.erases.push_back({identity});
  change.events = std::move(deleted);
  in_flight_ = true;
  stores().identities().commit(
      std::move(change), Reply<void>(executor(), [this, module = identity.module,
                                                  reply = std::move(reply)](Result<void> committed) mutable {
        in_flight_ = false;
        if (!committed) {
          loaded_ = false;
        } else if (!module.empty()) {
          forget_module(module);
        } else {
          while (!records_->modules.empty()) forget_module(std::string(records_->modules.front().id.module));
          c2d_.on_erased();
          forget_module({});
          presence_.forget_all();
          records_.reset();
        }
        if (committed) on_changed();
        reply(std::move(committed));
        run_waiting();
      }));
}

}  // namespace kyanite
