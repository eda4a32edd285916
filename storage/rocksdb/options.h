#pragma once

#include <rocksdb/options.h>

namespace kyanite {

// How RocksDB is tuned, with the reasons beside each setting.
rocksdb::DBOptions database_options();
rocksdb::ColumnFamilyOptions record_family_options();     // identities, twins, hub-wide records: point reads
rocksdb::ColumnFamilyOptions telemetry_family_options();  // growing keys, read in order, cut at the old end

}  // namespace kyanite
