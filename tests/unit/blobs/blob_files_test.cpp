#include "server/blobs/blob_files.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <future>

#include "protocol/base/base64.h"
#include "protocol/base/iso_time.h"
#include "tests/support/manual_executor.h"
#include "tests/support/temporary_directory.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Runs what is posted at once, on the thread of the store: answers go into futures.
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

class BlobFilesTest : public testing::Test {
 protected:
  void open(BlobLimits limits = {1 << 20, 2 << 20, seconds{3600}}) {
    files.reset();
    auto opened = BlobFiles::open(folder.path() / "blobs", limits, [this] { return now.load(); });
    ASSERT_TRUE(opened) << opened.error().detail;
    files = std::move(*opened);
  }

  template <class T>
  Result<T> wait(const std::function<void(Reply<T>)>& ask) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    auto answer = promise->get_future();
    ask(Reply<T>(executor, [promise](Result<T> result) { promise->set_value(std::move(result)); }));
    if (answer.wait_for(std::chrono::seconds(120)) != std::future_status::ready)
      return Error(Errc::timed_out);
    return answer.get();
  }

  std::unique_ptr<BlobBody> body(const std::string& content) {
    auto made = files->start_body();
    last_write = wait<void>([&](Reply<void> reply) { made->write(content, std::move(reply)); });
    return made;
  }
  Result<BlobInfo> put(const std::string& name, const std::string& content, BlobWrite blob = {}) {
    blob.name = name;
    auto made = body(content);
    return wait<BlobInfo>(
        [&](Reply<BlobInfo> reply) { files->put_blob(std::move(made), blob, std::move(reply)); });
  }
  Result<std::string> put_block(const std::string& name, const std::string& id, const std::string& content) {
    BlobWrite blob;
    blob.name = name;
    auto made = body(content);
    return wait<std::string>(
        [&](Reply<std::string> reply) { files->put_block(std::move(made), blob, id, std::move(reply)); });
  }
  Result<BlobInfo> put_list(const std::string& name, std::vector<std::string> ids) {
    BlobWrite blob;
    blob.name = name;
    return wait<BlobInfo>([&](Reply<BlobInfo> reply) { files->put_block_list(blob, ids, std::move(reply)); });
  }
  Result<BlobInfo> find(const std::string& name) {
    return wait<BlobInfo>([&](Reply<BlobInfo> reply) { files->find(name, std::move(reply)); });
  }
  std::string content_of(const std::string& name) {
    const auto info = find(name);
    if (!info) return "no blob";
    const auto read = wait<std::string>(
        [&](Reply<std::string> reply) { files->read(name, info->etag, 0, 1 << 20, std::move(reply)); });
    return read ? *read : "cannot read: " + read.error().detail;
  }
  std::size_t parts() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(folder.path() / "blobs" / "parts")) {
      ++count;
    }
    return count;
  }

  TemporaryDirectory folder;
  InlineExecutor executor;
  std::atomic<WallTime> now = *parse_iso_time("2026-01-05T10:00:00Z");
  Result<void> last_write;
  std::unique_ptr<BlobFiles> files;
};

TEST_F(BlobFilesTest, a_blob_is_there_when_it_is_answered_and_after_a_restart) {
  open();
  const std::string key = files->account_key();
  const auto info = put("d1/a b.log", "hello");
  ASSERT_TRUE(info) << info.error().detail;
  EXPECT_EQ(info->content_md5, "XUFAKrxLKna5cZ2REBfFkg==");
  open();
  EXPECT_EQ(files->account_key(), key);
  EXPECT_EQ(content_of("d1/a b.log"), "hello");
  EXPECT_EQ(find("d1/a b.log")->etag, info->etag);
  EXPECT_EQ(find("d1/a b.log")->modified, now.load());
  EXPECT_EQ(find("other").error().code, Errc::not_found);
}

TEST_F(BlobFilesTest, a_body_that_is_given_up_leaves_nothing) {
  open();
  body("abc").reset();
  find("x");
  EXPECT_EQ(parts(), 0u);
}

