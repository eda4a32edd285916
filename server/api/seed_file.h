#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "config/problem.h"
#include "server/api/configuration_item.h"
#include "server/hub/registry_item.h"

// The start file: identities that shall be there when the hub is ready, in the item form of bulk requests and
// exports (service-rest.md 4.9), and configurations in the form of their PUT (9.2). Either a JSON array of
// items or an item a line.
namespace kyanite {

inline constexpr std::size_t kSeedBytesMax = 256 * 1024 * 1024;
inline constexpr std::size_t kSeedProblemsMax = 100;  // more are counted only

struct SeedItem {
  std::size_t line = 0;  // where it begins, from 1
  RegistryItem item;
};

struct SeedConfiguration {
  std::size_t line = 0;
  ConfigurationItem item;
};

struct Seed {
  std::vector<SeedItem> items;  // devices first, then modules; each in the order of the file
  std::vector<SeedConfiguration> configurations;
  bool empty() const { return items.empty() && configurations.empty(); }
};

struct SeedFile : Seed {
  Problems problems;  // `where` is "line 12"; empty: the items may be applied
};

// Finds everything that is wrong with the file itself: syntax, items that break the rules, modes of
// identities other than create and createOrUpdate, identities and configurations listed twice.
SeedFile parse_seed_file(std::string_view text);

// "line 12"
std::string seed_line(std::size_t line);

}  // namespace kyanite
