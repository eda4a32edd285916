#include "server/api/wait.h"

#include <algorithm>
#include <utility>

#include "server/api/api_response.h"
#include "server/api/event_json.h"
#include "server/api/twin_json.h"

namespace kyanite {
namespace {

constexpr std::size_t kWaitPageRecords = 64;
constexpr std::size_t kWaitPageBytes = 64 * 1024;

const Json* value_at(const Json& document, const std::vector<std::string>& path) {
  const Json* at = &document;
  for (const std::string& name : path) {
    if (!at->is_object()) return nullptr;
    const auto member = at->find(name);  // names of properties do not ignore case
    if (member == at->end()) return nullptr;
    at = &*member;
  }
  return at;
}

}  // namespace

Wait::Wait(ApiContext& context, WaitQuery query, Reply<HttpResponse> reply)
    : context_(context), query_(std::move(query)), reply_(std::move(reply)) {}

template <class T, class Step>
Reply<T> Wait::reply_to_self(Step step) {
  return Reply<T>(context_.services.executor, [self = weak_from_this(), step](Result<T> result) {
    const auto wait = self.lock();
    if (wait && !wait->is_done()) step(*wait, std::move(result));
  });
}

void Wait::start() {
  Executor& executor = context_.services.executor;
  began_ = executor.now();
  timer_ = executor.after(query_.timeout, [self = weak_from_this()] {
    const auto wait = self.lock();
    if (!wait || wait->is_done()) return;
    wait->timer_ = {};
    wait->refuse(Error(Errc::wait_over, "what was waited for did not happen in time"));
  });
  if (query_.condition == WaitCondition::message) return find_message();
  // Told apart from those of other shards.
  watch_ = (std::uint64_t{context_.services.shard.value} << 48) | context_.waits->next_watch();
  look();
}

void Wait::look() {
  looking_ = true;
  changed_meanwhile_ = false;
  DeviceRouter& router = context_.services.router;
  router.ask(router.owner_of(query_.identity.device),
             WatchDevice{query_.identity.device, watch_,
                         reply_to_self<void>(
                             [](Wait& self, const Result<void>& changed) { self.on_change(changed); })});
  if (query_.condition == WaitCondition::twin) {
    look_at_twin();
  } else {
    look_at_identity();
  }
}

void Wait::on_change(const Result<void>& changed) {
  if (!changed) return refuse(changed.error());
  changed_meanwhile_ = true;
  if (!looking_) look();
}

void Wait::look_at_identity() {
  context_.services.router.send(GetIdentity{
      query_.identity, reply_to_self<IdentityView>([](Wait& self, const Result<IdentityView>& view) {
        self.looking_ = false;
        if (!view) return self.refuse(view.error());
        const WaitCondition wanted = self.query_.condition;
        const bool holds = wanted == WaitCondition::c2d_empty
                               ? view->c2d_messages == 0
                               : view->connected == (wanted == WaitCondition::connected);
        if (holds) return self.succeed("connected", view->connected);
        if (self.changed_meanwhile_) self.look();
      })});
}

void Wait::look_at_twin() {
  context_.services.router.send(
      GetTwin{query_.identity, reply_to_self<TwinView>([](Wait& self, const Result<TwinView>& view) {
                self.looking_ = false;
                if (!view) return self.refuse(view.error());
                const Result<Json> twin = twin_to_json(view->identity, view->twin);
                if (!twin) return self.refuse(twin.error());
                const Json* value = value_at(*twin, self.query_.path);
                if (value && (!self.query_.value || *value == *self.query_.value))
                  return self.succeed("value", *value);
                if (self.changed_meanwhile_) self.look();
              })});
}

void Wait::find_message() {
  TelemetryLog& log = context_.services.stores.telemetry();
  partition_ = partition_of(query_.identity.device, log.partitions());
  const TelemetryRange range = log.range(partition_);
  if (const auto* time = std::get_if<WallTime>(&query_.events.start)) {
    since_ = *time;
    return log.find_time(
        partition_, since_,
        reply_to_self<TelemetryOffset>([](Wait& self, const Result<TelemetryOffset>& offset) {
          if (!offset) return self.refuse(offset.error());
          self.next_ = *offset;
          self.read_message();
        }));
  }
  if (const auto* offset = std::get_if<TelemetryOffset>(&query_.events.start)) {
    next_ = std::max(*offset, range.begin);
  } else {
    next_ = std::holds_alternative<FromNow>(query_.events.start) ? range.end : range.begin;
  }
  read_message();
}

void Wait::read_message() {
  TelemetryLog& log = context_.services.stores.telemetry();
  if (log.range(partition_).end > next_) {
    return log.read(partition_, next_, kWaitPageRecords, kWaitPageBytes,
                    reply_to_self<TelemetryPage>(
                        [](Wait& self, Result<TelemetryPage> page) { self.on_page(std::move(page)); }));
  }
  log_wait_ = log.wait_past(
      partition_, next_, reply_to_self<TelemetryOffset>([](Wait& self, const Result<TelemetryOffset>& end) {
        self.log_wait_.reset();
        if (!end) return self.refuse(end.error());
        self.read_message();
      }));
}

void Wait::on_page(Result<TelemetryPage> page) {
  if (!page) return refuse(page.error());
  const std::vector<MessageSource>& sources = query_.events.sources;
  for (const TelemetryRecord& record : page->records) {
    if (record.sender != query_.identity || record.enqueued < since_) continue;
    if (!sources.empty() && std::find(sources.begin(), sources.end(), record.source) == sources.end())
      continue;
    if (record.body.find(query_.contains) == std::string::npos) continue;
    Result<Json> event = parse_json(event_to_json(record, partition_));
    if (!event) return refuse(Error(Errc::internal, "an event is not JSON"));
    return succeed("event", std::move(*event));
  }
  next_ = std::max(page->next, next_);
  read_message();
}

void Wait::succeed(const char* member, Json what) {
  Json json;
  json["condition"] = to_text(query_.condition);
  json["deviceId"] = query_.identity.device;
  json["moduleId"] = text_or_null(query_.identity.module);
  json["waitedSeconds"] =
      static_cast<double>(
          std::chrono::duration_cast<milliseconds>(context_.services.executor.now() - began_).count()) /
      1000;
  json[member] = std::move(what);
  Reply<HttpResponse> reply = std::move(reply_);
  reply(json_response(json));
  stop();
}

void Wait::refuse(const Error& error) {
  if (is_done()) return;
  Reply<HttpResponse> reply = std::move(reply_);
  reply(error);
  stop();
}

// Nobody tells this one of anything any more. It may end here.
void Wait::stop() {
  HubServices& hub = context_.services;
  hub.executor.cancel(timer_);
  if (log_wait_) hub.stores.telemetry().cancel_wait(*log_wait_);
  if (watch_ != 0) {
    hub.router.ask(hub.router.owner_of(query_.identity.device), ForgetWatch{query_.identity.device, watch_});
  }
  context_.waits->leave(*this);
}

void WaitRoom::leave(const Wait& wait) {
  std::erase_if(waits_, [&wait](const auto& one) { return one.get() == &wait; });
}

void WaitRoom::refuse_all(const Error& error) {
  for (const auto& wait : std::exchange(waits_, {})) wait->refuse(error);
}

void wait_until(const ApiCall& call, Reply<HttpResponse> reply) {
  ApiContext& context = call.context;
  Result<WaitQuery> query = parse_wait_query(call.request, context.services.stores.telemetry().partitions());
  if (!query) return reply(query.error());
  if (context.waits->is_full()) return reply(Error(Errc::busy, "the shard has its maximum of waits"));
  const auto wait = std::make_shared<Wait>(context, std::move(*query), std::move(reply));
  context.waits->admit(wait);
  wait->start();
}

}  // namespace kyanite
