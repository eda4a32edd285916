#include "server/hub/hub_administration.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/certificate_chain.h"
#include "protocol/auth/symmetric_key.h"
#include "protocol/auth/thumbprint.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::size_t kVerificationCodeBytes = 24;  // 48 hex digits; a common name has 64 characters at most
constexpr std::size_t kEtagCharacters = 16;

// The one certificate in what an operator uploads, as DER.
Result<std::string> read_one_certificate(const std::string& pem_or_der) {
  if (pem_or_der.find("-----BEGIN") == std::string::npos) return pem_or_der;
  Result<std::vector<std::string>> blocks = pem_to_der(pem_or_der);
  if (!blocks) return blocks.error();
  if (blocks->size() != 1) return Error(Errc::argument_invalid, "give exactly one certificate");
  return std::move(blocks->front());
}

Result<std::string> read_ca_certificate(const std::string& pem_or_der) {
  Result<std::string> der = read_one_certificate(pem_or_der);
  if (!der) return der;
  const Result<CertificateFacts> facts = read_certificate(*der);
  if (!facts) return facts.error();
  if (!facts->is_ca)
    return Error(Errc::argument_invalid, "the certificate is not one of a certificate authority");
  return der;
}

bool is_valid_name(const std::string& name) {
  return is_valid_id(name) && name.size() <= limits::kPolicyNameBytesMax;
}

// A policy's name stands in connection strings, tokens and settings, where other characters have a meaning.
bool is_policy_name(const std::string& name) {
  return !name.empty() && name.size() <= limits::kPolicyNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                  c == '_' || c == '.';
         });
}

// Whether whoever made the certificate has the key of the CA (device-mqtt.md 2.6).
Result<void> check_proof(const CaCertificateRecord& ca, const std::string& pem_or_der, WallTime now) {
  const Result<std::string> der = read_one_certificate(pem_or_der);
  if (!der) return der.error();
  const Result<CertificateFacts> facts = read_certificate(*der);
  if (!facts) return facts.error();
  if (ca.challenge.empty()) return Error(Errc::argument_invalid, "ask for a verification code first");
  if (!equal_in_constant_time(facts->common_name, ca.challenge)) {
    return Error(Errc::argument_invalid,
                 "the common name of the certificate's subject is not the verification code given last");
  }
  if (const Result<void> signed_by_it = verify_certificate_chain({*der}, {ca.der}, now); !signed_by_it) {
    return Error(Errc::argument_invalid,
                 "the certificate is not signed by the CA itself: " + signed_by_it.error().detail);
  }
  return {};
}

std::string hashed(const std::string& text) {
  std::string digits = sha256_thumbprint(text);
  digits.resize(kEtagCharacters);
  return digits;
}

}  // namespace

HubAdministration::HubAdministration(Executor& shard0, HubStore& store, HubSecurity initial, Publish publish)
    : shard0_(shard0), store_(store), current_(std::move(initial)), publish_(std::move(publish)) {}

template <class T>
void HubAdministration::ask(Reply<T> reply, UniqueFunction<void(Reply<T>)> change) {
  shard0_.post([this, change = std::move(change), reply = std::move(reply)]() mutable {
    if (waiting_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
    run([change = std::move(change), reply = std::move(reply)]() mutable { change(std::move(reply)); });
  });
}

template <class T>
void HubAdministration::refuse(Reply<T>& reply, Error error) {
  reply(std::move(error));
  done();
}

void HubAdministration::list_ca_certificates(Reply<std::vector<CaCertificateRecord>> reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable { reply(current_.ca_certificates); });
}

void HubAdministration::add_ca_certificate(std::string name, std::string pem_or_der, CaTrust trust,
                                           Reply<CaCertificateRecord> reply) {
  ask<CaCertificateRecord>(std::move(reply), [this, name = std::move(name), text = std::move(pem_or_der),
                                              trust](Reply<CaCertificateRecord> answer) mutable {
    add(std::move(name), text, trust, std::move(answer));
  });
}

