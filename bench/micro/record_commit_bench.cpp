// What the store takes of the control path with group commit (architecture section 1, "Commit"): twins put,
// and cloud-to-device messages appended and then settled with feedback, with so many devices that each have
// one write waiting. Run: record_commit_bench [DIRECTORY]; the directory should be on the disk in question.
// Bounded to about twenty seconds.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "storage/rocksdb/rocksdb_stores.h"
#include "tests/support/store_helpers.h"

namespace kyanite {
namespace {

constexpr double kSecondsEach = 1.5;
constexpr std::size_t kBodyBytes = 256;
constexpr std::size_t kTwinBytes = 1024;  // of the documents; metadata are as long again

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string device_name(std::size_t slot) { return "device-" + std::to_string(slot); }

// Each device has one operation under way; its end begins the next.
class Devices {
 public:
  using Begin = std::function<void(std::size_t slot, Reply<void> done)>;

  Devices(ManualExecutor& home, std::size_t count, Begin begin)
      : home_(home), begin_(std::move(begin)), started_(count) {}

  void run() {
    const double start = now_seconds();
    const double cpu = cpu_seconds();
    until_ = start + kSecondsEach;
    for (std::size_t slot = 0; slot < started_.size(); ++slot) next(slot);
    if (!home_.run_until([&] { return under_way_ == 0; }, seconds(60))) std::puts("no answer");
    elapsed_ = now_seconds() - start;
    cpu_ = cpu_seconds() - cpu;
  }
  void print(const std::string& name) {
    std::sort(latencies_.begin(), latencies_.end());
    const double count = static_cast<double>(latencies_.size());
    const auto at = [&](double quantile) {
      return latencies_[static_cast<std::size_t>(quantile * (count - 1))] * 1000;
    };
    std::printf("%-44s %10.0f /s   p50 %7.2f ms   p99 %7.2f ms   %6.1f us CPU each%s\n", name.c_str(),
                count / elapsed_, at(0.5), at(0.99), cpu_ * 1e6 / count, failed_ ? "   FAILED" : "");
  }

 private:
  void next(std::size_t slot) {
    started_[slot] = now_seconds();
    ++under_way_;
    begin_(slot, Reply<void>(home_, [this, slot](Result<void> done) {
             const double now = now_seconds();
             --under_way_;
             latencies_.push_back(now - started_[slot]);
             if (!done) failed_ = true;
             if (now < until_ && !failed_) next(slot);
           }));
  }

  ManualExecutor& home_;
  const Begin begin_;
  std::vector<double> started_;
  std::vector<double> latencies_;
  std::size_t under_way_ = 0;
  bool failed_ = false;
  double until_ = 0;
  double elapsed_ = 0;
  double cpu_ = 0;
};

bool make_devices(ManualExecutor& home, Stores& stores, std::size_t count) {
  IdentityChange change;
  for (std::size_t slot = 0; slot < count; ++slot)
    change.writes.push_back(creation(make_identity(device_name(slot))));
  return commit(home, stores, std::move(change)).has_value();
}

void put_twins(ManualExecutor& home, Stores& stores, std::size_t count, const std::string& name) {
  TwinRecord twin;
  twin.desired = R"({"text":")" + std::string(kTwinBytes / 2, 'x') + R"("})";
  twin.reported = twin.desired;
  twin.desired_metadata = R"({"text":{"$lastUpdated":")" + std::string(kTwinBytes / 2, 'x') + R"("}})";
  twin.reported_metadata = twin.desired_metadata;
  std::vector<std::uint64_t> versions(count, 2);
  Devices devices(home, count, [&](std::size_t slot, Reply<void> done) {
    TwinWrite write{{device_name(slot), ""}, twin, versions[slot], {}};
    write.twin.version = ++versions[slot];
    stores.twins().put(std::move(write), std::move(done));
  });
  devices.run();
  devices.print("twin put, " + name);
}

void pass_messages(ManualExecutor& home, Stores& stores, std::size_t count, const std::string& name) {
  const std::string body(kBodyBytes, 'x');
  std::vector<std::uint64_t> sequences(count, 1);
  Devices devices(home, count, [&](std::size_t slot, Reply<void> done) {
    const std::uint64_t sequence = sequences[slot]++;
    stores.c2d().append(
        make_message(device_name(slot), sequence, body),
        Reply<void>(home, [&, slot, sequence, done = std::move(done)](Result<void> appended) mutable {
          if (!appended) return done(std::move(appended));
          FeedbackRecord feedback{0, "m", kNever, FeedbackStatus::success, device_name(slot), "1"};
          stores.c2d().settle({device_name(slot), {sequence}, {}, {std::move(feedback)}}, std::move(done));
        }));
  });
  devices.run();
  devices.print("C2D append, then settle, " + name);
}

void run(const std::filesystem::path& directory) {
  std::printf("twins of %zu bytes and as much metadata, messages of %zu bytes, directory %s\n", kTwinBytes,
              kBodyBytes, directory.c_str());
  for (const Durability durability : {Durability::fsync, Durability::os}) {
    for (const std::size_t count : {1u, 16u, 256u, 4096u}) {
      if (durability == Durability::os && count < 256) continue;
      Settings::Storage settings;
      settings.durability = durability;
      std::filesystem::remove_all(directory);
      auto opened = open_rocksdb_stores(directory, settings, {});
      if (!opened) return void(std::printf("cannot open: %s\n", opened.error().detail.c_str()));
      ManualExecutor home;
      if (!make_devices(home, **opened, count)) return void(std::puts("cannot make the devices"));
      const std::string name =
          std::string(durability == Durability::os ? "os, " : "fsync, ") + std::to_string(count) + " waiting";
      put_twins(home, **opened, count, name);
      pass_messages(home, **opened, count, name);
      (*opened)->close();
    }
  }
}

}  // namespace
}  // namespace kyanite

int main(int argc, char** argv) {
  const std::filesystem::path directory =
      argc > 1 ? std::filesystem::path(argv[1]) / "record-commit"
               : std::filesystem::temp_directory_path() / "kyanite-record-commit-bench";
  kyanite::run(directory);
  std::filesystem::remove_all(directory);
  return 0;
}
