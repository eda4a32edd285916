// What queries cost over many devices: the first page and COUNT of typical conditions, through QueryService
// and the store on disk, without HTTP (spec service-rest.md 6). The devices with their tags are written
// straight into the store. Run: query_bench [DEVICES [DIRECTORY]]; 100,000 devices unless said otherwise.
// Bounded to about a minute.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "server/hub/device_directory.h"
#include "server/hub/hub_events.h"
#include "server/hub/query_service.h"
#include "storage/rocksdb/rocksdb_stores.h"
#include "tests/support/store_helpers.h"

namespace kyanite {
namespace {

constexpr std::size_t kSites = 100;
constexpr int kRepetitions = 7;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// A twin as a small fleet has it: three tags, some desired and reported properties with their metadata.
IdentityChange::Write device_of(std::size_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "device-%07zu", number);
  IdentityChange::Write write = creation(make_identity(name));
  write.record.secondary_key = write.record.primary_key;
  write.new_twin->tags = R"({"site":"site-)" + std::to_string(number % kSites) + R"(","floor":)" +
                         std::to_string(number % 7) + R"(,"owner":{"team":"blue"}})";
  write.new_twin->desired = R"({"interval":30,"threshold":{"low":1.5,"high":9.5}})";
  write.new_twin->reported = R"({"firmware":"1.2.3","battery":)" + std::to_string(number % 100) +
                             R"(,"telemetryConfig":{"status":"success"}})";
  return write;
}

bool make_devices(ManualExecutor& home, Stores& stores, std::size_t count) {
  constexpr std::size_t kAtOnce = 500;
  for (std::size_t first = 0; first < count; first += kAtOnce) {
    IdentityChange change;
    for (std::size_t i = first; i < std::min(first + kAtOnce, count); ++i)
      change.writes.push_back(device_of(i));
    if (!commit(home, stores, std::move(change))) return false;
  }
  return true;
}

// One shard of a hub in which nobody is connected.
struct Shard {
  Shard(ManualExecutor& home, Stores& stores)
      : events(home, stores.telemetry(), settings, "hub", 1),
        directory({home, stores, settings, events}, std::make_shared<const HubSecurity>()),
        router({{&home, &directory, nullptr}}),
        queries(home, router, stores) {}

  Settings settings;
  HubEvents events;
  DeviceDirectory directory;
  DeviceRouter router;
  QueryService queries;
};

void measure(ManualExecutor& home, QueryService& queries, const std::string& text) {
  std::vector<double> times;
  std::size_t rows = 0;
  double cpu = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const double start = now_seconds();
    const double cpu_before = cpu_seconds();
    const Result<QueryPage> page = await<QueryPage>(home, [&](Reply<QueryPage> reply) {
      queries.query({text, std::nullopt, 100}, std::move(reply));
    });
    times.push_back((now_seconds() - start) * 1000);
    cpu += (cpu_seconds() - cpu_before) * 1000 / kRepetitions;
    if (!page) return void(std::printf("%-86s failed: %s\n", text.c_str(), page.error().detail.c_str()));
    rows = page->rows.size();
  }
  std::sort(times.begin(), times.end());
  std::printf("%-86s %5zu rows   median %8.2f ms   worst %8.2f ms   CPU %8.2f ms\n", text.c_str(), rows,
              times[times.size() / 2], times.back(), cpu);
}

void run(std::size_t count, const std::filesystem::path& directory) {
  std::filesystem::remove_all(directory);
  Settings::Storage settings;
  settings.durability = Durability::os;
  {
    auto opened = open_rocksdb_stores(directory, settings, {});
    if (!opened) return void(std::printf("cannot open: %s\n", opened.error().detail.c_str()));
    ManualExecutor home;
    if (!make_devices(home, **opened, count)) return void(std::puts("cannot make the devices"));
    (*opened)->close();
  }
  auto opened = open_rocksdb_stores(directory, settings, {});  // as after a start of the hub
  if (!opened) return void(std::printf("cannot open: %s\n", opened.error().detail.c_str()));
  ManualExecutor home;
  {
    Shard shard(home, **opened);
    std::printf("%zu devices, pages of 100, directory %s\n", count, directory.c_str());
    for (const char* text :
         {"SELECT * FROM devices", "SELECT * FROM devices WHERE tags.site = 'site-7'",
          "SELECT deviceId FROM devices WHERE tags.site = 'site-7' AND tags.floor = 3",
          "SELECT * FROM devices WHERE tags.site = 'nowhere'",
          "SELECT deviceId FROM devices WHERE connectionState = 'Connected'",
          "SELECT deviceId FROM devices WHERE properties.reported.battery > 97",
          "SELECT COUNT() AS n FROM devices", "SELECT COUNT() AS n FROM devices WHERE tags.site = 'site-7'",
          "SELECT COUNT() AS n FROM devices WHERE connectionState = 'Connected'",
          "SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site"}) {
      measure(home, shard.queries, text);
    }
  }
  (*opened)->close();
}

}  // namespace
}  // namespace kyanite

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
  const std::filesystem::path directory =
      argc > 2 ? std::filesystem::path(argv[2]) / "query-bench"
               : std::filesystem::temp_directory_path() / "kyanite-query-bench";
  kyanite::run(std::clamp<std::size_t>(count, 1, 1'000'000), directory);
  std::filesystem::remove_all(directory);
  return 0;
}