void HubAdministration::challenge_ca_certificate(std::string name, std::optional<IfMatch> if_match,
                                                 Reply<CaCertificateRecord> reply) {
  ask<CaCertificateRecord>(std::move(reply), [this, name = std::move(name), if_match = std::move(if_match)](
                                                 Reply<CaCertificateRecord> answer) {
    challenge(name, if_match, std::move(answer));
  });
}

void HubAdministration::verify_ca_certificate(std::string name, std::string pem_or_der,
                                              std::optional<IfMatch> if_match,
                                              Reply<CaCertificateRecord> reply) {
  ask<CaCertificateRecord>(
      std::move(reply),
      [this, name = std::move(name), text = std::move(pem_or_der), if_match = std::move(if_match)](
          Reply<CaCertificateRecord> answer) { verify(name, text, if_match, std::move(answer)); });
}

void HubAdministration::erase_ca_certificate(std::string name, std::optional<IfMatch> if_match,
                                             Reply<void> reply) {
  ask<void>(std::move(reply), [this, name = std::move(name), if_match = std::move(if_match)](
                                  Reply<void> answer) { erase(name, if_match, std::move(answer)); });
}

void HubAdministration::put_policy(AccessPolicy wanted, std::optional<IfMatch> if_match,
                                   Reply<AccessPolicy> reply) {
  ask<AccessPolicy>(std::move(reply), [this, wanted = std::move(wanted),
                                       if_match = std::move(if_match)](Reply<AccessPolicy> answer) mutable {
    put(std::move(wanted), if_match, std::move(answer));
  });
}

void HubAdministration::erase_policy(std::string name, std::optional<IfMatch> if_match, Reply<void> reply) {
  ask<void>(std::move(reply),
            [this, name = std::move(name), if_match = std::move(if_match)](Reply<void> answer) {
              erase_named_policy(name, if_match, std::move(answer));
            });
}

void HubAdministration::regenerate_policy_key(std::string name, PolicyKey key, Reply<AccessPolicy> reply) {
  ask<AccessPolicy>(std::move(reply), [this, name = std::move(name), key](Reply<AccessPolicy> answer) {
    regenerate(name, key, std::move(answer));
  });
}

// Not bounded by what waits: whoever calls does so once at a time.
void HubAdministration::set_bearer_keys(std::shared_ptr<const BearerKeys> keys, Task published) {
  shard0_.post([this, keys = std::move(keys), published = std::move(published)]() mutable {
    run([this, keys = std::move(keys), published = std::move(published)]() mutable {
      HubSecurity next = current_;
      next.bearer_keys = std::move(keys);
      on_committed(std::move(next), [this, published = std::move(published)]() mutable {
        if (published) published();
        done();
      });
    });
  });
}

void HubAdministration::run(Task change) {
  waiting_.push_back(std::move(change));
  if (!busy_) done();
}

void HubAdministration::done() {
  busy_ = !waiting_.empty();
  if (!busy_) return;
  Task next = std::move(waiting_.front());
  waiting_.pop_front();
  next();
}

void HubAdministration::on_committed(HubSecurity next, Task published) {
  next.trusted_cas = trust_store_of(next.ca_certificates);
  current_ = std::move(next);
  publish_(std::make_shared<const HubSecurity>(current_), std::move(published));
}

void HubAdministration::add(std::string name, const std::string& pem_or_der, CaTrust trust,
                            Reply<CaCertificateRecord> reply) {
  if (!is_valid_name(name))
    return refuse(reply, Error(Errc::argument_invalid, "a name has 1 to 64 characters of an id"));
  Result<std::string> der = read_ca_certificate(pem_or_der);
  if (!der) return refuse(reply, der.error());
  for (const CaCertificateRecord& known : current_.ca_certificates) {
    if (known.name == name) return refuse(reply, Error(Errc::conflict, "a CA certificate has this name"));
    if (known.der == *der)
      return refuse(reply, Error(Errc::conflict, "the certificate is there as " + known.name));
  }
  if (current_.ca_certificates.size() >= limits::kCaCertificatesMax) {
    return refuse(reply, Error(Errc::argument_invalid, "a hub has at most 25 CA certificates"));
  }
  commit_ca({.name = std::move(name),
             .der = std::move(*der),
             .verified = trust == CaTrust::at_once,
             .challenge = {},
             .created = shard0_.wall_now()},
            std::move(reply));
}

