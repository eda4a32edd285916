// Writes to a store until it is killed, and says on stdout what was acknowledged: one line "T <writer>
// <sequence>" for a telemetry record, "I <sequence>" for an identity, and of the device "queue" "C
// <sequence>" for a message appended, "S <sequence>" for one settled, "W <version>" for its twin. Run by
// process_kill_test.cpp.

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "storage/rocksdb/rocksdb_stores.h"
#include "tests/support/store_helpers.h"

namespace kyanite {
namespace {

void say(const std::string& lines) {
  // A pipe takes up to PIPE_BUF bytes at once or not at all; longer texts only need to keep their lines in
  // order.
  for (std::size_t at = 0; at < lines.size();) {
    const ssize_t written = ::write(STDOUT_FILENO, lines.data() + at, lines.size() - at);
    if (written < 0) std::_Exit(2);
    at += static_cast<std::size_t>(written);
  }
}

class SayingSink final : public TelemetryAckSink {
 public:
  explicit SayingSink(std::uint32_t writer) : prefix_("T " + std::to_string(writer) + " ") {}
  void on_committed(std::vector<Ack> acks) override {
    std::string lines;
    for (const Ack& ack : acks) lines += prefix_ + std::to_string(ack.sequence) + "\n";
    say(lines);
    acknowledged_ += acks.size();
  }
  std::uint64_t acknowledged() const { return acknowledged_; }

 private:
  const std::string prefix_;
  std::atomic<std::uint64_t> acknowledged_ = 0;
};

// Appends messages to one queue and settles each, with feedback, once five are behind it; between the two it
// puts the twin, with an event in partition 3.
void drive_device(Stores& stores) {
  constexpr std::uint64_t kBehind = 5;
  ManualExecutor home;
  TwinRecord twin;
  for (std::uint64_t sequence = 1;; ++sequence) {
    const std::string number = std::to_string(sequence);
    if (!append_message(home, stores, make_message("queue", sequence, number))) std::_Exit(3);
    say("C " + number + "\n");
    const std::uint64_t seen = twin.version++;
    twin.desired = "{\"v\":" + std::to_string(twin.version) + "}";
    if (!put_twin(home, stores, {{"queue", ""}, twin, seen, {make_append(3, "queue", 0, "", false)}})) {
      std::_Exit(3);
    }
    say("W " + std::to_string(twin.version) + "\n");
    if (sequence <= kBehind) continue;
    const std::uint64_t done = sequence - kBehind;
    const FeedbackRecord feedback{0, std::to_string(done), kNever, FeedbackStatus::success, "queue", "1"};
    if (!settle(home, stores, {"queue", {done}, {{done + 1, 1, true}}, {feedback}})) std::_Exit(3);
    say("S " + std::to_string(done) + "\n");
  }
}

int run(const char* directory, const std::string& durability) {
  Settings::Storage settings;
  settings.free_bytes_floor = 0;  // whatever the machine has
  settings.durability = durability == "os" ? Durability::os : Durability::fsync;
  auto opened = open_rocksdb_stores(directory, settings, {});
  if (!opened) return 1;
  Stores& stores = **opened;
  ManualExecutor home;
  if (!create(home, stores, make_identity("queue"))) return 1;
  std::vector<std::thread> writers;
  for (std::uint32_t w = 0; w < 3; ++w) {
    writers.emplace_back([&stores, w] {
      SayingSink sink(w);
      for (std::uint64_t next = 0;;) {
        TelemetryBatch batch{&sink, {}};
        for (int i = 0; i < 10; ++i, ++next) {
          batch.appends.push_back(make_append(w, "writer" + std::to_string(w), next, std::to_string(next)));
        }
        stores.telemetry().append(std::move(batch));
        while (next > sink.acknowledged() + 200) std::this_thread::yield();
      }
    });
  }
  writers.emplace_back([&stores] { drive_device(stores); });
  for (std::uint64_t i = 0;; ++i) {
    if (!create(home, stores, make_identity("d" + std::to_string(i)))) return 1;
    say("I " + std::to_string(i) + "\n");
  }
}

}  // namespace
}  // namespace kyanite

int main(int argc, char** argv) { return argc == 3 ? kyanite::run(argv[1], argv[2]) : 1; }
