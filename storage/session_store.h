#pragma once

#include "protocol/base/reply.h"
#include "storage/records.h"

namespace kyanite {

// SessionStore keeps the durable sessions; they are read with their device (IdentityStore::load).
//
// Owner: Stores. Replies promise what those of IdentityStore do. Errors: Errc::storage_failed, busy,
// device_not_found, module_not_found.
class SessionStore {
 public:
  virtual ~SessionStore() = default;
  // Replaces the session of the identity; one without subscriptions is removed.
  virtual void put(SessionRecord session, Reply<void> reply) = 0;
};

}  // namespace kyanite