Result<CaCertificateRecord> HubAdministration::unverified_ca(const std::string& name,
                                                             const std::optional<IfMatch>& if_match) const {
  for (const CaCertificateRecord& known : current_.ca_certificates) {
    if (known.name != name) continue;
    if (if_match && !if_match->matches(etag_of(known))) return Error(Errc::precondition_failed);
    if (known.verified) return Error(Errc::conflict, "the CA certificate is verified already");
    return known;
  }
  return Error(Errc::not_found, "no CA certificate has this name");
}

void HubAdministration::challenge(const std::string& name, const std::optional<IfMatch>& if_match,
                                  Reply<CaCertificateRecord> reply) {
  Result<CaCertificateRecord> record = unverified_ca(name, if_match);
  if (!record) return refuse(reply, record.error());
  record->challenge = random_hex(kVerificationCodeBytes);
  commit_ca(std::move(*record), std::move(reply));
}

void HubAdministration::verify(const std::string& name, const std::string& pem_or_der,
                               const std::optional<IfMatch>& if_match, Reply<CaCertificateRecord> reply) {
  Result<CaCertificateRecord> record = unverified_ca(name, if_match);
  if (!record) return refuse(reply, record.error());
  if (const Result<void> proved = check_proof(*record, pem_or_der, shard0_.wall_now()); !proved)
    return refuse(reply, proved.error());
  record->verified = true;
  record->challenge.clear();
  commit_ca(std::move(*record), std::move(reply));
}

// The record takes the place of the one that has its name, or is a new one.
void HubAdministration::commit_ca(CaCertificateRecord record, Reply<CaCertificateRecord> reply) {
  store_.put_ca_certificate(
      record, Reply<void>(shard0_, [this, record, reply = std::move(reply)](Result<void> committed) mutable {
        if (!committed) return refuse(reply, committed.error());
        HubSecurity next = current_;
        const auto known =
            std::find_if(next.ca_certificates.begin(), next.ca_certificates.end(),
                         [&](const CaCertificateRecord& present) { return present.name == record.name; });
        if (known == next.ca_certificates.end()) {
          next.ca_certificates.push_back(record);
        } else {
          *known = record;
        }
        on_committed(std::move(next), [this, record = std::move(record), reply = std::move(reply)]() mutable {
          reply(std::move(record));
          done();
        });
      }));
}

void HubAdministration::erase(const std::string& name, const std::optional<IfMatch>& if_match,
                              Reply<void> reply) {
  const auto has_name = [name](const CaCertificateRecord& record) { return record.name == name; };
  const std::vector<CaCertificateRecord>& known = current_.ca_certificates;
  const auto found = std::find_if(known.begin(), known.end(), has_name);
  if (found == known.end()) return refuse(reply, Error(Errc::not_found));
  if (if_match && !if_match->matches(etag_of(*found))) return refuse(reply, Error(Errc::precondition_failed));
  store_.erase_ca_certificate(
      name, Reply<void>(shard0_, [this, has_name, reply = std::move(reply)](Result<void> committed) mutable {
        if (!committed) return refuse(reply, committed.error());
        HubSecurity next = current_;
        std::erase_if(next.ca_certificates, has_name);
        on_committed(std::move(next), [this, reply = std::move(reply)]() mutable {
          reply({});
          done();
        });
      }));
}

