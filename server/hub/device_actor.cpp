#include "server/hub/device_actor.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/hub/authenticator.h"
#include "server/hub/c2d_message.h"
#include "server/hub/device_directory.h"
#include "server/hub/device_router.h"
#include "server/hub/hub_events.h"

namespace kyanite {
namespace {

void refuse(DeviceMessage& message, const Error& error) {
  std::visit(
      [&error](auto& m) {
        if constexpr (requires { m.reply; }) m.reply(error);
      },
      message);
}

// In what is loaded, constant or not.
template <class Records>
auto find_record(Records& records, const std::string& module) -> decltype(&records->device) {
  if (!records) return nullptr;
  if (module.empty()) return &records->device;
  const auto it = std::find_if(records->modules.begin(), records->modules.end(),
                               [&module](const IdentityRecord& m) { return m.id.module == module; });
  return it == records->modules.end() ? nullptr : &*it;
}

}  // namespace

DeviceActor::DeviceActor(DeviceDirectory& directory, std::string device)
    : directory_(directory), device_(std::move(device)), presence_(*this), c2d_(*this), methods_(*this) {}

DeviceActor::~DeviceActor() { refuse_waiting(Error(Errc::shutting_down)); }

bool DeviceActor::is_idle() const {
  const auto is_quiet = [](const auto& twin) { return twin->is_quiet(); };
  return !in_flight_ && waiting_.empty() && presence_.is_quiet() && c2d_.is_quiet() && methods_.is_quiet() &&
         std::all_of(twins_.begin(), twins_.end(),
                     [&](const auto& entry) { return is_quiet(entry.second); }) &&
         std::all_of(erased_twins_.begin(), erased_twins_.end(), is_quiet);
}

bool DeviceActor::unload() {
  loaded_ = false;
  records_.reset();
  sessions_.clear();
  presence_.unload();
  c2d_.unload();
  twins_.clear();
  erased_twins_.clear();
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

void DeviceActor::on_clock_shift() {
  c2d_.on_clock_shift();
  settled();
}

// Calls that wait for the records are refused as well.
void DeviceActor::on_drain() {
  std::erase_if(waiting_, [](DeviceMessage& message) {
    auto* invoke = std::get_if<InvokeMethod>(&message);
    if (invoke) invoke->reply(Error(Errc::shutting_down, "the hub is shutting down"));
    return invoke != nullptr;
  });
  methods_.on_drain();
  settled();
}

void DeviceActor::load() {
  in_flight_ = true;
  // The actor stays while in_flight_ is set, so the reply may name it.
  stores().identities().load(device_, Reply<DeviceRecords>(executor(), [this](Result<DeviceRecords> records) {
                               on_loaded(std::move(records));
                             }));
}

void DeviceActor::on_loaded(Result<DeviceRecords> records) {
  shard_check_.check();
  in_flight_ = false;
  if (records) {
    loaded_ = true;
    sessions_.load(records->sessions);
    presence_.load(std::exchange(records->activity, {}));
    c2d_.load(std::exchange(records->c2d, {}), records->next_c2d_sequence);
    c2d_size_told_ = c2d_.size();  // reading is no change
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

void DeviceActor::on_changed() { directory_.on_changed(device_); }

// The last thing a step does: the directory may end the actor.
void DeviceActor::settled() {
  if (loaded_ && c2d_size_told_ != c2d_.size()) {
    c2d_size_told_ = c2d_.size();
    on_changed();
  }
  std::erase_if(erased_twins_, [](const auto& twin) { return twin->is_quiet(); });
  if (is_idle()) directory_.on_settled(device_);
}

IdentityRecord* DeviceActor::find(const Identity& id) { return find_record(records_, id.module); }

bool DeviceActor::is_disabled() const {
  return records_ && records_->device.status == IdentityStatus::disabled;
}

Error DeviceActor::absent(const Identity& id) const {
  return Error(records_ && id.is_module() ? Errc::module_not_found : Errc::device_not_found);
}

// Connections

void DeviceActor::on(Attach message) {
  const IdentityRecord* record = find(message.identity);
  if (!record) return message.reply(absent(message.identity));
  const Result<AuthVerdict> verdict = judge(message, *record);
  if (!verdict) return message.reply(verdict.error());
  message.credentials = {};  // judged; a waiting Attach keeps no secret
  if (!message.model_id.empty()) twin(message.identity.module).announce_model(message.model_id);
  // AMQP knows no sessions: that of a device which comes over MQTT at other times is not its business.
  if (message.over_amqp || !message.clean_session || !sessions_.has_stored(message.identity.module)) {
    return presence_.attach(std::move(message), *verdict, record->generation_id);
  }
  // A connection that wants no session ends the stored one (spec device-mqtt.md 2.12).
  const Identity identity = message.identity;
  put_session(identity, {},
              [this, message = std::move(message), verdict = *verdict,
               generation = record->generation_id](Result<void> written) mutable {
                if (!written) return message.reply(written.error());
                presence_.attach(std::move(message), verdict, generation);
              });
}

Result<AuthVerdict> DeviceActor::judge(const Attach& message, const IdentityRecord& record) {
  if (!message.proven_until) {
    return authenticate_device(record, records_->device.status, message.credentials, directory_.security(),
                               executor().wall_now());
  }
  // The adapter judged the token; the identity's type decides as it does for a token over MQTT.
  if (record.auth_type != AuthenticationType::sas) {
    return Error(Errc::unauthorized, "the identity takes no tokens");
  }
  if (is_disabled()) return Error(Errc::device_disabled);
  return AuthVerdict{AuthScope::hub, AuthKind::sas, message.proven_until};
}

void DeviceActor::on(Detached message) { presence_.detached(message); }

void DeviceActor::on(Active message) { presence_.active(message); }

void DeviceActor::on(Subscribe message) {
  if (!presence_.is_current(message.identity.module, message.epoch)) {
    return message.reply(Error(Errc::shutting_down, "the connection was superseded"));
  }
  const DeviceLink* live = presence_.link(message.identity.module);
  if (!live) return message.reply(Error(Errc::shutting_down, "the connection is being superseded"));
  change_filters(message.identity, add_filters(live->filters, message.filters, executor().wall_now()),
                 std::move(message.reply));
}

void DeviceActor::on(Unsubscribe message) {
  const DeviceLink* live = presence_.link(message.identity.module);
  if (!live || live->epoch != message.epoch) {
    return message.reply(Error(Errc::shutting_down, "the connection was superseded"));
  }
  change_filters(message.identity, remove_filters(live->filters, message.filters), std::move(message.reply));
}

// A policy opens what it opens over MQTT, too (device-mqtt.md 2.5, 2.6): identities with keys.
Result<void> DeviceActor::admit_policy(const IdentityRecord& record) const {
  if (directory_.security().rules.disable_local_auth) {
    return Error(Errc::unauthorized, "tokens are switched off for all connections");
  }
  if (record.auth_type != AuthenticationType::sas) {
    return Error(Errc::unauthorized, "the identity takes no tokens");
  }
  if (is_disabled()) return Error(Errc::device_disabled);
  return {};
}

// An identity that is not there looks to its own credential like a wrong one: who is registered is nobody's
// business (service-rest.md 9.4).
void DeviceActor::on(AdmitRequest message) {
  const IdentityRecord* record = find(message.identity);
  if (!record) {
    if (!message.credentials) return message.reply(absent(message.identity));
    return message.reply(Error(Errc::unauthorized, "the identity is not registered"));
  }
  AuthVerdict verdict{AuthScope::hub, AuthKind::sas, std::nullopt};
  if (message.credentials) {
    const Result<AuthVerdict> judged = authenticate_device(
        *record, records_->device.status, *message.credentials, directory_.security(), executor().wall_now());
    if (!judged) return message.reply(judged.error());
    verdict = *judged;
  } else if (const Result<void> opened = admit_policy(*record); !opened) {
    return message.reply(opened.error());
  }
  presence_.touch(message.identity.module);
  message.reply(RequestVerdict{record->generation_id, verdict.scope, verdict.kind});
}

// The reply goes out before anything the new subscriptions set free.
void DeviceActor::change_filters(const Identity& identity, std::vector<GrantedFilter> filters,
                                 Reply<void> reply) {
  const DeviceLink live = *presence_.link(identity.module);
  if (live.clean_session || live.filters == filters) {
    presence_.set_filters(identity.module, std::move(filters));
    reply({});
    return tell_of_filters(identity.module, live.filters);
  }
  put_session(identity, filters,
              [this, module = identity.module, epoch = live.epoch, before = live.filters, filters,
               reply = std::move(reply)](Result<void> written) mutable {
                const bool done = written.has_value();
                if (done && presence_.is_current(module, epoch)) presence_.set_filters(module, filters);
                reply(std::move(written));
                if (!done) return;
                const DeviceLink* now = presence_.link(module);
                if (now && now->epoch == epoch) {
                  tell_of_filters(module, before);
                } else if (module.empty() && !find_filter(before, FilterKind::c2d)) {
                  // The connection ended meanwhile. The next one finds the subscription made long ago.
                  if (const auto* made = find_filter(filters, FilterKind::c2d))
                    c2d_.on_created(made->created);
                }
              });
}

void DeviceActor::put_session(const Identity& identity, const std::vector<GrantedFilter>& filters,
                              AfterWrite then) {
  in_flight_ = true;
  stores().sessions().put(Sessions::store_form(identity, filters),
                          Reply<void>(executor(), [this, module = identity.module, filters,
                                                   then = std::move(then)](Result<void> written) mutable {
                            in_flight_ = false;
                            if (written) sessions_.replace(module, filters);
                            then(std::move(written));
                            run_waiting();
                          }));
}

void DeviceActor::tell_of_filters(const std::string& module, const std::vector<GrantedFilter>& before,
                                  bool resumed) {
  const DeviceLink* live = presence_.link(module);
  if (!live) return;
  const auto had = [&before](FilterKind kind) { return find_filter(before, kind) != nullptr; };
  if (live->find(FilterKind::c2d)) {
    c2d_.on_subscribed(!resumed && !had(FilterKind::c2d));
  } else if (had(FilterKind::c2d)) {
    c2d_.on_link_ended();
  }
  if (live->find(FilterKind::methods)) {
    if (!had(FilterKind::methods)) methods_.on_listening(module);
  } else if (had(FilterKind::methods)) {
    methods_.on_link_ended(module);
  }
}

void DeviceActor::close_connection(ConnectionRef connection, CloseReason reason) {
  directory_.router().send(connection, CloseConnection{reason});
}

std::vector<GrantedFilter> DeviceActor::stored_filters(const std::string& module) const {
  return sessions_.stored({device_, module});
}

void DeviceActor::on_bound(const std::string& module) {
  if (const IdentityRecord* record = identity(module)) events().connection_changed(*record, true);
  tell_of_filters(module, {}, true);
}

void DeviceActor::on_unbound(const std::string& module) {
  if (module.empty()) c2d_.on_unbound();
  methods_.on_link_ended(module);
  if (const IdentityRecord* record = identity(module)) events().connection_changed(*record, false);
}

void DeviceActor::on_connected_changed(const std::string& module, bool connected) {
  if (module.empty()) directory_.on_device_presence(connected);
  on_changed();
}

void DeviceActor::on_heard(const std::string& module, bool ended) {
  directory_.activity().note({device_, module}, ended ? ActivityBook::When::soon : ActivityBook::When::later);
}

void DeviceActor::on_takeover_timeout(const std::string& module) {
  presence_.takeover_timeout(module);
  settled();
}

// What the parts take

TwinState& DeviceActor::twin(const std::string& module) {
  std::unique_ptr<TwinState>& state = twins_[module];
  if (!state) state = std::make_unique<TwinState>(*this, module);
  return *state;
}

void DeviceActor::erase_twin(const std::string& module) {
  const auto entry = twins_.find(module);
  if (entry == twins_.end()) return;
  entry->second->on_erased();
  erased_twins_.push_back(std::move(entry->second));
  twins_.erase(entry);
}

void DeviceActor::on(GetTwin message) {
  if (!find(message.identity)) return message.reply(absent(message.identity));
  const std::string module = message.identity.module;
  twin(module).get(std::move(message));
}

void DeviceActor::on(PatchReported message) {
  if (!find(message.identity)) return message.reply(absent(message.identity));
  const std::string module = message.identity.module;
  twin(module).patch(std::move(message));
}

void DeviceActor::on(UpdateTwin message) {
  if (!find(message.identity)) return message.reply(absent(message.identity));
  const std::string module = message.identity.module;
  twin(module).update(std::move(message));
}

void DeviceActor::on(ApplyConfigurations message) {
  if (!find(message.identity)) return message.reply(absent(message.identity));
  const std::string module = message.identity.module;
  twin(module).apply_configurations(std::move(message));
}

// A disabled device takes neither messages nor calls, and looks as if it were not there
// (service-rest.md 8.3).
void DeviceActor::on(SendC2d message) {
  if (!records_ || is_disabled()) return message.reply(Error(Errc::device_not_found));
  c2d_.send(std::move(message));
}

void DeviceActor::on(SettleC2d message) {
  if (presence_.is_current(message.identity.module, message.epoch)) return c2d_.settle(std::move(message));
  if (message.reply) message.reply(Error(Errc::lock_lost));
}

// Only devices have a queue.
void DeviceActor::on(AllowC2d message) {
  if (!message.identity.is_module() && presence_.is_current({}, message.epoch)) {
    return c2d_.allow(std::move(message));
  }
  if (message.drained) message.drained({});
}

void DeviceActor::on(PurgeC2d message) {
  if (!find(message.identity)) return message.reply(absent(message.identity));
  c2d_.purge(std::move(message));
}

void DeviceActor::on(ExpireC2d) { c2d_.expire(); }

void DeviceActor::on(ListC2d message) {
  const IdentityRecord* found = find(message.identity);
  if (!found) return message.reply(absent(message.identity));
  C2dListing listing{c2d_.list(),
                     directory_.c2d_journal().of(device_, found->generation_id, limits::kC2dEndsListed)};
  for (QueuedC2d& queued : listing.queued) {
    queued.header.message_id = feedback_message_id(device_, found->generation_id, queued.header);
  }
  message.reply(std::move(listing));
}

void DeviceActor::on(LeaseC2d message) {
  if (!records_) return message.reply(Error(Errc::device_not_found));
  c2d_.lease(std::move(message));
}

void DeviceActor::on(SettleLease message) {
  if (!records_) return message.reply(Error(Errc::lock_lost, "the device was deleted"));
  c2d_.settle(std::move(message));
}

void DeviceActor::on(InvokeMethod message) {
  if (!find(message.identity)) return message.reply(absent(message.identity));
  if (is_disabled()) return message.reply(Error(Errc::device_not_found));
  methods_.invoke(std::move(message));
}

void DeviceActor::on(AnswerMethod message) {
  if (presence_.is_current(message.identity.module, message.epoch)) methods_.answer(std::move(message));
}

// What the parts need

Executor& DeviceActor::executor() { return directory_.executor(); }
Stores& DeviceActor::stores() { return directory_.stores(); }
const Settings& DeviceActor::settings() const { return directory_.settings(); }
HubCounters& DeviceActor::counters() { return directory_.counters(); }
HubEvents& DeviceActor::events() { return directory_.events(); }
const ConfigurationSet* DeviceActor::configurations() const { return directory_.configurations(); }
void DeviceActor::feedback_written() { directory_.feedback_written(); }

void DeviceActor::message_ended(const C2dHeader& header, FeedbackStatus status) {
  const IdentityRecord* found = identity({});
  if (!found) return;  // deleted meanwhile
  directory_.c2d_journal().add({device_, found->generation_id,
                                feedback_message_id(device_, found->generation_id, header), header.enqueued,
                                executor().wall_now(), status, header.delivery_count});
}
void DeviceActor::deployment_changed() { directory_.deployment_changed(device_); }

const IdentityRecord* DeviceActor::identity(const std::string& module) const {
  return find_record(records_, module);
}

LiveState DeviceActor::live(const std::string& module) const {
  LiveState state = presence_.live(module);
  if (records_ && module.empty()) state.c2d_messages = c2d_.size();
  return state;
}

IdentityView DeviceActor::view(const IdentityRecord& record) const {
  const LiveState live = presence_.live(record.id.module);
  const std::uint64_t c2d_messages = record.id.is_module() ? 0 : c2d_.size();
  return {record, live.connected, live.connection_state_updated, live.last_activity, c2d_messages};
}

void DeviceActor::send(const std::string& module, ConnectionMessage message) {
  if (const DeviceLink* live = presence_.link(module)) {
    directory_.router().send(live->connection, std::move(message));
  }
}

}  // namespace kyanite
