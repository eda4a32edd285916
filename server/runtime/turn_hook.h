#pragma once

#include <boost/intrusive/list.hpp>
#include <utility>

#include "protocol/base/unique_function.h"

namespace kyanite {

// TurnHook is what an object derives from to be called once at the end of the current turn of its shard: a
// channel to send what was written to it, an ingest buffer to hand over its batch. Asking costs two pointers
// and no allocation, and asking twice in a turn is asking once.
//
// Owner: the object itself; destroying it withdraws the request.
class TurnHook
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  TurnHook() = default;
  TurnHook(const TurnHook&) = delete;
  TurnHook& operator=(const TurnHook&) = delete;

  virtual void on_turn_end() = 0;

 protected:
  ~TurnHook() = default;
};

using TurnHookList = boost::intrusive::list<TurnHook, boost::intrusive::constant_time_size<false>>;

// A hook that calls a function, for users that are no class of their own.
class TurnTask final : public TurnHook {
 public:
  explicit TurnTask(Task task) : task_(std::move(task)) {}
  void on_turn_end() override { task_(); }

 private:
  Task task_;
};

}  // namespace kyanite
