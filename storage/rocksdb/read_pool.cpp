#include "storage/rocksdb/read_pool.h"

#include <chrono>
#include <utility>

namespace kyanite {

ReadPool::ReadPool(Options options, std::function<void()> housekeeping,
                   std::function<void(const Error&)> on_fatal,
                   std::function<void(const Error&)> on_read_failure)
    : options_(options),
      housekeeping_(std::move(housekeeping)),
      on_fatal_(std::move(on_fatal)),
      on_read_failure_(std::move(on_read_failure)) {
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this, i] { work(i == 0 && housekeeping_ != nullptr); });
  }
}

ReadPool::~ReadPool() { close(); }

void ReadPool::submit(Job job) {
  Error refusal;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      refusal = Error(Errc::shutting_down, "the store is closed");
    } else if (waiting_.size() >= options_.capacity) {
      refusal = Error(Errc::busy, "the storage readers have too much to do");
    } else {
      waiting_.push_back(std::move(job));
      job = nullptr;
    }
  }
  if (job) {
    job(&refusal);
  } else {
    wake_.notify_one();
  }
}

std::size_t ReadPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void ReadPool::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool ReadPool::keep_house() {
  std::string reason = "an unknown exception";
  try {
    housekeeping_();
    return true;
  } catch (const std::exception& thrown) {
    reason = thrown.what();
  } catch (...) {
  }
  if (on_fatal_) {
    on_fatal_(Error(Errc::storage_failed, "housekeeping of the store (free space, retention): " + reason));
  }
  return false;
}

void ReadPool::work(bool housekeeper) {
  auto next_tick = std::chrono::steady_clock::now() + options_.housekeeping_interval;
  const auto has_news = [&] { return closed_ || !waiting_.empty(); };
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!housekeeper) {
      wake_.wait(lock, has_news);
    } else if (!wake_.wait_until(lock, next_tick, has_news) ||
               std::chrono::steady_clock::now() >= next_tick) {
      if (!closed_) {
        lock.unlock();
        housekeeper = keep_house();
        next_tick = std::chrono::steady_clock::now() + options_.housekeeping_interval;
        lock.lock();
      }
    }
    if (waiting_.empty()) {
      if (closed_) return;
      continue;
    }
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job(nullptr);
    job = nullptr;
    lock.lock();
  }
}

}  // namespace kyanite
