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
// committed, then every shard gets a new HubSecurity snapshot, then the caller is answered: whoever saw the
// answer finds the change in force on all of them.
//
// Threads: the methods may be called on any shard; work runs on shard 0 and replies go home.
// Bound: limits::kAdministrationQueueMax changes wait (Errc::busy beyond).
class HubAdministration {
 public:
  // Hands the snapshot to every shard, and runs the task on shard 0 when all of them have it. Called on shard
  // 0.
  using Publish = std::function<void(HubSecurityPtr, Task)>;
  HubAdministration(Executor& shard0, HubStore& store, HubSecurity initial, Publish publish);

  void list_ca_certificates(Reply<std::vector<CaCertificateRecord>> reply);
  // Errors: argument_invalid (not a CA certificate, bad name, more than limits::kCaCertificatesMax),
  // conflict.
  void add_ca_certificate(std::string name, std::string pem_or_der, Reply<CaCertificateRecord> reply);
  // Errors: not_found.
  void erase_ca_certificate(std::string name, Reply<void> reply);

  // A random key takes the place of one of the two; names ignore case. Answers the policy as it is from now
  // on. What the old key signed is refused from then on; connections it opened before stay. Errors:
  // not_found.
  void regenerate_policy_key(std::string name, PolicyKey key, Reply<AccessPolicy> reply);

  // The issuer's keys from now on, which no store keeps; the task runs on shard 0 when every shard has them.
  void set_bearer_keys(std::shared_ptr<const BearerKeys> keys, Task published);

 private:
  // One change at a time: each sees what the one before committed.
  void run(Task change);
  void done();
  void on_committed(HubSecurity next, Task published);
  void add(std::string name, const std::string& pem_or_der, Reply<CaCertificateRecord> reply);
  void erase(const std::string& name, Reply<void> reply);
  void regenerate(const std::string& name, PolicyKey key, Reply<AccessPolicy> reply);

  Executor& shard0_;
  HubStore& store_;
  HubSecurity current_;
  Publish publish_;
  std::deque<Task> waiting_;
  bool busy_ = false;
};

// No policy has the name.
Error unknown_policy();

}  // namespace kyanite
