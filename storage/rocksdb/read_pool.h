#pragma once

// Shared between threads: any shard submits, the readers take; one mutex guards the queue.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "protocol/base/reply.h"

namespace kyanite {

// ReadPool runs reads that may block on its own threads, and a housekeeping task every so often on one of
// them. Housekeeping that throws ends for good and is told to on_fatal: without it the disk would fill up
// unnoticed.
//
// Owner: RocksdbStores. Reply: run() answers what the work returns. Bound: `capacity` waiting reads, then
// Errc::busy; housekeeping never runs twice at a time. on_read_failure hears of each read that could not be
// done because something of the store is damaged, before whoever asked.
class ReadPool {
 public:
  struct Options {
    std::size_t threads = 2;
    std::size_t capacity = 1024;
    milliseconds housekeeping_interval{1000};
  };
  ReadPool(Options options, std::function<void()> housekeeping,
           std::function<void(const Error&)> on_fatal = nullptr,
           std::function<void(const Error&)> on_read_failure = nullptr);
  ~ReadPool();

  template <class T>
  void run(Reply<T> reply, UniqueFunction<Result<T>()> work) {
    Job job = [this, reply = std::move(reply), work = std::move(work)](const Error* refusal) mutable {
      if (refusal) return reply(*refusal);
      Result<T> answer = answer_of<T>(work);
      if (!answer && answer.error().code == Errc::storage_failed && on_read_failure_)
        on_read_failure_(answer.error());
      reply(std::move(answer));
    };
    submit(std::move(job));
  }

  std::size_t waiting() const;  // any thread

  // Answers what waits, ends the threads. Later reads are answered shutting_down.
  void close();

 private:
  using Job = UniqueFunction<void(const Error* refusal)>;
  // What a library throws (no memory, a record it cannot take) fails this read alone.
  template <class T>
  static Result<T> answer_of(UniqueFunction<Result<T>()>& work) {
    try {
      return work();
    } catch (const std::exception& thrown) {
      return Error(Errc::storage_failed, std::string("a read: ") + thrown.what());
    }
  }
  void submit(Job job);
  void work(bool housekeeper);
  bool keep_house();  // false: it failed

  const Options options_;
  const std::function<void()> housekeeping_;
  const std::function<void(const Error&)> on_fatal_;
  const std::function<void(const Error&)> on_read_failure_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> waiting_;  // guarded by mutex_
  bool closed_ = false;      // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace kyanite
