#pragma once

#include <rocksdb/status.h>

#include <string>
#include <string_view>

#include "protocol/base/error.h"

namespace kyanite {

inline Error storage_error(std::string_view doing, const rocksdb::Status& status) {
  return Error(Errc::storage_failed, std::string(doing) + ": " + status.ToString());
}

}  // namespace kyanite
