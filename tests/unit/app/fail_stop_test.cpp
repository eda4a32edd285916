#include "server/observe/fail_stop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "server/observe/log.h"

namespace kyanite {
namespace {

constexpr int kCode = 70;

// Standard error becomes a pipe that is full and that nobody reads.
void fill_standard_error() {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  const std::string chunk(4096, 'x');
  while (::write(ends[1], chunk.data(), chunk.size()) > 0) {
  }
  ::fcntl(ends[1], F_SETFL, 0);
  ::dup2(ends[1], STDERR_FILENO);
}

void fail_with_a_started_log(bool full_pipe) {
  log::start({log::Level::info, true});
  if (full_pipe) fill_standard_error();
  fail_stop(kCode, "store_failed", "a sync failed", full_pipe ? seconds(1) : seconds(120));
}

void fail_with_a_log_not_started() {
  fill_standard_error();
  fail_stop(kCode, "store_failed", "a sync failed", seconds(1));
}

TEST(FailStopDeathTest, the_process_ends_with_the_code_and_says_why) {
  EXPECT_EXIT(fail_with_a_started_log(false), testing::ExitedWithCode(kCode), "store_failed.*a sync failed");
}

TEST(FailStopDeathTest, a_standard_error_that_nobody_reads_does_not_hold_the_end_up) {
  EXPECT_EXIT(fail_with_a_started_log(true), testing::ExitedWithCode(kCode), "");
  EXPECT_EXIT(fail_with_a_log_not_started(), testing::ExitedWithCode(kCode), "");
}

}  // namespace
}  // namespace kyanite
