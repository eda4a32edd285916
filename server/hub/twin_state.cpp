#include "server/hub/twin_state.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/twin/twin_json.h"
#include "protocol/twin/twin_merge.h"
#include "server/hub/configuration_set.h"
#include "server/hub/hub_events.h"

namespace kyanite {
namespace {

// One write takes so many operations: a shard stays with one device for a bounded time.
constexpr std::size_t kBatchMax = 64;
// A twin whose texts are longer is read again for the next operation, so that many of them fit into memory.
constexpr std::size_t kKeptTextBytesMax = 8 * 1024;

std::size_t text_bytes(const TwinRecord& twin) {
  return twin.tags.size() + twin.desired.size() + twin.reported.size() + twin.desired_metadata.size() +
         twin.reported_metadata.size();
}

// A service asked for what the service rules refuse (service-rest.md 5.6); a device is told of the size.
Error as_service_error(const Error& error) {
  return error.code == Errc::message_too_large ? Error(Errc::argument_invalid, error.detail) : error;
}

template <class Operation>
void refuse(Operation& operation, const Error& error) {
  std::visit(
      [&error](auto& message) {
        if constexpr (requires { message.reply; }) message.reply(error);
      },
      operation);
}

}  // namespace

TwinState::TwinState(DeviceHost& host, std::string module) : host_(host), module_(std::move(module)) {}

TwinState::~TwinState() {
  for (Applied& applied : batch_) refuse(applied.operation, Error(Errc::shutting_down));
  refuse_waiting(Error(Errc::shutting_down));
}

void TwinState::get(GetTwin message) { enqueue(std::move(message)); }
void TwinState::patch(PatchReported message) { enqueue(std::move(message)); }
void TwinState::update(UpdateTwin message) { enqueue(std::move(message)); }
void TwinState::apply_configurations(ApplyConfigurations message) { enqueue(std::move(message)); }

void TwinState::announce_model(std::string model_id) {
  if (model_id.empty() || (committed_ && is_quiet() && committed_->model_id == model_id)) return;
  // The last of those that wait stands for all: reconnects do not fill the queue.
  std::erase_if(waiting_, [](const Operation& o) { return std::holds_alternative<AnnounceModel>(o); });
  enqueue(AnnounceModel{std::move(model_id)});
}

void TwinState::on_erased() {
  erased_ = true;
  refuse_waiting(absent());
  if (!in_flight_) forget();
}

void TwinState::enqueue(Operation operation) {
  if (erased_) return refuse_operation(operation, absent());
  // A model takes one place at most and is never refused: nobody would announce it again.
  if (waiting_.size() >= limits::kDeviceQueueMax && !std::holds_alternative<AnnounceModel>(operation))
    return refuse_operation(operation, Error(Errc::busy, "too many operations wait for the twin"));
  waiting_.push_back(std::move(operation));
  work();
}

void TwinState::work() {
  while (!in_flight_ && !waiting_.empty()) {
    if (!committed_) return load();
    next_ = *committed_;
    const std::size_t count = std::min(waiting_.size(), kBatchMax);
    batch_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      Applied& applied = batch_.emplace_back();
      applied.operation = std::move(waiting_.front());
      waiting_.pop_front();
      std::visit([this, &applied](auto& message) { apply(applied, message); }, applied.operation);
    }
    if (changed_) return write();
    on_written({});
  }
  if (is_quiet()) trim();
}

void TwinState::load() {
  in_flight_ = true;
  // The actor keeps this object while it is not quiet, so the reply may name it.
  host_.stores().twins().load(
      {host_.device(), module_},
      Reply<TwinRecord>(host_.executor(), [this](Result<TwinRecord> r) { on_loaded(std::move(r)); }));
}

void TwinState::on_loaded(Result<TwinRecord> record) {
  in_flight_ = false;
  if (erased_) {
    refuse_waiting(absent());
  } else if (record) {
    committed_ = std::move(*record);
  } else {
    refuse_waiting(record.error());
  }
  work();
  host_.settled();
}

void TwinState::write() {
  in_flight_ = true;
  TwinWrite write;
  write.id = {host_.device(), module_};
  write.twin = current();
  write.expected_version = committed_->version;
  write.events = std::exchange(events_, {});
  write.documents = std::exchange(documents_, {});
  host_.stores().twins().put(std::move(write), Reply<void>(host_.executor(), [this](Result<void> written) {
                               in_flight_ = false;
                               on_written(written);
                               work();
                               host_.settled();
                             }));
}

void TwinState::on_written(const Result<void>& written) {
  if (!written || erased_) {
    forget();
  } else if (changed_) {
    committed_ = std::move(next_);
    host_.on_changed();
  }
  changed_ = false;
  for (Applied& applied : std::exchange(batch_, {})) answer(applied, written);
}

