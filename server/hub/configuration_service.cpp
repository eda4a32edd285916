#include "server/hub/configuration_service.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/query/query_aggregation.h"
#include "protocol/query/query_evaluator.h"
#include "server/hub/device_router.h"
#include "server/hub/edge_content.h"
#include "server/hub/twin_row.h"

namespace kyanite {
namespace {

// Not an id: stored while twins have not all been judged by the set as it is.
constexpr std::string_view kSweepMark = "#sweep";
constexpr std::size_t kConfigurationsPage = 32;
constexpr milliseconds kSweepRetry{500};

// Runs the task when it was called `missing` times.
class Countdown {
 public:
  Countdown(std::size_t missing, Task task) : missing_(missing), task_(std::move(task)) {}
  void step() {
    if (--missing_ == 0) task_();
  }

 private:
  std::size_t missing_;
  Task task_;
};

}  // namespace

// What is counted in one pass over all twins of devices and another one over those of modules.
struct ConfigurationService::Census final : RowSink {
  struct Counter {
    Query query;
    std::uint64_t* count;
  };
  std::map<std::string, ConfigurationCounts> counts;  // its values stay where they are
  std::vector<Counter> counters;
  QuerySource source = QuerySource::devices;

  void add_counter(const std::string& text, std::uint64_t& count) {
    Result<Query> query = parse_query(text);
    if (query) counters.push_back({std::move(*query), &count});
  }
  // What of each twin is looked at.
  TwinParts parts() const {
    TwinParts parts;
    parts.configurations = true;
    for (const Counter& counter : counters) {
      if (counter.query.source != source || !counter.query.condition) continue;
      for (const QueryPath* path : paths_of(*counter.query.condition)) parts.add(*path);
    }
    return parts;
  }
  Result<void> add(const Json& row) override {
    if (const auto statuses = row.find("configurations"); statuses != row.end()) {
      for (const auto& [id, status] : members_of(*statuses)) {
        const auto known = counts.find(id);
        if (known == counts.end()) continue;
        // What a module says of a deployment is its device's.
        if (known->second.of_modules != (source == QuerySource::modules)) continue;
        ++known->second.targeted;
        if (status.value("status", "") == "Applied") ++known->second.applied;
      }
    }
    for (const Counter& counter : counters) {
      if (counter.query.source == source && matches(counter.query, row)) ++*counter.count;
    }
    return {};
  }
};

ConfigurationService::ConfigurationService(Executor& shard0, DeviceRouter& router, Stores& stores)
    : shard0_(shard0), router_(router), stores_(stores), queries_(shard0, router, stores) {}

ConfigurationService::~ConfigurationService() = default;

void ConfigurationService::start() {
  shard0_.post([this] { load({}); });
}

void ConfigurationService::stop() {
  shard0_.post([this] { stopping_ = true; });
}

void ConfigurationService::load(std::string after) {
  stores_.documents().scan(
      Collection::configurations, "", after, kConfigurationsPage,
      Reply<std::vector<Document>>(shard0_, [this, after](const Result<std::vector<Document>>& page) {
        if (page) return on_loaded_page(*page);
        if (page.error().code == Errc::shutting_down) return;
        shard0_.after(kSweepRetry, [this, after] { load(after); });
      }));
}

void ConfigurationService::on_loaded_page(const std::vector<Document>& page) {
  for (const Document& document : page) {
    if (document.key == kSweepMark) {
      sweep_mark_ = true;
      continue;
    }
    // One of a newer program is left alone.
    Result<ConfigurationRecord> record = decode_configuration(document.value);
    if (record) records_.emplace(document.key, std::move(*record));
  }
  if (!page.empty()) return load(page.back().key);
  loaded_ = true;
  begin_census();
  if (records_.empty() && !sweep_mark_) return done();
  publish([this] {
    sweep();
    done();
  });
}

void ConfigurationService::run(Task change) {
  if (busy_) {
    waiting_.push_back(std::move(change));
    return;
  }
  busy_ = true;
  change();
}

void ConfigurationService::done() {
  busy_ = false;
  if (waiting_.empty()) return;
  Task next = std::move(waiting_.front());
  waiting_.pop_front();
  busy_ = true;
  next();
}

void ConfigurationService::put(ConfigurationRecord wanted, std::optional<IfMatch> if_match,
                               Reply<ConfigurationView> reply) {
  shard0_.post(
      [this, wanted = std::move(wanted), if_match = std::move(if_match), reply = std::move(reply)]() mutable {
        if (waiting_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
        run([this, wanted = std::move(wanted), if_match = std::move(if_match),
             reply = std::move(reply)]() mutable { do_put(std::move(wanted), if_match, std::move(reply)); });
      });
}

void ConfigurationService::erase(std::string id, std::optional<IfMatch> if_match, Reply<void> reply) {
  shard0_.post(
      [this, id = std::move(id), if_match = std::move(if_match), reply = std::move(reply)]() mutable {
        if (waiting_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
        run([this, id = std::move(id), if_match = std::move(if_match), reply = std::move(reply)]() mutable {
          do_erase(id, if_match, std::move(reply));
        });
      });
}

void ConfigurationService::do_put(ConfigurationRecord wanted, const std::optional<IfMatch>& if_match,
                                  Reply<ConfigurationView> reply) {
  const auto refuse = [&](Errc code) {
    reply(Error(code));
    done();
  };
  const auto known = records_.find(wanted.id);
  const WallTime now = shard0_.wall_now();
  wanted.updated = now;
  if (known == records_.end()) {
    if (if_match) return refuse(Errc::configuration_not_found);
    if (records_.size() >= limits::kConfigurationsMax) return refuse(Errc::too_many_configurations);
    wanted.created = now;
  } else {
    const ConfigurationRecord& current = known->second;
    if (!if_match) return refuse(Errc::configuration_already_exists);
    if (!if_match->matches(configuration_etag(current))) return refuse(Errc::precondition_failed);
    wanted.created = current.created;
    wanted.etag_counter = current.etag_counter + 1;
    wanted.content = current.content;
    // The condition was judged for the content of the request.
    const Result<ConfigurationKind> kind = kind_of_content(wanted.content);
    if (kind) {
      if (auto condition = parse_target_condition(wanted.target_condition, *kind); !condition) {
        reply(condition.error());
        return done();
      }
    }
  }
  DocumentChange change;
  change.puts.push_back({Collection::configurations, wanted.id, encode_configuration(wanted)});
  commit(std::move(change),
         [this, wanted = std::move(wanted), reply = std::move(reply)](Result<void> committed) mutable {
           if (!committed) {
             reply(committed.error());
             return done();
           }
           records_.insert_or_assign(wanted.id, wanted);
           publish([this, wanted = std::move(wanted), reply = std::move(reply)]() mutable {
             sweep();
             reply(ConfigurationView{std::move(wanted), std::nullopt});
             done();
           });
         });
}

void ConfigurationService::do_erase(const std::string& id, const std::optional<IfMatch>& if_match,
                                    Reply<void> reply) {
  const auto known = records_.find(id);
  const bool stale =
      known != records_.end() && if_match && !if_match->matches(configuration_etag(known->second));
  if (known == records_.end() || stale) {
    reply(Error(stale ? Errc::precondition_failed : Errc::configuration_not_found));
    return done();
  }
  DocumentChange change;
  change.erases.push_back({Collection::configurations, id});
  commit(std::move(change), [this, id, reply = std::move(reply)](Result<void> committed) mutable {
    if (!committed) {
      reply(committed.error());
      return done();
    }
    records_.erase(id);
    publish([this, reply = std::move(reply)]() mutable {
      sweep();
      reply({});
      done();
    });
  });
}

void ConfigurationService::commit(DocumentChange change, UniqueFunction<void(Result<void>)> then) {
  change.puts.push_back({Collection::configurations, std::string(kSweepMark), "{}"});
  stores_.documents().commit(std::move(change),
                             Reply<void>(shard0_, [this, then = std::move(then)](Result<void> done) mutable {
                               if (done) sweep_mark_ = true;
                               then(std::move(done));
                             }));
}

void ConfigurationService::publish(Task published) {
  ConfigurationSetPtr set;
  if (!records_.empty()) {
    std::vector<ConfigurationRecord> records;
    for (const auto& [id, record] : records_) records.push_back(record);
    set = std::make_shared<const ConfigurationSet>(records);
  }
  const auto countdown = std::make_shared<Countdown>(router_.shard_count(), std::move(published));
  for (std::uint16_t i = 0; i < router_.shard_count(); ++i) {
    SetConfigurations message;
    message.configurations = set;
    message.deployment_changed = [this](const std::string& device) {
      shard0_.post([this, device] { on_deployment_changed(device); });
    };
    message.reply = Reply<void>(shard0_, [countdown](const Result<void>&) { countdown->step(); });
    router_.ask(ShardIndex{i}, std::move(message));
  }
}

// Judging every twin

void ConfigurationService::sweep() {
  if (sweeping_) {
    sweep_again_ = true;
    return;
  }
  sweeping_ = true;
  sweep_source_ = QuerySource::devices;
  sweep_page({});
}

void ConfigurationService::sweep_page(Identity after) {
  if (stopping_) return;
  if (std::exchange(sweep_again_, false)) {
    sweeping_ = false;
    return sweep();
  }
  queries_.find({sweep_source_, std::nullopt}, after, limits::kTargetPageMax,
                Reply<FoundIdentities>(shard0_, [this, after](Result<FoundIdentities> page) {
                  on_sweep_page(after, std::move(page));
                }));
}

void ConfigurationService::sweep_again_later(Identity after) {
  shard0_.after(kSweepRetry, [this, after = std::move(after)] { sweep_page(after); });
}

void ConfigurationService::on_sweep_page(const Identity& after, Result<FoundIdentities> page) {
  if (!page) return sweep_again_later(after);
  if (page->identities.empty()) return on_swept(*page);
  const auto again = std::make_shared<bool>(false);
  const auto found = std::make_shared<const FoundIdentities>(std::move(*page));
  const auto countdown = std::make_shared<Countdown>(found->identities.size(), [this, again, after, found] {
    if (*again) return sweep_again_later(after);
    on_swept(*found);
  });
  for (const Identity& id : found->identities) {
    ApplyConfigurations message;
    message.identity = id;
    message.reply = Reply<DeploymentVerdict>(
        shard0_, [this, countdown, again, device = id.device](Result<DeploymentVerdict> judged) {
          const auto note = [countdown, again](bool busy) {
            if (busy) *again = true;
            countdown->step();
          };
          if (!judged) return note(judged.error().code == Errc::busy);
          if (!judged->is_edge) return note(false);
          deploy(device, std::move(*judged), [note](const Result<void>& deployed) {
            note(!deployed && deployed.error().code == Errc::busy);
          });
        });
    router_.send(std::move(message));
  }
}

void ConfigurationService::on_swept(const FoundIdentities& page) {
  if (!page.at_end) return sweep_page(page.last);
  if (sweep_source_ == QuerySource::modules) return end_sweep();
  sweep_source_ = QuerySource::modules;
  sweep_page({});
}

void ConfigurationService::end_sweep() {
  sweeping_ = false;
  if (std::exchange(sweep_again_, false)) return sweep();
  // The mark may be a change's that is being made: it sweeps for itself, or leaves the mark to the next
  // start.
  if (busy_ || !std::exchange(sweep_mark_, false)) return;
  DocumentChange change;
  change.erases.push_back({Collection::configurations, std::string(kSweepMark)});
  // Should it fail, the next start judges once more than needed.
  stores_.documents().commit(std::move(change), Reply<void>(shard0_, [](const Result<void>&) {}));
}

// Edge deployments

void ConfigurationService::on_deployment_changed(std::string device) {
  to_deploy_.insert(std::move(device));
  deploy_next();
}

void ConfigurationService::deploy_next() {
  if (deploying_ || to_deploy_.empty() || stopping_) return;
  deploying_ = true;
  const std::string device = *to_deploy_.begin();
  to_deploy_.erase(to_deploy_.begin());
  const auto then = [this, device](bool again) {
    deploying_ = false;
    if (!again) return deploy_next();
    to_deploy_.insert(device);
    shard0_.after(kSweepRetry, [this] { deploy_next(); });
  };
  ApplyConfigurations question;
  question.identity = {device, {}};
  question.reply = Reply<DeploymentVerdict>(shard0_, [this, device, then](Result<DeploymentVerdict> verdict) {
    if (!verdict) return then(verdict.error().code == Errc::busy);
    if (!verdict->is_edge) return then(false);
    deploy(device, std::move(*verdict),
           [then](const Result<void>& deployed) { then(!deployed && deployed.error().code == Errc::busy); });
  });
  router_.send(std::move(question));
}

void ConfigurationService::deploy(const std::string& device, DeploymentVerdict verdict,
                                  UniqueFunction<void(Result<void>)> then) {
  if (in_deployment_.contains(device)) return then(Error(Errc::busy));
  EdgeDeployment deployment;
  deployment.statuses = std::move(verdict.statuses);
  std::vector<const Json*> modules;
  for (const std::string& id : verdict.deployments) {
    const auto record = records_.find(id);
    const Json* content =
        record == records_.end() ? nullptr : find_member(record->second.content, "modulesContent");
    if (content == nullptr) return then({});  // deleted meanwhile: the twins are judged again
    modules.push_back(content);
    deployment.author =
        std::make_shared<const TwinAuthor>(TwinAuthor{id, content_digest(record->second.content)});
  }
  if (!modules.empty()) deployment.modules = merge_modules(modules);
  in_deployment_.insert(device);
  apply_edge_content(shard0_, router_, device, std::move(deployment),
                     Reply<void>(shard0_, [this, device, then = std::move(then)](Result<void> done) mutable {
                       in_deployment_.erase(device);
                       then(std::move(done));
                     }));
}

// Reading

void ConfigurationService::find(std::string id, Reply<std::optional<ConfigurationRecord>> reply) {
  shard0_.post([this, id = std::move(id), reply = std::move(reply)]() mutable {
    if (waiting_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
    run([this, id = std::move(id), reply = std::move(reply)]() mutable {
      const auto known = records_.find(id);
      reply(known == records_.end() ? std::optional<ConfigurationRecord>() : std::optional(known->second));
      done();
    });
  });
}

void ConfigurationService::records(Reply<std::vector<ConfigurationRecord>> reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable {
    if (waiting_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
    run([this, reply = std::move(reply)]() mutable {
      std::vector<ConfigurationRecord> all;
      for (const auto& [id, record] : records_) all.push_back(record);
      reply(std::move(all));
      done();
    });
  });
}

void ConfigurationService::get(std::string id, Reply<ConfigurationView> reply) {
  Reader reader;
  reader.id = std::move(id);
  reader.reply = Reply<std::vector<ConfigurationView>>(
      shard0_, [reply = std::move(reply)](Result<std::vector<ConfigurationView>> views) mutable {
        if (!views) return reply(views.error());
        if (views->empty()) return reply(Error(Errc::configuration_not_found));
        reply(std::move(views->front()));
      });
  read(std::move(reader));
}

void ConfigurationService::list(std::size_t limit, Reply<std::vector<ConfigurationView>> reply) {
  read({std::nullopt, limit, std::move(reply)});
}

void ConfigurationService::read(Reader reader) {
  shard0_.post([this, reader = std::move(reader)]() mutable {
    if (readers_.size() >= limits::kAdministrationQueueMax) return reader.reply(Error(Errc::busy));
    readers_.push_back(std::move(reader));
    begin_census();
  });
}

void ConfigurationService::begin_census() {
  if (!loaded_ || counting_ || readers_.empty()) return;
  counting_ = true;
  auto census = std::make_unique<Census>();
  std::vector<Reader> readers = std::exchange(readers_, {});
  for (const auto& [id, record] : records_) {
    const bool wanted = std::any_of(readers.begin(), readers.end(), [&id = id](const Reader& reader) {
      return !reader.id || *reader.id == id;
    });
    if (!wanted) continue;
    ConfigurationCounts& counts = census->counts[id];
    const Result<ConfigurationKind> kind = kind_of_content(record.content);
    counts.of_modules = kind && *kind == ConfigurationKind::module;
    if (kind && *kind == ConfigurationKind::edge) {
      census->add_counter(reported_query(id, true), counts.reported_successful);
      census->add_counter(reported_query(id, false), counts.reported_failed);
    }
    for (const auto& [name, text] : record.metrics) census->add_counter(text, counts.metrics[name]);
  }
  if (census->counts.empty()) return end_census(std::move(readers), std::move(census));
  count(std::move(readers), std::move(census));
}

void ConfigurationService::count(std::vector<Reader> readers, std::unique_ptr<Census> census) {
  const QuerySource source = census->source;
  const TwinParts parts = census->parts();
  queries_.look_at_all(
      source, parts, std::move(census),
      Reply<std::unique_ptr<RowSink>>(shard0_, [this, source, readers = std::move(readers)](
                                                   Result<std::unique_ptr<RowSink>> sink) mutable {
        if (!sink) return end_census(std::move(readers), sink.error());
        std::unique_ptr<Census> counted(static_cast<Census*>(sink->release()));
        if (source == QuerySource::modules) return end_census(std::move(readers), std::move(counted));
        counted->source = QuerySource::modules;
        count(std::move(readers), std::move(counted));
      }));
}

void ConfigurationService::end_census(std::vector<Reader> readers,
                                      const Result<std::unique_ptr<Census>>& census) {
  counting_ = false;
  for (Reader& reader : readers) {
    if (!census) {
      reader.reply(census.error());
      continue;
    }
    std::vector<ConfigurationView> views;
    for (const auto& [id, record] : records_) {
      if (reader.id ? *reader.id != id : views.size() >= reader.limit) continue;
      const auto counted = (*census)->counts.find(id);
      views.push_back({record, counted == (*census)->counts.end() ? ConfigurationCounts() : counted->second});
    }
    reader.reply(std::move(views));
  }
  begin_census();
}

}  // namespace kyanite
