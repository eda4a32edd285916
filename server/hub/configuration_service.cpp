#include "server/hub/configuration_service.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/query/query_evaluator.h"
#include "server/hub/device_router.h"
#include "server/hub/edge_content.h"

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

// One pass over all twins for those that wait.
struct ConfigurationService::Census {
  struct Metric {
    std::string configuration;
    std::string name;
    Query query;
  };
  std::vector<Reader> readers;
  std::map<std::string, ConfigurationCounts> counts;
  std::vector<Metric> metrics;
  QuerySource source = QuerySource::devices;
  std::unique_ptr<TargetScan> scan;

  void look_at(const Json& row) {
    if (const auto statuses = row.find("configurations"); statuses != row.end()) {
      for (const auto& [id, status] : members_of(*statuses)) {
        const auto known = counts.find(id);
        if (known == counts.end()) continue;
        ++known->second.targeted;
        if (status.value("status", "") == "Applied") ++known->second.applied;
      }
    }
    for (const Metric& metric : metrics) {
      if (metric.query.source == source && matches(metric.query, row)) {
        ++counts[metric.configuration].metrics[metric.name];
      }
    }
  }
};

ConfigurationService::ConfigurationService(Executor& shard0, DeviceRouter& router, Stores& stores,
                                           TargetScan::RowOf row_of)
    : shard0_(shard0), router_(router), stores_(stores), row_of_(row_of) {}

ConfigurationService::~ConfigurationService() = default;

void ConfigurationService::start() {
  shard0_.post([this] { load({}); });
}

void ConfigurationService::stop() {
  shard0_.post([this] { stopping_ = true; });
}

void ConfigurationService::load(std::string after) {
  stores_.documents().scan(Collection::configurations, "", std::move(after), kConfigurationsPage,
                           Reply<std::vector<Document>>(shard0_, [this](Result<std::vector<Document>> page) {
                             on_loaded_page(std::move(page));
                           }));
}

