#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>

namespace kyanite::sim {

// Every choice of a run comes from one of these: the same seed makes the same run.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t next() { return engine_(); }
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

// Judge takes the story of a run and its first broken promise. The last lines of the story are kept for the
// report; all of them make a digest, by which two runs can be compared.
class Judge {
 public:
  explicit Judge(bool echo = false) : echo_(echo) {}

  void tell(const std::string& line);
  // A promise: the run has failed when it does not hold.
  void require(bool holds, const std::string& promise);

  bool failed() const { return failure_.has_value(); }
  const std::string& failure() const { return *failure_; }
  const std::deque<std::string>& last_lines() const { return lines_; }
  std::uint64_t digest() const { return digest_; }

 private:
  static constexpr std::size_t kLinesMax = 120;

  bool echo_;
  std::deque<std::string> lines_;
  std::uint64_t digest_ = 1469598103934665603u;
  std::optional<std::string> failure_;
};

}  // namespace kyanite::sim
