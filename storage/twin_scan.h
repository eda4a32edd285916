#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "protocol/base/result.h"
#include "storage/record_codec.h"

// Walking over committed identities with their twins, without building what nobody asks for.
namespace kyanite {

// One identity of a scan, valid during the visit. What is not asked for is not read and not decoded.
class ScannedIdentity {
 public:
  virtual ~ScannedIdentity() = default;
  virtual const Identity& id() const = 0;
  // Errors: Errc::storage_failed.
  virtual Result<IdentityRecord> record() = 0;
  virtual Result<TwinRecord> twin(const TwinTexts& wanted) = 0;
  virtual Result<std::uint64_t> c2d_messages() = 0;  // queued; 0 for modules
  // What was read for it so far.
  virtual std::size_t bytes() const = 0;
};

// What a scan does with each identity. It runs on a thread of the engine and shares nothing with others: it
// travels with the scan and comes back with its answer.
class IdentityVisitor {
 public:
  virtual ~IdentityVisitor() = default;
  // False ends the scan behind this identity.
  virtual bool visit(ScannedIdentity& identity) = 0;
};

// One turn of a scan: devices or modules in id order, first the one after `after`, which need not exist.
struct IdentityScan {
  bool modules = false;
  Identity after;  // empty: from the start
  std::unique_ptr<IdentityVisitor> visitor;
  // Looked at in this turn; one row at least. Engines with threads end a turn by time as well.
  std::size_t rows_max = 0;
  std::size_t bytes_max = 0;
};

struct IdentityScanned {
  std::unique_ptr<IdentityVisitor> visitor;
  Identity last;        // looked at last: where the next turn begins; `after` when there was none
  bool at_end = false;  // nothing stands behind it
};

}  // namespace kyanite