void TwinState::answer(Applied& applied, const Result<void>& written) {
  // Even a refusal may rest on what was not written in the end.
  if (!written) return refuse_operation(applied.operation, written.error());
  if (!applied.notifications.empty()) {
    const DeviceLink* link = host_.link(module_);
    if (link && link->find(FilterKind::twin_desired)) {
      for (NotifyDesired& notification : applied.notifications) host_.send(module_, std::move(notification));
    }
  }
  if (applied.deployment_changed) host_.deployment_changed();
  if (applied.refusal) return refuse_operation(applied.operation, *applied.refusal);
  count(applied.operation, OperationResult::ok);
  if (auto* patched = std::get_if<PatchReported>(&applied.operation)) {
    return patched->reply(applied.reported_version);
  }
  if (auto* judged = std::get_if<ApplyConfigurations>(&applied.operation)) {
    return judged->reply(std::move(applied.deployment));
  }
  const auto answer_view = [this, &applied](Reply<TwinView>& reply) {
    const IdentityRecord* identity = host_.identity(module_);
    if (!identity || erased_) return reply(absent());
    reply(TwinView{host_.view(*identity), std::move(applied.view)});
  };
  if (auto* got = std::get_if<GetTwin>(&applied.operation)) answer_view(got->reply);
  if (auto* updated = std::get_if<UpdateTwin>(&applied.operation)) answer_view(updated->reply);
}

void TwinState::refuse_operation(Operation& operation, const Error& error) {
  count(operation, operation_result_of(error));
  refuse(operation, error);
}

// Announced models and the hub's own look at configurations are nobody's requests.
void TwinState::count(const Operation& operation, OperationResult result) {
  HubCounters& counters = host_.counters();
  if (const auto* got = std::get_if<GetTwin>(&operation)) {
    counters.count(TwinOperation::get, got->origin, result);
  } else if (std::holds_alternative<PatchReported>(operation)) {
    counters.count(TwinOperation::update, TwinOrigin::device, result);
  } else if (const auto* updated = std::get_if<UpdateTwin>(&operation)) {
    const bool merges = updated->mode == UpdateTwin::Mode::merge;
    counters.count(merges ? TwinOperation::update : TwinOperation::replace, TwinOrigin::service, result);
  }
}

void TwinState::refuse_waiting(const Error& error) {
  for (Operation& operation : std::exchange(waiting_, {})) refuse_operation(operation, error);
}

void TwinState::forget() {
  committed_.reset();
  document_.reset();
  encode_ = {};
}

void TwinState::trim() {
  document_.reset();
  next_ = {};
  if (committed_ && text_bytes(*committed_) > kKeptTextBytesMax) committed_.reset();
}

Error TwinState::absent() const {
  return Error(module_.empty() || !host_.identity({}) ? Errc::device_not_found : Errc::module_not_found);
}

void TwinState::apply(Applied& applied, GetTwin&) { applied.view = current(); }

void TwinState::apply(Applied& applied, PatchReported& message) {
  const Result<TwinDocument*> twin = document();
  if (!twin) {
    applied.refusal = twin.error();
    return;
  }
  const std::uint64_t version = (*twin)->reported.version;
  if (message.expected_version && *message.expected_version != version) {
    applied.refusal = Error(Errc::precondition_failed,
                            "the version of the reported properties is " + std::to_string(version));
    return;
  }
  const Result<TwinChange> change =
      (*twin)->patch_reported(std::move(message.patch), host_.executor().wall_now());
  if (!change) {
    applied.refusal = change.error();
    return;
  }
  applied.reported_version = (*twin)->reported.version;
  on_changed(applied, *change, false);
  configure(applied);
}

void TwinState::apply(Applied& applied, UpdateTwin& message) {
  const Result<TwinDocument*> twin = document();
  if (!twin) {
    applied.refusal = twin.error();
    return;
  }
  if (message.if_match && !message.if_match->matches(twin_etag((*twin)->etag_counter))) {
    applied.refusal = Error(Errc::precondition_failed);
    return;
  }
  const bool replaces = message.mode != UpdateTwin::Mode::merge;
  TwinSections sections{std::move(message.tags), std::move(message.desired)};
  if (message.mode == UpdateTwin::Mode::replace_desired) {
    if (!sections.desired || same_json((*twin)->desired.values, *sections.desired)) {
      note_deployments(message);
      applied.view = current();
      return;
    }
    sections.tags = (*twin)->tags;
  }
  const WallTime now = host_.executor().wall_now();
  const Result<TwinChange> change = replaces ? (*twin)->replace(std::move(sections), now, message.author)
                                             : (*twin)->merge(std::move(sections), now);
  if (!change) {
    applied.refusal = as_service_error(change.error());
    return;
  }
  if (!change->is_empty()) {
    on_changed(applied, *change, replaces);
    configure(applied);
  }
  note_deployments(message);
  if (message.record) {
    documents_.push_back(std::move(*message.record));
    changed_ = true;
  }
  applied.view = current();
}

