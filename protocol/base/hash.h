#pragma once

#include <cstdint>
#include <string_view>

namespace kyanite {

// Our own fixed hash (FNV-1a, 64 bits, finished with a murmur mix). Partitions of telemetry on disk and the
// owner shard of a device depend on it: it must never change.
constexpr std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ULL;
  }
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdULL;
  hash ^= hash >> 33;
  return hash;
}

}  // namespace kyanite