void HubAdministration::put(AccessPolicy wanted, const std::optional<IfMatch>& if_match,
                            Reply<AccessPolicy> reply) {
  const auto invalid = [&](const char* why) { refuse(reply, Error(Errc::argument_invalid, why)); };
  if (!is_policy_name(wanted.name)) return invalid("a name has 1 to 64 letters, digits, '-', '_' and '.'");
  if (wanted.rights == Rights()) return invalid("a policy has one right at least");
  for (const std::string* key : {&wanted.primary_key, &wanted.secondary_key}) {
    if (!key->empty() && !is_valid_symmetric_key(*key)) return invalid("a key is base64 of 16 to 64 bytes");
  }
  HubSecurity next = current_;
  const auto known = std::find_if(
      next.policies.begin(), next.policies.end(),
      [&](const AccessPolicy& policy) { return equals_ignoring_case(policy.name, wanted.name); });
  if (known == next.policies.end()) {
    if (if_match) return refuse(reply, unknown_policy());
    if (next.policies.size() >= limits::kPoliciesMax) return invalid("a hub has at most 16 policies");
    for (std::string* key : {&wanted.primary_key, &wanted.secondary_key}) {
      if (key->empty()) *key = make_symmetric_key();
    }
    next.policies.push_back(wanted);
    return commit_policies(std::move(next), std::move(wanted), std::move(reply));
  }
  if (!if_match) return refuse(reply, Error(Errc::conflict, "a policy has this name"));
  if (!if_match->matches(etag_of(*known))) return refuse(reply, Error(Errc::precondition_failed));
  if (is_built_in_policy(known->name) && !(known->rights == wanted.rights))
    return refuse(reply, Error(Errc::conflict, "the rights of a policy that every hub has stay as they are"));
  known->rights = wanted.rights;
  if (!wanted.primary_key.empty()) known->primary_key = wanted.primary_key;
  if (!wanted.secondary_key.empty()) known->secondary_key = wanted.secondary_key;
  AccessPolicy changed = *known;
  commit_policies(std::move(next), std::move(changed), std::move(reply));
}

void HubAdministration::erase_named_policy(const std::string& name, const std::optional<IfMatch>& if_match,
                                           Reply<void> reply) {
  const AccessPolicy* known = find_policy(current_.policies, name);
  if (known == nullptr) return refuse(reply, unknown_policy());
  if (is_built_in_policy(name))
    return refuse(reply, Error(Errc::conflict, "a policy that every hub has cannot be deleted"));
  if (if_match && !if_match->matches(etag_of(*known))) return refuse(reply, Error(Errc::precondition_failed));
  HubSecurity next = current_;
  std::erase_if(next.policies,
                [&](const AccessPolicy& policy) { return equals_ignoring_case(policy.name, name); });
  commit_policies(
      std::move(next), *known,
      Reply<AccessPolicy>(shard0_, [reply = std::move(reply)](const Result<AccessPolicy>& committed) mutable {
        if (!committed) return reply(committed.error());
        reply({});
      }));
}

void HubAdministration::regenerate(const std::string& name, PolicyKey key, Reply<AccessPolicy> reply) {
  HubSecurity next = current_;
  const auto policy =
      std::find_if(next.policies.begin(), next.policies.end(),
                   [&](const AccessPolicy& known) { return equals_ignoring_case(known.name, name); });
  if (policy == next.policies.end()) return refuse(reply, unknown_policy());
  (key == PolicyKey::primary ? policy->primary_key : policy->secondary_key) = make_symmetric_key();
  AccessPolicy changed = *policy;
  commit_policies(std::move(next), std::move(changed), std::move(reply));
}

void HubAdministration::commit_policies(HubSecurity next, AccessPolicy changed, Reply<AccessPolicy> reply) {
  std::vector<AccessPolicy> policies = next.policies;
  store_.put_policies(
      std::move(policies), Reply<void>(shard0_, [this, changed = std::move(changed), next = std::move(next),
                                                 reply = std::move(reply)](Result<void> committed) mutable {
        if (!committed) return refuse(reply, committed.error());
        on_committed(std::move(next),
                     [this, changed = std::move(changed), reply = std::move(reply)]() mutable {
                       reply(std::move(changed));
                       done();
                     });
      }));
}

Error unknown_policy() { return Error(Errc::not_found, "no policy has this name"); }

bool is_built_in_policy(std::string_view name) {
  static const std::vector<AccessPolicy> every_hubs = default_access_policies();
  return find_policy(every_hubs, name) != nullptr;
}

std::string etag_of(const AccessPolicy& policy) {
  return hashed(policy.name + '\0' + policy.primary_key + '\0' + policy.secondary_key + '\0' +
                std::to_string(policy.rights.bits));
}

std::string etag_of(const CaCertificateRecord& record) {
  return hashed(record.name + '\0' + (record.verified ? "1" : "0") + record.challenge + '\0' + record.der);
}

}  // namespace kyanite
