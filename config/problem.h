#pragma once

#include <string>
#include <vector>

namespace kyanite {

// One thing wrong with the configuration, in words for the operator.
struct Problem {
  std::string where;   // "kyanite.json: listen.mqtts", "KYANITE_LISTEN_MQTTS" or "--mqtts"
  std::string what;    // "is \"8883x\", which is no address"
  std::string remedy;  // "write ADDRESS:PORT, for example 0.0.0.0:8883"
  friend bool operator==(const Problem&, const Problem&) = default;
};
using Problems = std::vector<Problem>;

// One line each: "where what; remedy".
std::string to_text(const Problems& problems);

}  // namespace kyanite
