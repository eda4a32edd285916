#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

namespace kyanite {

// Looks at a store that no hub uses, and changes nothing: the checksums of all tables, then every record by
// itself, then what records say of each other.
//
// Bound: memory does not grow with the store; findings are told as they come and not kept.
struct StoreCheckHooks {
  // What was found wrong: "identity d1", "the twin is missing". Called as it is found.
  std::function<void(const std::string& where, const std::string& what)> on_finding;
  // What is worth knowing and not wrong.
  std::function<void(const std::string& text)> on_note;
  // What is looked at now, and how much of it is done: "tables", 3, 17. Total 0: not known.
  std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)> on_progress;
};

struct StoreCounts {
  std::uint32_t format_version = 0;
  std::uint32_t partitions = 0;
  std::uint64_t tables = 0;
  std::uint64_t table_bytes = 0;
  std::uint64_t devices = 0;
  std::uint64_t modules = 0;
  std::uint64_t twins = 0;
  std::uint64_t sessions = 0;
  std::uint64_t c2d_messages = 0;
  std::uint64_t feedback = 0;
  std::uint64_t documents = 0;
  std::uint64_t events = 0;  // in the telemetry log
};

// Errors: those of ReadOnlyStore::open(), when nothing can be looked at.
Result<StoreCounts> check_store(const std::filesystem::path& directory, const StoreCheckHooks& hooks);

// The same numbers without reading every record: estimates of the engine, where it has no exact ones.
Result<StoreCounts> estimate_store(const std::filesystem::path& directory);

}  // namespace kyanite
