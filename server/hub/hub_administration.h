#pragma once

#include <functional>
#include <string>
#include <vector>

#include "protocol/base/reply.h"
#include "server/hub/hub_security.h"
#include "storage/hub_store.h"

namespace kyanite {

// HubAdministration owns the hub-wide records on shard 0: policies and device CA certificates. Each change is
// committed, then a new HubSecurity snapshot goes to every shard, then the caller is answered.
//
// Threads: the methods may be called on any shard; work runs on shard 0 and replies go home.
class HubAdministration {
 public:
  // `publish` hands the snapshot to every shard (posted there).
  HubAdministration(Executor& shard0, HubStore& store, HubSecurity initial,
                    std::function<void(HubSecurityPtr)> publish);

  void list_ca_certificates(Reply<std::vector<CaCertificateRecord>> reply);
  // Errors: argument_invalid (not a CA certificate, bad name, more than limits::kCaCertificatesMax),
  // conflict.
  void add_ca_certificate(std::string name, std::string pem_or_der, Reply<CaCertificateRecord> reply);
  void erase_ca_certificate(std::string name, Reply<void> reply);

 private:
  Executor& shard0_;
  HubStore& store_;
  HubSecurity current_;
  std::function<void(HubSecurityPtr)> publish_;
};

}  // namespace kyanite
