#include "server/hub/hub_administration.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/certificate_chain.h"
#include "protocol/auth/symmetric_key.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

// The one CA certificate in what an operator uploads, as DER.
Result<std::string> read_ca_certificate(const std::string& pem_or_der) {
  std::string der = pem_or_der;
  if (pem_or_der.find("-----BEGIN") != std::string::npos) {
    Result<std::vector<std::string>> blocks = pem_to_der(pem_or_der);
    if (!blocks) return blocks.error();
    if (blocks->size() != 1) return Error(Errc::argument_invalid, "give exactly one certificate");
    der = std::move(blocks->front());
  }
  const Result<CertificateFacts> facts = read_certificate(der);
  if (!facts) return facts.error();
  if (!facts->is_ca)
    return Error(Errc::argument_invalid, "the certificate is not one of a certificate authority");
  return der;
}

bool is_valid_name(const std::string& name) {
  return is_valid_id(name) && name.size() <= limits::kPolicyNameBytesMax;
}

}  // namespace

HubAdministration::HubAdministration(Executor& shard0, HubStore& store, HubSecurity initial, Publish publish)
    : shard0_(shard0), store_(store), current_(std::move(initial)), publish_(std::move(publish)) {}

void HubAdministration::list_ca_certificates(Reply<std::vector<CaCertificateRecord>> reply) {
  shard0_.post([this, reply = std::move(reply)]() mutable { reply(current_.ca_certificates); });
}

void HubAdministration::add_ca_certificate(std::string name, std::string pem_or_der,
                                           Reply<CaCertificateRecord> reply) {
  shard0_.post(
      [this, name = std::move(name), text = std::move(pem_or_der), reply = std::move(reply)]() mutable {
        if (waiting_.size() >= limits::kAdministrationQueueMax) {
          reply(Error(Errc::busy));
          return;
        }
        run([this, name = std::move(name), text = std::move(text), reply = std::move(reply)]() mutable {
          add(std::move(name), text, std::move(reply));
        });
      });
}

void HubAdministration::erase_ca_certificate(std::string name, Reply<void> reply) {
  shard0_.post([this, name = std::move(name), reply = std::move(reply)]() mutable {
    if (waiting_.size() >= limits::kAdministrationQueueMax) {
      reply(Error(Errc::busy));
      return;
    }
    run([this, name = std::move(name), reply = std::move(reply)]() mutable {
      erase(name, std::move(reply));
    });
  });
}

void HubAdministration::regenerate_policy_key(std::string name, PolicyKey key, Reply<AccessPolicy> reply) {
  shard0_.post([this, name = std::move(name), key, reply = std::move(reply)]() mutable {
    if (waiting_.size() >= limits::kAdministrationQueueMax) {
      reply(Error(Errc::busy));
      return;
    }
    run([this, name = std::move(name), key, reply = std::move(reply)]() mutable {
      regenerate(name, key, std::move(reply));
    });
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

void HubAdministration::add(std::string name, const std::string& pem_or_der,
                            Reply<CaCertificateRecord> reply) {
  const auto refuse = [&](Error error) {
    reply(std::move(error));
    done();
  };
  if (!is_valid_name(name))
    return refuse(Error(Errc::argument_invalid, "a name has 1 to 64 characters of an id"));
  Result<std::string> der = read_ca_certificate(pem_or_der);
  if (!der) return refuse(der.error());
  for (const CaCertificateRecord& known : current_.ca_certificates) {
    if (known.name == name) return refuse(Error(Errc::conflict, "a CA certificate has this name"));
    if (known.der == *der) return refuse(Error(Errc::conflict, "the certificate is there as " + known.name));
  }
  if (current_.ca_certificates.size() >= limits::kCaCertificatesMax) {
    return refuse(Error(Errc::argument_invalid, "a hub has at most 25 CA certificates"));
  }
  CaCertificateRecord record{std::move(name), std::move(*der), true, shard0_.wall_now()};
  store_.put_ca_certificate(
      record, Reply<void>(shard0_, [this, record, reply = std::move(reply)](Result<void> committed) mutable {
        if (!committed) {
          reply(committed.error());
          return done();
        }
        HubSecurity next = current_;
        next.ca_certificates.push_back(record);
        on_committed(std::move(next), [this, record = std::move(record), reply = std::move(reply)]() mutable {
          reply(std::move(record));
          done();
        });
      }));
}

void HubAdministration::erase(const std::string& name, Reply<void> reply) {
  const auto has_name = [name](const CaCertificateRecord& record) { return record.name == name; };
  const std::vector<CaCertificateRecord>& known = current_.ca_certificates;
  if (std::none_of(known.begin(), known.end(), has_name)) {
    reply(Error(Errc::not_found));
    return done();
  }
  store_.erase_ca_certificate(
      name, Reply<void>(shard0_, [this, has_name, reply = std::move(reply)](Result<void> committed) mutable {
        if (!committed) {
          reply(committed.error());
          return done();
        }
        HubSecurity next = current_;
        std::erase_if(next.ca_certificates, has_name);
        on_committed(std::move(next), [this, reply = std::move(reply)]() mutable {
          reply({});
          done();
        });
      }));
}

void HubAdministration::regenerate(const std::string& name, PolicyKey key, Reply<AccessPolicy> reply) {
  HubSecurity next = current_;
  const auto policy =
      std::find_if(next.policies.begin(), next.policies.end(),
                   [&](const AccessPolicy& known) { return equals_ignoring_case(known.name, name); });
  if (policy == next.policies.end()) {
    reply(unknown_policy());
    return done();
  }
  (key == PolicyKey::primary ? policy->primary_key : policy->secondary_key) = make_symmetric_key();
  std::vector<AccessPolicy> policies = next.policies;
  store_.put_policies(
      std::move(policies), Reply<void>(shard0_, [this, changed = *policy, next = std::move(next),
                                                 reply = std::move(reply)](Result<void> committed) mutable {
        if (!committed) {
          reply(committed.error());
          return done();
        }
        on_committed(std::move(next),
                     [this, changed = std::move(changed), reply = std::move(reply)]() mutable {
                       reply(std::move(changed));
                       done();
                     });
      }));
}

Error unknown_policy() { return Error(Errc::not_found, "no policy has this name"); }

}  // namespace kyanite