void ConfigurationService::on_loaded_page(Result<std::vector<Document>> page) {
  if (!page) return;  // a store that cannot be read ends the process
  for (const Document& document : *page) {
    if (document.key == kSweepMark) {
      sweep_mark_ = true;
      continue;
    }
    // One of a newer program is left alone.
    Result<ConfigurationRecord> record = decode_configuration(document.value);
    if (record) records_.emplace(document.key, std::move(*record));
  }
  if (!page->empty()) return load(page->back().key);
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

std::unique_ptr<TargetScan> ConfigurationService::scan_of(QuerySource source,
                                                          TargetScan::Chooser chooser) const {
  return std::make_unique<TargetScan>(TargetScan::Services{shard0_, router_, stores_.identities(), row_of_},
                                      source, std::move(chooser));
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
  sweep_modules_ = false;
  sweep_scan_ = scan_of(QuerySource::devices, TargetScan::Chooser());
  sweep_page({});
}

void ConfigurationService::sweep_page(std::string after) {
  if (stopping_) return;
  if (std::exchange(sweep_again_, false)) {
    sweeping_ = false;
    return sweep();
  }
  sweep_scan_->next(after, Reply<TargetPage>(shard0_, [this, after](Result<TargetPage> page) {
                      if (!page) return sweep_again_later(after);
                      on_sweep_page(after, std::move(page));
                    }));
}

void ConfigurationService::sweep_again_later(std::string after) {
  shard0_.after(kSweepRetry, [this, after = std::move(after)] { sweep_page(after); });
}

void ConfigurationService::on_sweep_page(const std::string& after, Result<TargetPage> page) {
  if (page->last) {
    if (sweep_modules_) return end_sweep();
    sweep_modules_ = true;
    sweep_scan_ = scan_of(QuerySource::modules, TargetScan::Chooser());
    return sweep_page({});
  }
  if (page->targets.empty()) return sweep_page(std::move(page->end));
  const auto again = std::make_shared<bool>(false);
  const auto countdown =
      std::make_shared<Countdown>(page->targets.size(), [this, again, after, end = page->end] {
        if (*again) return sweep_again_later(after);
        sweep_page(end);
      });
  for (Identity& id : page->targets) {
    ApplyConfigurations message;
    message.identity = std::move(id);
    message.reply = Reply<std::string>(shard0_, [this, countdown, again, device = message.identity.device](
                                                    const Result<std::string>& judged) {
      const auto note = [countdown, again](bool busy) {
        if (busy) *again = true;
        countdown->step();
      };
      if (!judged) return note(judged.error().code == Errc::busy);
      if (judged->empty()) return note(false);
      deploy(device, *judged, [note](const Result<void>& deployed) {
        note(!deployed && deployed.error().code == Errc::busy);
      });
    });
    router_.send(std::move(message));
  }
}

void ConfigurationService::end_sweep() {
  sweeping_ = false;
  sweep_scan_.reset();
  if (std::exchange(sweep_again_, false)) return sweep();
  if (!std::exchange(sweep_mark_, false)) return;
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
  question.reply = Reply<std::string>(shard0_, [this, device, then](const Result<std::string>& deployment) {
    if (!deployment) return then(deployment.error().code == Errc::busy);
    if (deployment->empty()) return then(false);
    deploy(device, *deployment,
           [then](const Result<void>& deployed) { then(!deployed && deployed.error().code == Errc::busy); });
  });
  router_.send(std::move(question));
}

void ConfigurationService::deploy(const std::string& device, const std::string& deployment,
                                  UniqueFunction<void(Result<void>)> then) {
  const auto record = records_.find(deployment);
  const Json* modules =
      record == records_.end() ? nullptr : find_member(record->second.content, "modulesContent");
  if (modules == nullptr) return then({});
  apply_edge_content(shard0_, router_, device, *modules, Reply<void>(shard0_, std::move(then)));
}

// Reading

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
  if (counting_ || readers_.empty()) return;
  counting_ = true;
  auto census = std::make_shared<Census>();
  census->readers = std::exchange(readers_, {});
  for (const auto& [id, record] : records_) {
    const bool wanted =
        std::any_of(census->readers.begin(), census->readers.end(),
                    [&id = id](const Reader& reader) { return !reader.id || *reader.id == id; });
    if (!wanted) continue;
    ConfigurationCounts& counts = census->counts[id];
    for (const auto& [name, text] : record.metrics) {
      counts.metrics[name] = 0;
      Result<Query> query = parse_query(text);
      if (query) census->metrics.push_back({id, name, std::move(*query)});
    }
  }
  if (census->counts.empty()) return end_census(census);
  Census* const looked_at = census.get();
  census->scan = scan_of(QuerySource::devices, [looked_at](const Json& row) {
    looked_at->look_at(row);
    return false;
  });
  census_page(census, {});
}

void ConfigurationService::census_page(const std::shared_ptr<Census>& census, std::string after) {
  census->scan->next(std::move(after),
                     Reply<TargetPage>(shard0_, [this, census](const Result<TargetPage>& page) {
                       if (!page) {
                         for (Reader& reader : census->readers) reader.reply(page.error());
                         counting_ = false;
                         return begin_census();
                       }
                       if (!page->last) return census_page(census, page->end);
                       if (census->source == QuerySource::modules) return end_census(census);
                       census->source = QuerySource::modules;
                       Census* const looked_at = census.get();
                       census->scan = scan_of(QuerySource::modules, [looked_at](const Json& row) {
                         looked_at->look_at(row);
                         return false;
                       });
                       census_page(census, {});
                     }));
}

void ConfigurationService::end_census(const std::shared_ptr<Census>& census) {
  for (Reader& reader : census->readers) {
    std::vector<ConfigurationView> views;
    for (const auto& [id, record] : records_) {
      if (reader.id ? *reader.id != id : views.size() >= reader.limit) continue;
      const auto counted = census->counts.find(id);
      views.push_back({record, counted == census->counts.end() ? ConfigurationCounts() : counted->second});
    }
    reader.reply(std::move(views));
  }
  counting_ = false;
  begin_census();
}

}  // namespace kyanite
