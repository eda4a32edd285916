#include "server/app/blob_worker.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <future>

#include "server/app/blob_transfer.h"
#include "server/app/first_start/files.h"
#include "tests/support/temporary_directory.h"

namespace kyanite {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Runs replies on the thread that gives them: the worker's.
class InlineExecutor final : public Executor {
 public:
  void post(Task task) override { task(); }
  void post_all(std::vector<Task> tasks) override {
    for (Task& task : tasks) task();
  }
  TimerId after(milliseconds, Task) override { return {}; }
  void cancel(TimerId) override {}
  SteadyTime now() const override { return {}; }
  WallTime wall_now() const override { return {}; }
  bool is_current() const override { return true; }
};

class BlobWorkerTest : public ::testing::Test {
 protected:
  TemporaryDirectory folder;
  InlineExecutor here;
  std::filesystem::path shared = folder.path() / "shared";
  std::string container = "file://" + shared.string();
  std::unique_ptr<BlobWorker> worker;

  void SetUp() override {
    std::filesystem::create_directories(shared);
    start(0);
  }
  void start(std::uint64_t floor) {
    worker = std::make_unique<BlobWorker>(BlobWorker::Rules{folder.path(), {shared.string()}, floor});
  }
  template <class T, class Ask>
  Result<T> wait(Ask ask) {
    const auto answer = std::make_shared<std::promise<Result<T>>>();
    auto waiting = answer->get_future();
    ask(Reply<T>(here, [answer](Result<T> result) { answer->set_value(std::move(result)); }));
    return waiting.get();
  }
  Result<std::shared_ptr<BlobOutput>> create(const std::string& where, const std::string& name) {
    return wait<std::shared_ptr<BlobOutput>>(
        [&](auto reply) { worker->create(where, name, std::move(reply)); });
  }
  Result<std::shared_ptr<BlobInput>> open(const std::string& where, const std::string& name) {
    return wait<std::shared_ptr<BlobInput>>([&](auto reply) { worker->open(where, name, std::move(reply)); });
  }
};

TEST_F(BlobWorkerTest, a_file_is_there_when_it_is_finished) {
  const auto output = create(container, "a/b.txt").value();
  EXPECT_TRUE(wait<void>([&](auto reply) { output->append("one ", std::move(reply)); }));
  EXPECT_TRUE(wait<void>([&](auto reply) { output->append("two", std::move(reply)); }));
  EXPECT_FALSE(std::filesystem::exists(shared / "a/b.txt"));
  EXPECT_TRUE(wait<void>([&](auto reply) { output->finish(std::move(reply)); }));
  const auto input = open(container, "a/b.txt").value();
  EXPECT_EQ(input->size(), 7u);
  EXPECT_EQ(wait<std::string>([&](auto reply) { input->read(std::move(reply)); }).value(), "one two");
  EXPECT_EQ(wait<std::string>([&](auto reply) { input->read(std::move(reply)); }).value(), "");
}

TEST_F(BlobWorkerTest, what_is_not_finished_leaves_nothing) {
  auto output = create(container, "gone.txt").value();
  output.reset();
  worker.reset();
  EXPECT_TRUE(std::filesystem::is_empty(shared));
}

TEST_F(BlobWorkerTest, only_the_allowed_folders_are_entered) {
  std::filesystem::create_directory_symlink(folder.path(), shared / "out");
  for (const std::string& where : {"file://" + folder.path().string(), container + "/..", container + "/out",
                                   container + "x", std::string("file://relative"), std::string("file://")}) {
    const auto refused = create(where, "x.txt");
    ASSERT_FALSE(refused) << where;
    EXPECT_EQ(refused.error().code, Errc::blob_container_invalid);
    EXPECT_THAT(refused.error().detail, Not(HasSubstr(folder.path().string())));
  }
}

TEST_F(BlobWorkerTest, the_floor_of_free_space_is_kept) {
  start(std::uint64_t{1} << 60);
  const auto output = create(container, "a.txt").value();
  const auto refused = wait<void>([&](auto reply) { output->append("x", std::move(reply)); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "there is not enough free space on the disk");
}

TEST_F(BlobWorkerTest, a_stopped_worker_answers_with_an_error) {
  worker->stop();
  EXPECT_FALSE(create(container, "a.txt"));
}

TEST(BlobUrl, the_name_goes_before_the_signature) {
  EXPECT_EQ(blob_url("https://h/c?sig=a%2Fb", "d e/f.txt").value(), "https://h/c/d%20e/f.txt?sig=a%2Fb");
  EXPECT_EQ(blob_url("http://h:1/c/", "f").value(), "http://h:1/c/f");
  for (const auto* bad : {"", "ftp://h/c", "https://h/c?a b", "https://h/c#x", "HTTPS", "https://h/\n"}) {
    EXPECT_FALSE(blob_url(bad, "f")) << bad;
  }
}

}  // namespace
}  // namespace kyanite
