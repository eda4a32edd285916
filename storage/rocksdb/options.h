#pragma once

#include <rocksdb/options.h>

namespace kyanite {

// How RocksDB is tuned, with the reasons beside each setting.
rocksdb::DBOptions database_options();
rocksdb::ColumnFamilyOptions record_family_options();     // what is read by its key
rocksdb::ColumnFamilyOptions queue_family_options();      // messages and feedback: rows that live shortly
rocksdb::ColumnFamilyOptions telemetry_family_options();  // growing keys, read in order, cut at the old end

}  // namespace kyanite
