#include "server/api/seed_run.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "protocol/twin/twin_merge.h"
#include "server/api/bulk_item.h"
#include "server/hub/identity_rules.h"
#include "server/hub/twin_record.h"

namespace kyanite {
namespace {

// What is there, with the members that the item names in its place.
IdentityRecord overlay(const IdentityRecord& current, const RegistryItem& item) {
  const IdentityRecord& wanted = item.wanted;
  IdentityRecord next = current;
  if (item.named.status) next.status = wanted.status;
  if (item.named.status_reason) next.status_reason = wanted.status_reason;
  if (item.named.capabilities) next.iot_edge = wanted.iot_edge;
  if (item.named.device_scope) next.device_scope = wanted.device_scope;
  if (item.named.parent_scopes) next.parent_scopes = wanted.parent_scopes;
  if (item.named.managed_by) next.managed_by = wanted.managed_by;
  if (item.named.authentication) {
    next.auth_type = wanted.auth_type;
    next.primary_thumbprint = wanted.primary_thumbprint;
    next.secondary_thumbprint = wanted.secondary_thumbprint;
    if (!wanted.primary_key.empty()) {
      next.primary_key = wanted.primary_key;
      next.secondary_key = wanted.secondary_key;
    }
  }
  return next;
}

// Whether writing `next` would leave another identity than `current`, but for its etag.
bool changes_identity(const IdentityRecord& current, const IdentityRecord& next) {
  Result<IdentityRecord> written = replace_record(current, next, kNever);
  if (!written) return true;  // and the write says why it cannot be
  written->etag_counter = current.etag_counter;
  written->status_updated = current.status_updated;
  return *written != current;
}

bool changes_section(const std::string& stored, const std::optional<Json>& patch) {
  if (!patch) return false;
  const Result<Json> before = parse_json(stored);
  if (!before) return true;
  Json after = *before;
  merge_patch(after, *patch);
  return !same_json(*before, after);
}

class SeedRun : public std::enable_shared_from_this<SeedRun> {
 public:
  SeedRun(Executor& executor, RegistryService& registry, ConfigurationService& configurations, Seed seed,
          Reply<SeedOutcome> reply)
      : executor_(executor),
        registry_(registry),
        configurations_(configurations),
        items_(std::move(seed.items)),
        to_configure_(std::move(seed.configurations)),
        reply_(std::move(reply)) {
    const auto first_module = std::find_if(
        items_.begin(), items_.end(), [](const SeedItem& item) { return item.item.wanted.id.is_module(); });
    devices_ = static_cast<std::size_t>(first_module - items_.begin());
  }

  void work() {
    // Modules begin when every device is there.
    while (next_ < items_.size() && in_flight_ < kSeedInFlight && (next_ != devices_ || in_flight_ == 0)) {
      ++in_flight_;
      look(next_++);
    }
    if (next_ == items_.size() && in_flight_ == 0 && reply_) configure(0);
  }

 private:
  void configure(std::size_t place) {
    if (place == to_configure_.size()) return reply_(std::move(outcome_));
    const std::string id = to_configure_[place].item.wanted.id;
    apply_configuration_item(
        executor_, configurations_, std::move(to_configure_[place].item),
        Reply<ConfigurationOutcome>(
            executor_, [self = shared_from_this(), place, id](const Result<ConfigurationOutcome>& outcome) {
              self->on_configured(place, id, outcome);
            }));
  }

  void on_configured(std::size_t place, const std::string& id, const Result<ConfigurationOutcome>& outcome) {
    if (!outcome) {
      complain(to_configure_[place].line, "of configuration " + id, outcome.error());
    } else {
      ++(*outcome == ConfigurationOutcome::created   ? outcome_.created
         : *outcome == ConfigurationOutcome::updated ? outcome_.updated
                                                     : outcome_.unchanged);
    }
    configure(place + 1);
  }

  void complain(std::size_t line, const std::string& whose, const Error& error) {
    if (outcome_.problems.size() >= kSeedProblemsMax) return;
    outcome_.problems.push_back({seed_line(line), whose + ": " + error_sentence(error), ""});
  }

  void look(std::size_t place) {
    registry_.get(items_[place].item.wanted.id, on<IdentityView>(place, &SeedRun::on_looked));
  }

