#include "server/runtime/shard_group.h"

#include <pthread.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

namespace kyanite {
namespace {

// Nothing may escape a shard: what is thrown here was not foreseen, so the state is unknown and the process
// ends.
[[noreturn]] void fail_stop(unsigned index, const char* what) {
  std::string text;
  for (const char c : std::string(what))
    text += (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) ? '\'' : c;
  std::fprintf(stderr, "{\"level\":\"fatal\",\"event\":\"shard_failed\",\"shard\":%u,\"error\":\"%s\"}\n",
               index, text.c_str());
  std::abort();
}

void run_shard(Shard& shard) {
  // The kernel keeps 15 characters.
  const std::string name = "kyanite-shard-" + std::to_string(shard.index());
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  try {
    shard.run();
  } catch (const std::exception& error) {
    fail_stop(shard.index(), error.what());
  } catch (...) {
    fail_stop(shard.index(), "unknown exception");
  }
}

}  // namespace

ShardGroup::ShardGroup(unsigned count, const HubClock* clock) {
  if (count == 0) count = std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < count; ++i) shards_.push_back(std::make_unique<Shard>(i, clock));
}

ShardGroup::~ShardGroup() {
  stop();
  join();
}

void ShardGroup::start() {
  KYANITE_ASSERT(threads_.empty() && !stop_asked_);
  for (auto& shard : shards_) threads_.emplace_back([&shard = *shard] { run_shard(shard); });
}

void ShardGroup::stop() {
  if (std::exchange(stop_asked_, true) || threads_.empty()) return;
  for (auto& shard : shards_) shard->stop();
}

void ShardGroup::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  // Dropping one shard's task may post to another, so go round until all are empty.
  for (bool any = true; any;) {
    any = false;
    for (auto& shard : shards_) any = shard->discard() || any;
  }
}

}  // namespace kyanite
