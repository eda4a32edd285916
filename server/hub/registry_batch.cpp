#include "server/hub/registry_batch.h"

#include <array>
#include <map>
#include <memory>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/hub/identity_rules.h"

namespace kyanite {
namespace {

constexpr std::array<std::pair<ImportMode, std::string_view>, 9> kImportModes{{
    {ImportMode::create, "create"},
    {ImportMode::update, "update"},
    {ImportMode::update_if_match, "updateIfMatchETag"},
    {ImportMode::create_or_update, "createOrUpdate"},
    {ImportMode::create_or_update_if_match, "createOrUpdateIfMatchETag"},
    {ImportMode::erase, "delete"},
    {ImportMode::erase_if_match, "deleteIfMatchETag"},
    {ImportMode::update_twin, "updateTwin"},
    {ImportMode::update_twin_if_match, "updateTwinIfMatchETag"},
}};

constexpr bool creates(ImportMode mode) {
  return mode == ImportMode::create || mode == ImportMode::create_or_update ||
         mode == ImportMode::create_or_update_if_match;
}

constexpr bool is_about_twin(ImportMode mode) {
  return mode == ImportMode::update_twin || mode == ImportMode::update_twin_if_match;
}

// A request on its way; runs on the asker's shard, and ends with the reply of the last item.
struct ItemBatch : std::enable_shared_from_this<ItemBatch> {
  ItemBatch(Executor& home, RegistryService& service, std::vector<RegistryItem> list,
            Reply<ItemErrors> answer)
      : executor(home),
        registry(service),
        items(std::move(list)),
        errors(items.size()),
        missing(items.size()),
        reply(std::move(answer)) {}

  Executor& executor;
  RegistryService& registry;
  std::vector<RegistryItem> items;
  ItemErrors errors;
  std::size_t missing;
  Reply<ItemErrors> reply;

  void refuse_repeated() {
    std::map<Identity, std::size_t> times;
    for (const RegistryItem& item : items) ++times[item.wanted.id];
    for (RegistryItem& item : items) {
      if (times[item.wanted.id] > 1) item.fault = Error(Errc::device_listed_twice);
    }
  }

  void run() {
    if (items.empty()) return reply(ItemErrors());
    refuse_repeated();
    for (std::size_t place = 0; place < items.size(); ++place) run(place);
  }

  void run(std::size_t place) {
    RegistryItem& item = items[place];
    if (item.fault) return done(place, *item.fault);
    if (is_about_twin(item.mode)) return update_twin(place);
    const bool by_etag = needs_etag(item.mode);
    if (by_etag && !item.if_match) return done(place, Error(Errc::etag_missing));
    if (item.mode == ImportMode::erase || item.mode == ImportMode::erase_if_match) return erase(place);
    const bool or_create = creates(item.mode);
    if (or_create && item.mode != ImportMode::create && is_system_module(item.wanted.id)) {
      return item.names_twin() ? update_twin(place) : look_for(place);
    }
    PutIdentity put;
    put.wanted = item.wanted;
    if (item.mode != ImportMode::create) put.if_match = by_etag ? *item.if_match : IfMatch{true, {}};
    put.or_create = or_create;
    put.keep_scope = true;
    if (or_create && (item.names_twin() || item.reported)) {
      put.twin = InitialTwin{item.tags.value_or(Json::object()), item.desired.value_or(Json::object()),
                             item.reported.value_or(Json::object())};
    }
    put.reply = Reply<IdentityView>(executor, [self = shared_from_this(), place](Result<IdentityView> view) {
      if (!view) return self->done(place, view.error());
      if (view->created || !self->items[place].names_twin()) return self->done(place, std::nullopt);
      self->update_twin(place);
    });
    registry.put(std::move(put));
  }

  void erase(std::size_t place) {
    const RegistryItem& item = items[place];
    const IfMatch match = needs_etag(item.mode) ? *item.if_match : IfMatch{true, {}};
    registry.erase(item.wanted.id, match,
                   Reply<void>(executor, [self = shared_from_this(), place](Result<void> erased) {
                     self->done(place, erased ? std::nullopt : std::optional(erased.error()));
                   }));
  }

  void update_twin(std::size_t place) {
    RegistryItem& item = items[place];
    UpdateTwin update;
    update.identity = item.wanted.id;
    update.tags = std::move(item.tags);
    update.desired = std::move(item.desired);
    if (needs_etag(item.mode)) {
      if (!item.twin_if_match && is_about_twin(item.mode)) return done(place, Error(Errc::etag_missing));
      update.if_match = item.twin_if_match;
    }
    update.reply = Reply<TwinView>(executor, [self = shared_from_this(), place](Result<TwinView> view) {
      self->done(place, view ? std::nullopt : std::optional(view.error()));
    });
    registry.update_twin(std::move(update));
  }

  // There is nothing to write, but the identity must be there.
  void look_for(std::size_t place) {
    registry.get(items[place].wanted.id,
                 Reply<IdentityView>(executor, [self = shared_from_this(), place](Result<IdentityView> view) {
                   self->done(place, view ? std::nullopt : std::optional(view.error()));
                 }));
  }

  void done(std::size_t place, std::optional<Error> error) {
    errors[place] = std::move(error);
    if (--missing == 0) reply(std::move(errors));
  }
};

}  // namespace

std::string_view to_text(ImportMode mode) {
  for (const auto& [value, text] : kImportModes) {
    if (value == mode) return text;
  }
  return "createOrUpdate";
}

std::optional<ImportMode> import_mode_from_text(std::string_view text) {
  for (const auto& [value, name] : kImportModes) {
    if (equals_ignoring_case(name, text)) return value;
  }
  return std::nullopt;
}

bool needs_etag(ImportMode mode) {
  return mode == ImportMode::update_if_match || mode == ImportMode::create_or_update_if_match ||
         mode == ImportMode::erase_if_match || mode == ImportMode::update_twin_if_match;
}

void apply_items(Executor& executor, RegistryService& registry, std::vector<RegistryItem> items,
                 Reply<ItemErrors> reply) {
  KYANITE_ASSERT(items.size() <= limits::kBulkItemsMax);
  std::make_shared<ItemBatch>(executor, registry, std::move(items), std::move(reply))->run();
}

}  // namespace kyanite
