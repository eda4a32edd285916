#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/reply.h"
#include "storage/records.h"

namespace kyanite {

// What the hub as a whole keeps: its id, shared access policies and device CA certificates.
struct HubRecords {
  std::string hub_id;                  // random hex, made with the store
  std::uint64_t starts = 1;            // how often the store was opened; durable before it is told
  std::vector<AccessPolicy> policies;  // in the order written
  std::vector<CaCertificateRecord> ca_certificates;
};

// HubStore keeps the hub-wide records; shard 0 is their only writer. Replies as in IdentityStore.
class HubStore {
 public:
  virtual ~HubStore() = default;
  virtual void load(Reply<HubRecords> reply) = 0;
  virtual void put_policies(std::vector<AccessPolicy> policies, Reply<void> reply) = 0;  // replaces all
  virtual void put_ca_certificate(CaCertificateRecord record, Reply<void> reply) = 0;
  virtual void erase_ca_certificate(std::string name, Reply<void> reply) = 0;
};

}  // namespace kyanite
