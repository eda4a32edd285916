#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "protocol/base/ids.h"
#include "tests/sim/judge.h"

namespace kyanite::sim {

// Direct methods: a call reaches its own identity at most once, and its caller hears what that identity
// answered, if anything. The payload of a call is its number; an answer is {"n":number,"a":which}.
class MethodChecker {
 public:
  explicit MethodChecker(Judge& judge) : judge_(judge) {}

  void invoked(std::uint64_t number, const Identity& identity) { calls_[number] = {identity, {}, 0}; }
  // The hub wrote the request to a connection.
  void written(const std::string& body, const Identity& to);
  // A device sent an answer, whether or not the hub wants it.
  void answered(std::uint64_t number, std::int32_t status, const std::string& body);
  void replied(std::uint64_t number, int http_status, const std::string& body);

 private:
  struct Call {
    Identity identity;
    std::vector<std::pair<std::int32_t, std::string>> answers;
    std::size_t written = 0;
  };
  Judge& judge_;
  std::map<std::uint64_t, Call> calls_;
};

}  // namespace kyanite::sim
