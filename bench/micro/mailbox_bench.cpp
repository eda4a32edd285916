// What a hop between shards costs, in processor time of both sides: bursts through our mailbox (posted one by
// one, and as a group) against bare asio::post, at several burst sizes, and the round trip between two idle
// shards. Decisions resting on it: architecture.md section 1, "between shards". Processor time, because it is
// hardly moved by what else the machine does.
#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "server/runtime/shard_group.h"

namespace {

using kyanite::Shard;
using kyanite::ShardGroup;
using kyanite::Task;
using Clock = std::chrono::steady_clock;

constexpr int kMessages = 2'000'000;
constexpr int kRoundTrips = 20'000;
constexpr int kRounds = 5;

double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Two loops, whatever they are made of: `send` posts a burst of one-word messages from the first to the
// second, `answer` one message back. A burst is on its way at a time, as when a commit thread answers a
// shard. Gives ns a message.
double bursts(int burst, const std::function<void(Task)>& answer,
              const std::function<void(std::uint64_t& sum, Task last)>& send) {
  std::uint64_t sum = 0;
  int left = kMessages / burst;
  std::promise<void> done;
  std::function<void()> next = [&] {
    if (left-- == 0) return done.set_value();
    send(sum, [&] { answer([&] { next(); }); });
  };
  const double start = processor_seconds();
  answer([&] { next(); });
  done.get_future().wait();
  return (processor_seconds() - start) * 1e9 / (static_cast<double>(kMessages / burst) * burst);
}

double by_post(int burst) {
  ShardGroup group(2);
  group.start();
  return bursts(
      burst, [&](Task task) { group.shard(0).post(std::move(task)); },
      [&](std::uint64_t& sum, Task last) {
        for (int i = 1; i < burst; ++i) group.shard(1).post([&sum] { ++sum; });
        group.shard(1).post(std::move(last));
      });
}

double by_post_all(int burst) {
  ShardGroup group(2);
  group.start();
  return bursts(
      burst, [&](Task task) { group.shard(0).post(std::move(task)); },
      [&](std::uint64_t& sum, Task last) {
        std::vector<Task> tasks;
        tasks.reserve(static_cast<std::size_t>(burst));
        for (int i = 1; i < burst; ++i) tasks.emplace_back([&sum] { ++sum; });
        tasks.push_back(std::move(last));
        group.shard(1).post_all(std::move(tasks));
      });
}

double by_asio_post(int burst) {
  boost::asio::io_context first(1);
  boost::asio::io_context second(1);
  auto first_work = boost::asio::make_work_guard(first);
  auto second_work = boost::asio::make_work_guard(second);
  std::thread first_thread([&] { first.run(); });
  std::thread second_thread([&] { second.run(); });
  const double result = bursts(
      burst, [&](Task task) { boost::asio::post(first, std::move(task)); },
      [&](std::uint64_t& sum, Task last) {
        for (int i = 1; i < burst; ++i) boost::asio::post(second, [&sum] { ++sum; });
        boost::asio::post(second, std::move(last));
      });
  first_work.reset();
  second_work.reset();
  first_thread.join();
  second_thread.join();
  return result;
}

struct RoundTrips {
  double p50_us = 0;
  double p99_us = 0;
};

// There and back between two shards that have nothing else to do: mostly two wake-ups.
RoundTrips idle_round_trips() {
  ShardGroup group(2);
  group.start();
  std::vector<double> times;
  times.reserve(kRoundTrips);
  std::promise<void> done;
  std::function<void()> next = [&] {
    const auto start = Clock::now();
    group.shard(1).post([&, start] {
      group.shard(0).post([&, start] {
        times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
        if (times.size() == kRoundTrips) return done.set_value();
        next();
      });
    });
  };
  group.shard(0).post([&] { next(); });
  done.get_future().wait();
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main() {
  std::printf("hop between two shards, processor ns a message, median of %d rounds of %d messages\n", kRounds,
              kMessages);
  std::printf("%8s %14s %18s %12s\n", "burst", "Shard::post", "Shard::post_all", "asio::post");
  for (const int burst : {16, 64, 256, 1024}) {
    std::vector<double> single;
    std::vector<double> grouped;
    std::vector<double> bare;
    for (int round = 0; round < kRounds; ++round) {
      single.push_back(by_post(burst));
      grouped.push_back(by_post_all(burst));
      bare.push_back(by_asio_post(burst));
    }
    std::printf("%8d %14.1f %18.1f %12.1f\n", burst, median(single), median(grouped), median(bare));
    std::fflush(stdout);
  }
  const RoundTrips trips = idle_round_trips();
  std::printf("idle round trip, 2 shards: p50 %.1f us, p99 %.1f us\n", trips.p50_us, trips.p99_us);
}
