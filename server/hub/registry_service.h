#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/base/reply.h"
#include "server/hub/device_router.h"
#include "storage/stores.h"

namespace kyanite {

struct ServiceStatistics {
  std::uint64_t connected_devices = 0;
};

// RegistryService is a shard's front of the registry: single identities go to their owner shard, lists and
// counts come from committed state completed with what the owners know to be live.
//
// Owner: its shard. Replies run on that shard. Errors: those of the catalogue for identities; Errc::busy
// under pressure. Bound: a list is at most limits::kListDevicesMax devices.
class RegistryService {
 public:
  RegistryService(Executor& executor, DeviceRouter& router, Stores& stores);

  void get(Identity id, Reply<IdentityView> reply);
  void list_modules(std::string device, Reply<std::vector<IdentityView>> reply);
  // `wanted` is validated here by validate_identity() before it travels.
  void put(IdentityRecord wanted, std::optional<IfMatch> if_match, Reply<IdentityView> reply);
  // The same for every kind of put.
  void put(PutIdentity put);
  // System modules have no keys: argument_invalid.
  void rotate_keys(Identity id, RotateKeys::Which which, Reply<IdentityView> reply);
  void erase(Identity id, std::optional<IfMatch> if_match, Reply<void> reply);
  void list(std::string after, std::size_t limit, Reply<std::vector<IdentityView>> reply);
  void counts(Reply<IdentityCounts> reply);
  void connected(Reply<ServiceStatistics> reply);
  // A module's twin that is missing is device_not_found, as the service has it (service-rest.md 15, 71).
  void twin(Identity id, Reply<TwinView> reply);
  void update_twin(UpdateTwin update);

 private:
  struct Listing;
  void read_list(std::shared_ptr<Listing> listing, Identity after);
  void complete_list(std::shared_ptr<Listing> listing);
  Reply<TwinView> twin_reply(Reply<TwinView> reply);

  Executor& executor_;
  DeviceRouter& router_;
  IdentityStore& identities_;
  TwinStore& twins_;
  DocumentStore& documents_;
};

// The rules of service-rest.md 4.1, 4.5 and 4.8 that need no stored state: ids, keys (both or none, base64 of
// 16 to 64 bytes), thumbprints, status reason, reserved module ids. Errors: Errc::argument_invalid with a
// sentence.
Result<void> validate_identity(const IdentityRecord& wanted);

// etag text of an identity: base64 of the decimal counter (service-rest.md 4.2).
std::string identity_etag(const IdentityRecord& record);

}  // namespace kyanite
