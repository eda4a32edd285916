#include <gmock/gmock.h>

#include "protocol/base/limits.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

SimHub::Options with_account() {
  SimHub::Options options;
  options.upload_storage = FileUploads::Storage{
      {"acct", "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=", "acct.blob.example.test", "uploads"}, nullptr};
  return options;
}

class FileUploadApiTest : public testing::Test {
 protected:
  FileUploadApiTest() : rest(with_account()), d1(rest.hub.add(device("d1"))) { rest.hub.loop.run(); }
  RestAnswer ask(std::string target, std::string body, std::string authorization = {}) {
    return rest.ask({"POST",
                     std::move(target),
                     std::move(body),
                     {},
                     authorization.empty() ? rest.hub.token_of(d1) : std::move(authorization)});
  }
  RestAnswer begin(const std::string& name = "a/b.log") {
    return ask("/devices/d1/files", R"({"blobName":")" + name + R"("})");
  }
  RestAnswer finish(const std::string& id, bool success = true) {
    return ask("/devices/d1/files/notifications", R"({"correlationId":")" + id + R"(","isSuccess":)" +
                                                      (success ? "true" : "false") + R"(,"statusCode":200})");
  }
  Json notifications() { return rest.get("/kyanite/v1/file-notifications").json; }
  static std::string id_of(const RestAnswer& answer) {
    return answer.json["correlationId"].get<std::string>();
  }

  RestHub rest;
  IdentityRecord d1;
};

TEST_F(FileUploadApiTest, R102_a_device_is_told_where_its_file_goes) {
  const RestAnswer answer = begin();
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json["hostName"], "acct.blob.example.test");
  EXPECT_EQ(answer.json["containerName"], "uploads");
  EXPECT_EQ(answer.json["blobName"], "d1/a/b.log");
  EXPECT_THAT(answer.json["sasToken"].get<std::string>(), StartsWith("?sv="));
  EXPECT_EQ(id_of(answer).size(), 36u);
}

TEST_F(FileUploadApiTest, R102_the_end_of_an_upload_is_a_notification) {
  for (const bool in_path : {false, true}) {
    const std::string id = id_of(begin());
    const RestAnswer done =
        in_path ? ask("/devices/d1/files/notifications/" + id, R"({"isSuccess":true})") : finish(id);
    EXPECT_EQ(done.status, 204) << done.body;
    EXPECT_EQ(finish(id).error_name(), "InvalidFileUploadCorrelationId");
  }
  const Json list = notifications();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["deviceId"], "d1");
  EXPECT_EQ(list[0]["blobName"], "d1/a/b.log");
  EXPECT_EQ(list[0]["blobUri"], "https://acct.blob.example.test/uploads/d1/a/b.log");
  const std::string path = "/kyanite/v1/file-notifications/" + list[0]["id"].get<std::string>();
  EXPECT_EQ(rest.del(path, "").status, 204);
  EXPECT_EQ(rest.del(path, "").status, 404);
  EXPECT_EQ(notifications().size(), 1u);
}

TEST_F(FileUploadApiTest, a_failed_upload_is_no_notification) {
  EXPECT_EQ(finish(id_of(begin()), false).status, 204);
  EXPECT_EQ(notifications().size(), 0u);
}

TEST_F(FileUploadApiTest, what_one_receiver_completed_is_not_given_to_another_that_was_asked_for_meanwhile) {
  ASSERT_EQ(finish(id_of(begin())).status, 204);
  FileNotificationQueue& queue = rest.hub.uploads().receivers();
  std::optional<LockedNotification> first;
  std::optional<LockedNotification> second;
  const auto await = [&](std::optional<LockedNotification>& found) {
    queue.await(queue.new_waiter(),
                Reply<LockedNotification>(rest.hub.executor(0), [&found](Result<LockedNotification> locked) {
                  if (locked) found = std::move(*locked);
                }));
    rest.hub.loop.run();
  };
  await(first);
  ASSERT_TRUE(first);
  rest.hub.stores.faults.document_scan_takes = seconds(1);
  await(second);  // its answer is under way, with the first one's
  bool completed = false;
  queue.complete(first->lock_token, Reply<void>(rest.hub.executor(0), [&](const Result<void>& done) {
                   completed = done.has_value();
                 }));
  rest.hub.loop.advance(seconds(5));
  EXPECT_TRUE(completed);
  EXPECT_FALSE(second);
  rest.hub.stores.faults.document_scan_takes = {};
  ASSERT_EQ(finish(id_of(begin())).status, 204);
  rest.hub.loop.run();
  ASSERT_TRUE(second);
  EXPECT_NE(second->notification.id, first->notification.id);
}

TEST_F(FileUploadApiTest, ten_uploads_of_a_device_are_open_at_once) {
  std::string id;
  for (std::size_t i = 0; i < limits::kFileUploadsOpenMax; ++i) id = id_of(begin());
  EXPECT_EQ(begin().error_name(), "DeviceMaximumActiveFileUploadLimitExceeded");
  EXPECT_EQ(finish(id, false).status, 204);
  EXPECT_EQ(begin().status, 200);
}

TEST_F(FileUploadApiTest, an_upload_ends_by_time) {
  const std::string id = id_of(begin());
  rest.hub.loop.advance(seconds{3600});
  EXPECT_EQ(finish(id).error_name(), "ExpiredFileUploadCorrelationId");
  for (std::size_t i = 0; i < limits::kFileUploadsOpenMax; ++i) EXPECT_EQ(begin().status, 200);
  rest.hub.loop.advance(seconds{3600 + 120});
  EXPECT_EQ(finish(id).error_name(), "InvalidFileUploadCorrelationId") << "swept";
}

