#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/reply.h"
#include "protocol/http/etag.h"
#include "server/hub/hub_security.h"
#include "storage/hub_store.h"

namespace kyanite {

// HubAdministration owns the hub-wide records on shard 0: policies and device CA certificates. Each change is
// committed, then every shard gets a new HubSecurity snapshot, then the caller is answered: whoever saw the
// answer finds the change in force on all of them.
//
// If-Match is as for identities: a put without it only creates (conflict), with it only changes what is there
// (not_found, precondition_failed). An erase heeds it when it is given.
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
  // Devices may chain to it once it is verified: at once when the operator vouches for it, else when somebody
  // proved to have its key. Errors: argument_invalid (not a CA certificate, bad name, more than
  // limits::kCaCertificatesMax), conflict.
  enum class CaTrust { after_proof, at_once };
  void add_ca_certificate(std::string name, std::string pem_or_der, CaTrust trust,
                          Reply<CaCertificateRecord> reply);
  // A new code to sign; one that was given before is void. Errors: not_found, conflict (verified already),
  // precondition_failed.
  void challenge_ca_certificate(std::string name, std::optional<IfMatch> if_match,
                                Reply<CaCertificateRecord> reply);
  // Takes the proof: one certificate whose subject has the code as its common name, signed by the CA itself.
  // Errors: not_found, conflict (verified already), precondition_failed, argument_invalid with what is wrong.
  void verify_ca_certificate(std::string name, std::string pem_or_der, std::optional<IfMatch> if_match,
                             Reply<CaCertificateRecord> reply);
  void erase_ca_certificate(std::string name, std::optional<IfMatch> if_match, Reply<void> reply);

  // Creates a policy or changes its rights and keys; an empty key is made, or stays. The five that every hub
  // has keep their rights. Errors: argument_invalid (name, keys, no right, more than limits::kPoliciesMax),
  // conflict, not_found, precondition_failed.
  void put_policy(AccessPolicy wanted, std::optional<IfMatch> if_match, Reply<AccessPolicy> reply);
  // What its keys signed is refused from then on. Errors: not_found, precondition_failed, conflict (one of
  // the five that every hub has).
  void erase_policy(std::string name, std::optional<IfMatch> if_match, Reply<void> reply);

  // A random key takes the place of one of the two; names ignore case. Answers the policy as it is from now
  // on. What the old key signed is refused from then on; connections it opened before stay. Errors:
  // not_found.
  void regenerate_policy_key(std::string name, PolicyKey key, Reply<AccessPolicy> reply);

  // The issuer's keys from now on, which no store keeps; the task runs on shard 0 when every shard has them.
  void set_bearer_keys(std::shared_ptr<const BearerKeys> keys, Task published);

 private:
  // One change at a time: each sees what the one before committed.
  template <class T>
  void ask(Reply<T> reply, UniqueFunction<void(Reply<T>)> change);
  void run(Task change);
  void done();
  template <class T>
  void refuse(Reply<T>& reply, Error error);
  void on_committed(HubSecurity next, Task published);

  void add(std::string name, const std::string& pem_or_der, CaTrust trust, Reply<CaCertificateRecord> reply);
  void challenge(const std::string& name, const std::optional<IfMatch>& if_match,
                 Reply<CaCertificateRecord> reply);
  void verify(const std::string& name, const std::string& pem_or_der, const std::optional<IfMatch>& if_match,
              Reply<CaCertificateRecord> reply);
  void erase(const std::string& name, const std::optional<IfMatch>& if_match, Reply<void> reply);
  Result<CaCertificateRecord> unverified_ca(const std::string& name,
                                            const std::optional<IfMatch>& if_match) const;
  void commit_ca(CaCertificateRecord record, Reply<CaCertificateRecord> reply);

  void put(AccessPolicy wanted, const std::optional<IfMatch>& if_match, Reply<AccessPolicy> reply);
  void erase_named_policy(const std::string& name, const std::optional<IfMatch>& if_match, Reply<void> reply);
  void regenerate(const std::string& name, PolicyKey key, Reply<AccessPolicy> reply);
  void commit_policies(HubSecurity next, AccessPolicy changed, Reply<AccessPolicy> reply);

  Executor& shard0_;
  HubStore& store_;
  HubSecurity current_;
  Publish publish_;
  std::deque<Task> waiting_;
  bool busy_ = false;
};

// No policy has the name.
Error unknown_policy();

// One of the five that every hub has: it cannot be deleted and keeps its rights.
bool is_built_in_policy(std::string_view name);

// Entity tags that change with what the entity says, made from it: none is stored.
std::string etag_of(const AccessPolicy& policy);
std::string etag_of(const CaCertificateRecord& record);

}  // namespace kyanite
