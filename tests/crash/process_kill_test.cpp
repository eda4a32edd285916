#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>
#include <sstream>

#include "storage/rocksdb/rocksdb_stores.h"
#include "tests/support/store_helpers.h"

// A process that writes as fast as it can is killed at a random moment; the store is opened here and compared
// with what the process said was acknowledged.
namespace kyanite {
namespace {

struct Acknowledged {
  std::map<std::uint32_t, std::uint64_t> telemetry;  // writer to number of records
  std::uint64_t identities = 0;
  // Of the device "queue".
  std::uint64_t appended = 0;
  std::uint64_t settled = 0;
  std::uint64_t twin_version = 2;
};

// Runs the writer on the directory and kills it after about so many lines.
Acknowledged write_and_kill(const std::filesystem::path& directory, const char* durability,
                            std::size_t lines) {
  int pipe[2];
  EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  std::string program = KYANITE_STORE_WRITER;
  std::string path = directory.string();
  std::string mode = durability;
  char* arguments[] = {program.data(), path.data(), mode.data(), nullptr};
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);

  std::string said;
  std::size_t seen = 0;
  char buffer[65536];
  for (ssize_t got = 0; (got = ::read(pipe[0], buffer, sizeof buffer)) > 0;) {
    said.append(buffer, static_cast<std::size_t>(got));
    const auto before = seen;
    seen += static_cast<std::size_t>(std::count(buffer, buffer + got, '\n'));
    if (before < lines && seen >= lines) ::kill(child, SIGKILL);
  }
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";

  Acknowledged acknowledged;
  said.erase(said.rfind('\n') + 1);  // the last line may be cut
  std::istringstream input(said);
  for (std::string kind; input >> kind;) {
    std::uint64_t number = 0;
    if (kind == "T") {
      std::uint32_t writer = 0;
      input >> writer >> number;
      EXPECT_EQ(number, acknowledged.telemetry[writer]++) << "acknowledged out of order";
    } else if (kind == "I") {
      input >> number;
      EXPECT_EQ(number, acknowledged.identities++);
    } else {
      input >> number;
      std::uint64_t& last = kind == "C"   ? acknowledged.appended
                            : kind == "S" ? acknowledged.settled
                                          : acknowledged.twin_version;
      EXPECT_EQ(number, ++last) << kind;
    }
  }
  return acknowledged;
}

// What drive_device() of store_writer.cpp did last may have been committed without being acknowledged.
void check_device(ManualExecutor& home, Stores& stores, const Acknowledged& acknowledged) {
  const auto device = load(home, stores, "queue");
  ASSERT_TRUE(device) << device.error().detail;
  const std::uint64_t appended = device->next_c2d_sequence - 1;
  EXPECT_GE(appended, acknowledged.appended);
  EXPECT_LE(appended, acknowledged.appended + 1);
  const std::uint64_t settled = device->c2d.empty() ? 0 : device->c2d.front().sequence - 1;
  EXPECT_GE(settled, acknowledged.settled) << "a settled message came back";
  EXPECT_LE(settled, acknowledged.settled + 1);
  EXPECT_EQ(device->c2d.size(), appended - settled);
  const auto messages = read_messages(home, stores, "queue");
  ASSERT_TRUE(messages) << messages.error().detail;
  ASSERT_EQ(messages->size(), appended - settled);
  for (std::size_t i = 0; i < messages->size(); ++i) {
    EXPECT_EQ((*messages)[i].body, std::to_string(settled + 1 + i));
    EXPECT_EQ((*messages)[i].header.delivery_count, settled > 0 && i == 0 ? 1u : 0u);
  }
  const auto feedback = await<std::vector<FeedbackRecord>>(
      home, [&](auto reply) { stores.feedback().read(0, 1'000'000, std::move(reply)); });
  ASSERT_TRUE(feedback);
  EXPECT_EQ(feedback->size(), settled);
  for (std::size_t i = 0; i < feedback->size(); ++i) EXPECT_EQ((*feedback)[i].sequence, i + 1);

  const auto twin = load_twin(home, stores, {"queue", ""});
  ASSERT_TRUE(twin);
  EXPECT_GE(twin->version, acknowledged.twin_version);
  EXPECT_LE(twin->version, acknowledged.twin_version + 1);
  EXPECT_EQ(stores.telemetry().range(PartitionId{3}).end.value, twin->version - 2)
      << "events and puts differ";
}

void check_store(const std::filesystem::path& directory, const Acknowledged& acknowledged) {
  ManualExecutor home;
  Settings::Storage settings;
  settings.free_bytes_floor = 0;  // whatever the machine has
  auto opened = open_rocksdb_stores(directory, settings, {});
  ASSERT_TRUE(opened) << opened.error().detail;
  Stores& stores = **opened;
  for (std::uint32_t writer = 0; writer < 3; ++writer) {
    std::uint64_t found = 0;
    for (;;) {
      const auto page = read_page(home, stores, writer, found);
      ASSERT_TRUE(page) << page.error().detail;
      if (page->records.empty()) break;
      for (const TelemetryRecord& record : page->records) {
        ASSERT_EQ(record.offset.value, found);
        ASSERT_EQ(record.body, std::to_string(found));
        ASSERT_EQ(record.sender.device, "writer" + std::to_string(writer));
        ++found;
      }
    }
    const auto known = acknowledged.telemetry.find(writer);
    const std::uint64_t promised = known == acknowledged.telemetry.end() ? 0 : known->second;
    EXPECT_GE(found, promised);
    EXPECT_LE(found, promised + 10000) << "records were invented";
  }
  const std::uint64_t devices = counts(home, stores)->devices;
  EXPECT_GE(devices, acknowledged.identities + 1);  // and the device "queue"
  EXPECT_LE(devices, acknowledged.identities + 2);
  check_device(home, stores, acknowledged);
  std::uint64_t scanned = 0;
  for (std::string after;;) {
    const auto page = await<std::vector<IdentityRecord>>(
        home, [&](auto reply) { stores.identities().scan(after, 500, std::move(reply)); });
    if (page->empty()) break;
    scanned += page->size();
    after = page->back().id.device;
  }
  EXPECT_EQ(scanned, devices);
}

class ProcessKill : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Durability, ProcessKill, testing::Values("fsync", "os"),
                         [](const auto& mode) { return mode.param; });

TEST_P(ProcessKill, everything_acknowledged_is_there_in_order_and_nothing_is_invented) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 3; ++round) {
    TemporaryDirectory directory;
    const std::size_t lines = 1 + random() % 8000;
    SCOPED_TRACE(lines);
    const Acknowledged acknowledged = write_and_kill(directory.path() / "store", GetParam(), lines);
    check_store(directory.path() / "store", acknowledged);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace kyanite
