#include "tests/sim/judge.h"

#include <cstdio>

namespace kyanite::sim {

void Judge::tell(const std::string& line) {
  for (const char c : line) digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
  if (echo_) std::printf("%s\n", line.c_str());
  lines_.push_back(line);
  if (lines_.size() > kLinesMax) lines_.pop_front();
}

void Judge::require(bool holds, const std::string& promise) {
  if (holds || failed()) return;
  failure_ = promise;
  tell("BROKEN " + promise);
}

}  // namespace kyanite::sim
