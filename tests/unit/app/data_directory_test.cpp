#include "server/app/first_start/data_directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "server/app/first_start/files.h"
#include "tests/support/temporary_directory.h"

namespace kyanite {
namespace {

using testing::HasSubstr;

unsigned permissions_of(const std::filesystem::path& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 0777u : 0;
}

TEST(DataDirectory, it_is_made_with_its_parents_for_the_owner_alone) {
  const TemporaryDirectory directory;
  const auto opened = DataDirectory::open(directory.path() / "a" / "b");
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(permissions_of(directory.path() / "a" / "b"), 0700u);
  EXPECT_FALSE(opened->was_open_to_others());
}

TEST(DataDirectory, one_that_others_could_enter_is_closed_to_them) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  const auto opened = DataDirectory::open(directory.path());
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->was_open_to_others());
  EXPECT_EQ(permissions_of(directory.path()), 0700u);
}

TEST(DataDirectory, a_second_hub_on_it_is_refused_with_the_first_ones_process_id) {
  const TemporaryDirectory directory;
  {
    const auto first = DataDirectory::open(directory.path());
    ASSERT_TRUE(first);
    const auto second = DataDirectory::open(directory.path());
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().detail, HasSubstr("in use by another hub"));
    EXPECT_THAT(second.error().detail, HasSubstr(std::to_string(::getpid())));
  }
  EXPECT_TRUE(DataDirectory::open(directory.path()));
}

TEST(DataDirectory, a_lock_that_leads_elsewhere_is_not_written_through) {
  const TemporaryDirectory directory;
  const TemporaryDirectory other;
  const auto victim = other.path() / "victim";
  ASSERT_TRUE(write_file(victim, "precious", 0600));
  std::filesystem::create_symlink(victim, directory.path() / "lock");
  const auto opened = DataDirectory::open(directory.path());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, HasSubstr(directory.path().string()));
  EXPECT_EQ(*read_file(victim), "precious");
}

TEST(DataDirectory, a_command_that_looks_at_it_meanwhile_does_not_keep_a_hub_out) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(DataDirectory::open(directory.path()));  // which makes the lock
  bool opened = false;
  // A hub waits for a moment only; on a busy machine the command may be held up for longer.
  for (int round = 0; round < 10 && !opened; ++round) {
    const int looking = ::open((directory.path() / "lock").c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(::flock(looking, LOCK_SH | LOCK_NB), 0);
    std::thread command([looking] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      ::close(looking);
    });
    opened = DataDirectory::open(directory.path()).has_value();
    command.join();
  }
  EXPECT_TRUE(opened);
}

TEST(DataDirectory, a_file_in_its_place_is_refused) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() / "file") << "x";
  EXPECT_THAT(DataDirectory::open(directory.path() / "file").error().detail, HasSubstr("is no directory"));
  EXPECT_THAT(DataDirectory::open(directory.path() / "file" / "below").error().detail,
              HasSubstr("cannot be made"));
}

TEST(Files, a_file_is_replaced_whole_and_gets_its_mode) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "f";
  ASSERT_TRUE(write_file(path, "one", 0644));
  ASSERT_TRUE(write_file(path, "two", 0600));
  EXPECT_EQ(*read_file(path), "two");
  EXPECT_EQ(permissions_of(path), 0600u);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "f.new"));
}

TEST(Files, an_absent_or_too_large_file_is_an_error_that_names_it) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "f";
  EXPECT_THAT(read_file(path).error().detail, HasSubstr(path.string()));
  ASSERT_TRUE(write_file(path, "12345", 0600));
  EXPECT_THAT(read_file(path, 4).error().detail, HasSubstr("too large"));
  EXPECT_FALSE(write_file(directory.path() / "none" / "f", "x", 0600));
}

TEST(Files, a_write_that_fails_leaves_no_copy_of_a_secret_behind) {
  const TemporaryDirectory directory;
  const auto taken = directory.path() / "hub.json";
  std::filesystem::create_directory(taken);  // cannot be replaced by a file
  const auto done = write_file(taken, "a key", 0600);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().detail.find("cannot write " + taken.string()), std::string::npos)
      << done.error().detail;
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "hub.json.new"));
}

}  // namespace
}  // namespace kyanite