TEST_F(FileUploadApiTest, notifications_end_by_time) {
  EXPECT_EQ(finish(id_of(begin())).status, 204);
  rest.hub.loop.advance(seconds{3600});
  EXPECT_EQ(notifications().size(), 0u);
}

TEST_F(FileUploadApiTest, an_upload_is_its_devices_only) {
  const IdentityRecord d2 = rest.hub.add(device("d2"));
  const std::string id = id_of(begin());
  const RestAnswer other =
      ask("/devices/d2/files/notifications", R"({"correlationId":")" + id + R"(","isSuccess":true})",
          rest.hub.token_of(d2));
  EXPECT_EQ(other.error_name(), "InvalidFileUploadCorrelationId");
  ASSERT_TRUE(rest.hub.erase(device("d1")));
  d1 = rest.hub.add(device("d1"));
  EXPECT_EQ(finish(id).error_name(), "InvalidFileUploadCorrelationId") << "of the device's predecessor";
}

TEST_F(FileUploadApiTest, bad_requests) {
  for (const char* name : {"", "/a", "a/../b", "a//b"})
    EXPECT_EQ(begin(name).error_name(), "ArgumentInvalid") << name;
  EXPECT_EQ(ask("/devices/d1/files", "[]").error_name(), "IotHubFormatError");
  EXPECT_EQ(ask("/devices/d1/files", "{}").error_name(), "ArgumentInvalid");
  EXPECT_EQ(ask("/devices/d1/files", R"({"BLOBNAME":"x"})").status, 200);
  EXPECT_EQ(ask("/devices/d1/files/notifications", R"({"isSuccess":true})").error_name(),
            "InvalidFileUploadCorrelationId");
  EXPECT_EQ(ask("/devices/d1/files/notifications/x", "{}").error_name(), "ArgumentInvalid");
  EXPECT_EQ(begin().status, 200);
  EXPECT_EQ(ask("/devices/d1/files", R"({"blobName":"x"})", "service").status, 401);
}

TEST(FileUploadWithoutStorage, is_refused) {
  RestHub rest;
  const IdentityRecord d1 = rest.hub.add(device("d1"));
  const RestAnswer answer =
      rest.ask({"POST", "/devices/d1/files", R"({"blobName":"x"})", {}, rest.hub.token_of(d1)});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error_name(), "DefaultStorageEndpointNotConfigured");
}

// An account of somebody else, as far as the hub asks it.
struct AskedAccount final : BlobLookup {
  void find(std::string name, Reply<BlobInfo> reply) override {
    asked.push_back(std::move(name));
    if (held) return waiting.push_back(std::move(reply));
    reply(answer);
  }
  Result<BlobInfo> answer = Error(Errc::not_found);
  bool held = false;
  std::vector<std::string> asked;
  std::vector<Reply<BlobInfo>> waiting;
};

TEST(FileUploadLookup, R102_an_account_says_whether_a_blob_is_there_and_how_large_it_is) {
  AskedAccount account;
  SimHub::Options options = with_account();
  options.upload_storage->lookup = &account;
  RestHub rest(options);
  const IdentityRecord d1 = rest.hub.add(device("d1"));
  rest.hub.loop.run();
  const std::string token = rest.hub.token_of(d1);
  const auto begin = [&] {
    return rest.ask({"POST", "/devices/d1/files", R"({"blobName":"a"})", {}, token})
        .json["correlationId"]
        .get<std::string>();
  };
  const auto finish = [&](const std::string& id) {
    return rest.ask({"POST", "/devices/d1/files/notifications/" + id, R"({"isSuccess":true})", {}, token});
  };
  const std::string id = begin();
  EXPECT_EQ(finish(id).error_name(), "InvalidStorageEndpointOrBlob");
  BlobInfo info;
  info.bytes = 77;
  info.modified = WallTime(seconds(1'000));
  account.answer = info;
  EXPECT_EQ(finish(id).status, 204);
  EXPECT_EQ(account.asked, (std::vector<std::string>{"d1/a", "d1/a"}));
  account.answer = Error(Errc::io_failed);  // nobody knows: the device is believed
  EXPECT_EQ(finish(begin()).status, 204);
  const Json told = rest.get("/kyanite/v1/file-notifications").json;
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0]["blobSizeInBytes"], 77);
  EXPECT_EQ(told[1]["blobSizeInBytes"], 0);
  EXPECT_EQ(finish("unknown").error_name(), "InvalidFileUploadCorrelationId");
  EXPECT_EQ(account.asked.size(), 3u);
  // While the account thinks, others begin and end uploads.
  account.held = true;
  const std::string slow = begin();
  const HttpRequest request =
      rest.parse({"POST", "/devices/d1/files/notifications/" + slow, R"({"isSuccess":true})", {}, token});
  int status = 0;
  rest.router.handle(request, Reply<HttpResponse>(rest.hub.executor(0), [&](Result<HttpResponse> answer) {
                       status = answer->status;
                     }));
  rest.hub.loop.run();
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(begin().empty());
  account.waiting.clear();  // a dropped question is no answer either
  rest.hub.loop.run();
  EXPECT_EQ(status, 204);
}

}  // namespace
}  // namespace kyanite::test