  void on_looked(std::size_t place, Result<IdentityView> view) {
    const RegistryItem& item = items_[place].item;
    if (view && item.mode == ImportMode::create) return done(place, outcome_.unchanged);
    if (view) return update(place, view->record);
    const bool is_absent =
        view.error().code == (item.wanted.id.is_module() ? Errc::module_not_found : Errc::device_not_found);
    if (!is_absent) return fail(place, view.error());
    create(place);
  }

  void create(std::size_t place) {
    const RegistryItem& item = items_[place].item;
    PutIdentity put;
    put.wanted = item.wanted;
    put.keep_scope = true;
    put.twin = InitialTwin{item.tags.value_or(Json::object()), item.desired.value_or(Json::object()),
                           item.reported.value_or(Json::object())};
    put.reply = on<IdentityView>(place, &SeedRun::on_created);
    registry_.put(std::move(put));
  }

  void on_created(std::size_t place, Result<IdentityView> view) {
    if (!view) return fail(place, view.error());
    done(place, outcome_.created);
  }

  void update(std::size_t place, const IdentityRecord& current) {
    IdentityRecord next = overlay(current, items_[place].item);
    if (is_system_module(current.id) || !changes_identity(current, next)) return look_at_twin(place, false);
    PutIdentity put;
    put.wanted = std::move(next);
    put.if_match = IfMatch{false, identity_etag(current)};
    put.reply = on<IdentityView>(place, &SeedRun::on_updated);
    registry_.put(std::move(put));
  }

  void on_updated(std::size_t place, Result<IdentityView> view) {
    if (!view) return fail(place, view.error());
    look_at_twin(place, true);
  }

  void look_at_twin(std::size_t place, bool written) {
    const RegistryItem& item = items_[place].item;
    if (!item.names_twin()) return done(place, written ? outcome_.updated : outcome_.unchanged);
    registry_.twin(item.wanted.id, Reply<TwinView>(executor_, [self = shared_from_this(), place,
                                                               written](Result<TwinView> view) {
                     if (!view) return self->fail(place, view.error());
                     self->update_twin(place, view->twin, written);
                   }));
  }

  void update_twin(std::size_t place, const TwinRecord& twin, bool written) {
    RegistryItem& item = items_[place].item;
    if (!changes_section(twin.tags, item.tags)) item.tags.reset();
    if (!changes_section(twin.desired, item.desired)) item.desired.reset();
    if (!item.names_twin()) return done(place, written ? outcome_.updated : outcome_.unchanged);
    UpdateTwin update;
    update.identity = item.wanted.id;
    update.tags = std::move(item.tags);
    update.desired = std::move(item.desired);
    update.reply = on<TwinView>(place, &SeedRun::on_twin_written);
    registry_.update_twin(std::move(update));
  }

  void on_twin_written(std::size_t place, Result<TwinView> view) {
    if (!view) return fail(place, view.error());
    done(place, outcome_.updated);
  }

  void fail(std::size_t place, const Error& error) {
    const SeedItem& seed = items_[place];
    const Identity& id = seed.item.wanted.id;
    const std::string name = id.is_module() ? id.device + "/" + id.module : id.device;
    complain(seed.line, "of " + name, error);
    finish();
  }

  void done(std::size_t, std::uint64_t& count) {
    ++count;
    finish();
  }

  void finish() {
    --in_flight_;
    work();
  }

  template <class T>
  Reply<T> on(std::size_t place, void (SeedRun::*step)(std::size_t, Result<T>)) {
    return Reply<T>(executor_, [self = shared_from_this(), place, step](Result<T> result) {
      ((*self).*step)(place, std::move(result));
    });
  }

  Executor& executor_;
  RegistryService& registry_;
  ConfigurationService& configurations_;
  std::vector<SeedItem> items_;
  std::vector<SeedConfiguration> to_configure_;
  std::size_t devices_ = 0;  // so many come before the modules
  std::size_t next_ = 0;
  std::size_t in_flight_ = 0;
  SeedOutcome outcome_;
  Reply<SeedOutcome> reply_;
};

}  // namespace

void apply_seed(Executor& executor, RegistryService& registry, ConfigurationService& configurations,
                Seed seed, Reply<SeedOutcome> reply) {
  std::make_shared<SeedRun>(executor, registry, configurations, std::move(seed), std::move(reply))->work();
}

}  // namespace kyanite
