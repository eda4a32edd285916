#pragma once

#include "storage/rocksdb/database.h"
#include "storage/twin_scan.h"

namespace kyanite {

// A turn of a scan on the calling thread, which may block. Beside the bounds of the scan it ends after ten
// milliseconds, so that other reads get their turn however dear the visitor is.
Result<IdentityScanned> scan_identities(Database& database, IdentityScan scan);

}  // namespace kyanite
