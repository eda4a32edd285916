#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace kyanite::bench {

// Rows prints a table of what one message costs, a row for each way to treat it.
class Rows {
 public:
  Rows(std::size_t iterations, std::string_view only) : iterations_(iterations), only_(only) {
    std::printf("%-44s %12s %10s\n", "row", "messages", "ns/message");
  }

  // `round` handles `messages` messages and returns something that depends on them all.
  template <class Round>
  void row(std::string_view name, std::size_t messages, Round round) {
    if (!only_.empty() && name != only_) return;
    const std::size_t rounds = iterations_ / messages + 1;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < rounds; ++i) checksum_ += round();
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    const auto total = static_cast<double>(rounds * messages);
    std::printf("%-44.*s %12.0f %10.1f\n", static_cast<int>(name.size()), name.data(), total,
                elapsed.count() / total);
  }

  // Printed so that no compiler drops the work.
  ~Rows() { std::printf("checksum %zu\n", checksum_); }

 private:
  std::size_t iterations_;
  std::string_view only_;
  std::size_t checksum_ = 0;
};

// --iterations N, --only ROW. False when the command line says anything else; that was printed.
inline bool read_rows_options(int argc, char** argv, std::size_t& iterations, std::string_view& only) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--only" && i + 1 < argc) {
      only = argv[i + 1];
      continue;
    }
    if (option == "--iterations" && i + 1 < argc) iterations = std::strtoull(argv[i + 1], nullptr, 10);
    if (option != "--iterations" || i + 1 == argc || iterations == 0) {
      std::fprintf(stderr, "usage: %s [--iterations N] [--only ROW]\n", argv[0]);
      return false;
    }
  }
  return true;
}

}  // namespace kyanite::bench
