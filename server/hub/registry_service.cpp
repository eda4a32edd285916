#include "server/hub/registry_service.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "protocol/auth/symmetric_key.h"
#include "protocol/auth/thumbprint.h"
#include "protocol/base/base64.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/hub/identity_rules.h"
#include "server/hub/live_states.h"

namespace kyanite {
namespace {

Error invalid(std::string sentence) { return Error(Errc::argument_invalid, std::move(sentence)); }

Result<void> validate_id(const Identity& id) {
  if (!is_valid_id(id.device)) {
    return invalid(
        "a device id has 1 to 128 characters: letters, digits, semicolons and - : . + % _ # * ? ! ( ) , = @ "
        "$ '");
  }
  if (!id.is_module()) return {};
  if (!is_valid_id(id.module)) {
    return invalid(
        "a module id has 1 to 128 characters: letters, digits, semicolons and - : . + % _ # * ? ! ( ) , = @ "
        "$ '");
  }
  if (id.module.front() == '$' && !is_system_module(id)) {
    return invalid("module ids that begin with '$' are reserved");
  }
  return {};
}

Result<void> validate_authentication(const IdentityRecord& wanted) {
  switch (wanted.auth_type) {
    case AuthenticationType::none:
      if (!wanted.id.is_module()) return invalid("a device needs an authentication type other than none");
      [[fallthrough]];  // a module's "none" is taken as keys (4.5)
    case AuthenticationType::sas:
      if (wanted.primary_key.empty() && wanted.secondary_key.empty()) return {};
      if (wanted.primary_key.empty() || wanted.secondary_key.empty()) {
        return invalid("give both symmetric keys or neither");
      }
      if (!is_valid_symmetric_key(wanted.primary_key) || !is_valid_symmetric_key(wanted.secondary_key)) {
        return invalid("a symmetric key is the base64 of 16 to 64 bytes");
      }
      return {};
    case AuthenticationType::self_signed:
      for (const std::string* thumbprint : {&wanted.primary_thumbprint, &wanted.secondary_thumbprint}) {
        if (!thumbprint->empty() && !is_valid_thumbprint(*thumbprint)) {
          return invalid("a thumbprint has 40 or 64 hexadecimal digits and no separators");
        }
      }
      return {};
    case AuthenticationType::certificate_authority:
      return {};
  }
  return invalid("unknown authentication type");
}

// Code points of well-formed UTF-8: every byte that does not continue one.
std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

Result<void> validate_texts(const IdentityRecord& wanted) {
  if (count_characters(wanted.status_reason) > limits::kStatusReasonCharactersMax) {
    return invalid("statusReason is longer than 128 characters");
  }
  if (wanted.managed_by.size() > limits::kScopeBytesMax) return invalid("managedBy is too long");
  if (wanted.device_scope.size() > limits::kScopeBytesMax) return invalid("deviceScope is too long");
  if (wanted.parent_scopes.size() > limits::kParentScopesMax) return invalid("too many parentScopes");
  for (const std::string& scope : wanted.parent_scopes) {
    if (scope.size() > limits::kScopeBytesMax) return invalid("an entry of parentScopes is too long");
  }
  return {};
}

// The hub makes and removes these itself (4.1).
bool is_made_by_hub(const Identity& id) { return id.is_module() && is_system_module(id); }

// Takes as many devices of a scan as there is room for.
struct DeviceCollector final : IdentityVisitor {
  explicit DeviceCollector(std::size_t room_left) : room(room_left) {}
  bool visit(ScannedIdentity& identity) override {
    Result<IdentityRecord> record = identity.record();
    const Result<std::uint64_t> messages = identity.c2d_messages();
    if (!record || !messages) {
      error = record ? messages.error() : record.error();
      return false;
    }
    IdentityView view;
    view.record = std::move(*record);
    view.c2d_messages = *messages;
    views.push_back(std::move(view));
    return views.size() < room;
  }

