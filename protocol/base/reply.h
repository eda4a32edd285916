#pragma once

#include <utility>

#include "protocol/base/executor.h"
#include "protocol/base/result.h"

namespace kyanite {

// Reply is a move-only answer that is given once and runs on the executor that asked, never inline.
// A Reply dropped unanswered answers Errc::internal by itself, so that an asker never waits for ever.
//
// Owner: whoever holds it owes the answer. The executor must outlive it.
template <class T>
class Reply {
 public:
  using Handler = UniqueFunction<void(Result<T>)>;

  Reply() = default;
  Reply(Executor& home, Handler handler) : home_(&home), handler_(std::move(handler)) {}
  Reply(Reply&& other) noexcept
      : home_(std::exchange(other.home_, nullptr)), handler_(std::move(other.handler_)) {}
  Reply& operator=(Reply&& other) noexcept {
    if (this != &other) {
      drop();
      home_ = std::exchange(other.home_, nullptr);
      handler_ = std::move(other.handler_);
    }
    return *this;
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply() { drop(); }

  explicit operator bool() const { return home_ != nullptr; }

  // Answers. Calling twice is a broken belief.
  void operator()(Result<T> result) {
    KYANITE_ASSERT(home_ != nullptr);
    Executor& home = *std::exchange(home_, nullptr);
    home.post(bind(std::move(handler_), std::move(result)));
  }

  // For a thread that answers many at once: the executor to post to, and the answer as a task for post_all.
  Executor& home() const { return *home_; }
  Task into_task(Result<T> result) {
    KYANITE_ASSERT(home_ != nullptr);
    home_ = nullptr;
    return bind(std::move(handler_), std::move(result));
  }

 private:
  static Task bind(Handler handler, Result<T> result) {
    return
        [handler = std::move(handler), result = std::move(result)]() mutable { handler(std::move(result)); };
  }
  void drop() {
    if (home_) (*this)(Error(Errc::internal, "a reply was dropped unanswered"));
  }

  Executor* home_ = nullptr;
  Handler handler_;
};

}  // namespace kyanite