TEST_F(BlobFilesTest, what_was_under_way_goes_at_the_next_start_and_blocks_stay) {
  open();
  ASSERT_TRUE(put_block("d1/a", "one", "1"));
  files.reset();
  std::ofstream(folder.path() / "blobs" / "parts" / "7.tmp") << "half";
  open();
  ASSERT_TRUE(put_list("d1/a", {"one"})) << "the block survived";
  EXPECT_EQ(content_of("d1/a"), "1");
  EXPECT_EQ(parts(), 0u);
}

TEST_F(BlobFilesTest, blocks_become_a_blob_in_the_order_of_their_list) {
  open();
  ASSERT_TRUE(put_block("d1/a", "1", "old"));
  ASSERT_TRUE(put_block("d1/a", "1", "one "));
  ASSERT_TRUE(put_block("d1/a", "2", "two "));
  ASSERT_TRUE(put_block("d1/a", "3", "unused"));
  EXPECT_EQ(find("d1/a").error().code, Errc::not_found);
  const auto info = put_list("d1/a", {"2", "1", "2"});
  ASSERT_TRUE(info) << info.error().detail;
  EXPECT_EQ(content_of("d1/a"), "two one two ");
  EXPECT_EQ(parts(), 0u);
  EXPECT_THAT(put_list("d1/a", {"1"}).error().detail, HasSubstr("InvalidBlockList: "));
}

TEST_F(BlobFilesTest, conditions) {
  open();
  const auto first = put("a", "1");
  BlobWrite only_new;
  only_new.only_new = true;
  EXPECT_EQ(put("a", "2", only_new).error().code, Errc::conflict);
  BlobWrite match;
  match.if_match = IfMatch{false, "other"};
  EXPECT_EQ(put("a", "2", match).error().code, Errc::precondition_failed);
  match.if_match->etag = first->etag;
  EXPECT_TRUE(put("a", "2", match));
  EXPECT_EQ(content_of("a"), "2");
  EXPECT_EQ(parts(), 0u);
}

TEST_F(BlobFilesTest, a_wrong_md5_is_refused) {
  open();
  BlobWrite blob;
  blob.content_md5 = encode_base64(std::string(16, 'x'));
  EXPECT_THAT(put("a", "1", blob).error().detail, HasSubstr("Md5Mismatch: "));
  EXPECT_EQ(find("a").error().code, Errc::not_found);
}

TEST_F(BlobFilesTest, sizes_are_bounded) {
  open({10, 15, seconds{3600}});
  EXPECT_TRUE(put("a", "0123456789"));
  body("01234567890");
  EXPECT_EQ(last_write.error().code, Errc::request_too_large);
  body("012345");
  EXPECT_EQ(last_write.error().code, Errc::request_too_large);
  EXPECT_TRUE(put("b", "01234"));
  body("0");
  EXPECT_FALSE(last_write);
  open({10, 15, seconds{3600}});
  body("0");
  EXPECT_FALSE(last_write) << "what is there counts after a restart";
}

TEST_F(BlobFilesTest, blocks_without_a_list_go_after_their_time) {
  open();
  ASSERT_TRUE(put_block("a", "1", "x"));
  EXPECT_EQ(parts(), 1u);
  now = now.load() + seconds{3601};
  find("a");  // the thread looks after each task
  find("a");
  EXPECT_EQ(parts(), 0u);
}

TEST_F(BlobFilesTest, lists_go_by_name) {
  open();
  for (const char* name : {"d1/b", "d1/a", "d10/a", "d2/a"}) ASSERT_TRUE(put(name, "x"));
  const auto names = [&](const std::string& prefix, const std::string& after, std::size_t limit) {
    std::vector<std::string> found;
    const auto list = wait<std::vector<BlobInfo>>(
        [&](Reply<std::vector<BlobInfo>> reply) { files->list(prefix, after, limit, std::move(reply)); });
    for (const BlobInfo& blob : *list) found.push_back(blob.name);
    return found;
  };
  EXPECT_THAT(names("d1/", "", 10), ElementsAre("d1/a", "d1/b"));
  EXPECT_THAT(names("", "d1/a", 2), ElementsAre("d1/b", "d10/a"));
}

}  // namespace
}  // namespace kyanite::test