  std::size_t room;
  std::vector<IdentityView> views;
  std::optional<Error> error;
};

// Sums what every shard counts; answers when the last one did. Runs on the asker's shard.
struct ConnectedSum {
  std::size_t missing;
  std::uint64_t sum = 0;
  Reply<ServiceStatistics> reply;
};

}  // namespace

Result<void> validate_identity(const IdentityRecord& wanted) {
  if (Result<void> id = validate_id(wanted.id); !id) return id;
  if (Result<void> texts = validate_texts(wanted); !texts) return texts;
  return validate_authentication(wanted);
}

std::string identity_etag(const IdentityRecord& record) {
  return encode_base64(std::to_string(record.etag_counter));
}

RegistryService::RegistryService(Executor& executor, DeviceRouter& router, Stores& stores)
    : executor_(executor),
      router_(router),
      identities_(stores.identities()),
      twins_(stores.twins()),
      documents_(stores.documents()) {}

void RegistryService::get(Identity id, Reply<IdentityView> reply) {
  router_.send(GetIdentity{std::move(id), std::move(reply)});
}

void RegistryService::list_modules(std::string device, Reply<std::vector<IdentityView>> reply) {
  router_.send(ListModules{std::move(device), std::move(reply)});
}

void RegistryService::put(IdentityRecord wanted, std::optional<IfMatch> if_match, Reply<IdentityView> reply) {
  PutIdentity put;
  put.wanted = std::move(wanted);
  put.if_match = std::move(if_match);
  put.reply = std::move(reply);
  this->put(std::move(put));
}

void RegistryService::put(PutIdentity put) {
  Result<void> valid = validate_identity(put.wanted);
  if (valid && is_made_by_hub(put.wanted.id)) {
    valid =
        put.if_match ? Error(Errc::system_module) : invalid("module ids that begin with '$' are reserved");
  }
  if (!valid) return put.reply(valid.error());
  router_.send(std::move(put));
}

void RegistryService::rotate_keys(Identity id, RotateKeys::Which which, Reply<IdentityView> reply) {
  router_.send(RotateKeys{std::move(id), which, std::move(reply)});
}

void RegistryService::erase(Identity id, std::optional<IfMatch> if_match, Reply<void> reply) {
  if (is_made_by_hub(id)) {
    reply(Error(Errc::system_module));
    return;
  }
  router_.send(DeleteIdentity{std::move(id), std::move(if_match), std::move(reply)});
}

// A list on its way: committed records first, then when they were heard of in earlier starts, and what each
// owner shard knows to be live.
struct RegistryService::Listing {
  std::size_t limit = 0;
  std::vector<IdentityView> views;
  Reply<std::vector<IdentityView>> reply;
};

void RegistryService::list(std::string after, std::size_t limit, Reply<std::vector<IdentityView>> reply) {
  auto listing = std::make_shared<Listing>();
  listing->limit = std::min(limit, limits::kListDevicesMax);
  listing->reply = std::move(reply);
  read_list(std::move(listing), {std::move(after), ""});
}

void RegistryService::read_list(std::shared_ptr<Listing> listing, Identity after) {
  const std::size_t room = listing->limit - listing->views.size();
  IdentityScan scan{false, std::move(after), std::make_unique<DeviceCollector>(room), limits::kQueryScanRows,
                    limits::kQueryScanBytes};
  twins_.scan(std::move(scan),
              Reply<IdentityScanned>(executor_, [this, listing](Result<IdentityScanned> scanned) {
                if (!scanned) return listing->reply(scanned.error());
                auto& found = static_cast<DeviceCollector&>(*scanned->visitor);
                if (found.error) return listing->reply(*found.error);
                std::move(found.views.begin(), found.views.end(), std::back_inserter(listing->views));
                if (scanned->at_end || listing->views.size() >= listing->limit) {
                  return complete_list(listing);
                }
                read_list(listing, std::move(scanned->last));
              }));
}

void RegistryService::complete_list(std::shared_ptr<Listing> listing) {
  std::vector<Identity> identities;
  identities.reserve(listing->views.size());
  for (const IdentityView& view : listing->views) identities.push_back(view.record.id);
  ask_live_states(executor_, router_, documents_, std::move(identities),
                  [listing](std::vector<LiveState> states) {
                    for (std::size_t i = 0; i < states.size(); ++i) {
                      IdentityView& view = listing->views[i];
                      view.connected = states[i].connected;
                      view.connection_state_updated = states[i].connection_state_updated;
                      view.last_activity = states[i].last_activity;
                      view.c2d_messages = states[i].c2d_messages.value_or(view.c2d_messages);
                    }
                    listing->reply(std::move(listing->views));
                  });
}

void RegistryService::counts(Reply<IdentityCounts> reply) { identities_.counts(std::move(reply)); }

void RegistryService::connected(Reply<ServiceStatistics> reply) {
  auto sum = std::make_shared<ConnectedSum>();
  sum->missing = router_.shard_count();
  sum->reply = std::move(reply);
  for (std::size_t i = 0; i < router_.shard_count(); ++i) {
    router_.ask(ShardIndex{static_cast<std::uint16_t>(i)},
                CountConnected{Reply<std::uint64_t>(executor_, [sum](Result<std::uint64_t> count) {
                  if (count) sum->sum += *count;
                  if (--sum->missing == 0) sum->reply(ServiceStatistics{sum->sum});
                })});
  }
}

// A missing module is hidden behind its device (service-rest.md 15, 71).
Reply<TwinView> RegistryService::twin_reply(Reply<TwinView> reply) {
  return Reply<TwinView>(executor_, [reply = std::move(reply)](Result<TwinView> view) mutable {
    if (!view && view.error().code == Errc::module_not_found) return reply(Error(Errc::device_not_found));
    reply(std::move(view));
  });
}

void RegistryService::twin(Identity id, Reply<TwinView> reply) {
  router_.send(GetTwin{std::move(id), twin_reply(std::move(reply))});
}

void RegistryService::update_twin(UpdateTwin update) {
  update.reply = twin_reply(std::move(update.reply));
  router_.send(std::move(update));
}

}  // namespace kyanite