void TwinState::apply(Applied&, AnnounceModel& message) {
  if (next_.model_id == message.model_id) return;
  next_.model_id = std::move(message.model_id);
  changed_ = true;
}

void TwinState::apply(Applied& applied, ApplyConfigurations&) {
  if (!host_.configurations() && next_.configurations.empty()) {
    const IdentityRecord* identity = host_.identity(module_);
    applied.deployment.is_edge = identity && identity->iot_edge;
    return;
  }
  if (const Result<TwinDocument*> twin = document(); !twin) {
    applied.refusal = twin.error();
    return;
  }
  configure(applied);
}

// What the configurations make of the twin as it is now, in the same commit.
void TwinState::configure(Applied& applied) {
  const ConfigurationSet* configurations = host_.configurations();
  const IdentityRecord* identity = host_.identity(module_);
  if (!identity || (!configurations && next_.configurations.empty())) return;
  ConfigurationSet::Verdict verdict;
  if (configurations) {
    verdict =
        configurations->judge(identity->id, identity->iot_edge, document_->tags, document_->reported.values);
  }
  applied.deployment = {identity->iot_edge, std::move(verdict.deployments),
                        std::move(verdict.deployment_statuses)};
  const Result<TwinChange> change = document_->contribute(verdict.contributions, host_.executor().wall_now());
  if (!change) {
    // The section would be too large: none of them is in force.
    for (const TwinContribution& contribution : verdict.contributions) {
      verdict.statuses[contribution.author->id]["status"] = "Targeted";
    }
  } else if (!change->is_empty()) {
    on_changed(applied, *change, false);
  }
  if (identity->id.is_module()) verdict.statuses.update(statuses_of_deployments());
  if (set_statuses(verdict.statuses)) applied.deployment_changed = identity->iot_edge;
}

// What a module's twin says of deployments was written with what they made of it (UpdateTwin) and holds as
// long as there are such.
Json TwinState::statuses_of_deployments() const {
  Json statuses = Json::object();
  const ConfigurationSet* configurations = host_.configurations();
  if (!configurations || next_.configurations.empty()) return statuses;
  const Result<Json> stored = parse_json(next_.configurations);
  if (!stored || !stored->is_object()) return statuses;
  for (const auto& [id, status] : members_of(*stored)) {
    if (configurations->has_deployment(id)) append_member(members_of(statuses), id, status);
  }
  return statuses;
}

// Whether they were others.
bool TwinState::set_statuses(const Json& statuses) {
  std::string text = statuses.empty() ? std::string() : dump_json(statuses);
  if (next_.configurations == text) return false;
  next_.configurations = std::move(text);
  changed_ = true;
  return true;
}

void TwinState::note_deployments(const UpdateTwin& message) {
  if (!message.deployment_statuses) return;
  Json statuses = Json::object();
  if (const Result<Json> stored = parse_json(next_.configurations.empty() ? "{}" : next_.configurations);
      stored && stored->is_object()) {
    const Json of_deployments = statuses_of_deployments();
    for (const auto& [id, status] : members_of(*stored)) {
      if (!of_deployments.contains(id)) append_member(members_of(statuses), id, status);
    }
  }
  statuses.update(*message.deployment_statuses);
  set_statuses(statuses);
}

Result<TwinDocument*> TwinState::document() {
  if (!document_) {
    Result<TwinDocument> decoded = decode_twin(next_);
    if (!decoded) return decoded.error();
    document_ = std::move(*decoded);
  }
  return &*document_;
}

void TwinState::on_changed(Applied& applied, const TwinChange& change, bool replaced) {
  changed_ = true;
  encode_.add(change);
  if (change.desired) {
    const std::uint64_t version = document_->desired.version;
    applied.notifications.push_back(NotifyDesired{version, notification_body(*change.desired, version)});
  }
  const IdentityRecord* identity = host_.identity(module_);
  if (!identity || !host_.events().wants_twin_changes()) return;
  events_.push_back(replaced ? host_.events().twin_changed(*identity, HubEvents::TwinOperation::replace,
                                                           replace_event_body(*document_, next_.created))
                             : host_.events().twin_changed(*identity, HubEvents::TwinOperation::update,
                                                           update_event_body(*document_, change)));
}

// The record as it is after the operations applied so far.
const TwinRecord& TwinState::current() {
  if (encode_.any()) encode_twin(*document_, std::exchange(encode_, {}), next_);
  return next_;
}

}  // namespace kyanite
