#pragma once

#include "protocol/base/reply.h"

namespace kyanite {

// Where the key set of the issuer of bearer tokens is fetched from anew, when a token names a key that is not
// in it: issuers change their keys from time to time.
//
// Threads: any may ask.
class BearerKeySource {
 public:
  virtual ~BearerKeySource() = default;
  // Answered when every shard has what came. Errors: busy when it was fetched a moment ago, io_failed.
  virtual void fetch(Reply<void> reply) = 0;
};

}  // namespace kyanite
