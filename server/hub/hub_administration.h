#pragma once

#include <deque>
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
// Bound: limits::kAdministrationQueueMax changes wait (Errc::busy beyond).
class HubAdministration {
 public:
  // `publish` hands the snapshot to every shard (posted there).
  HubAdministration(Executor& shard0, HubStore& store, HubSecurity initial,
                    std::function<void(HubSecurityPtr)> publish);

  void list_ca_certificates(Reply<std::vector<CaCertificateRecord>> reply);
  // Errors: argument_invalid (not a CA certificate, bad name, more than limits::kCaCertificatesMax),
  // conflict.
  void add_ca_certificate(std::string name, std::string pem_or_der, Reply<CaCertificateRecord> reply);
  // Errors: not_found.
  void erase_ca_certificate(std::string name, Reply<void> reply);

 private:
  // One change at a time: each sees what the one before committed.
  void run(Task change);
  void done();
  void on_committed(HubSecurity next);
  void add(std::string name, const std::string& pem_or_der, Reply<CaCertificateRecord> reply);
  void erase(const std::string& name, Reply<void> reply);

  Executor& shard0_;
  HubStore& store_;
  HubSecurity current_;
  std::function<void(HubSecurityPtr)> publish_;
  std::deque<Task> waiting_;
  bool busy_ = false;
};

}  // namespace kyanite
