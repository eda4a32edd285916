#include "server/app/first_start/hub_file_keeper.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "server/app/first_start/files.h"

namespace kyanite {
namespace {

class HubFileKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kyanite-hub-file-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static AccessPolicy owner(const std::string& key) {
    return {"iothubowner", key, "c2Vjb25kYXJ5", kAllRights};
  }
  static HubFile hub() {
    HubFile file;
    file.host_name = "hub.test";
    file.https_port = 8443;
    return file;
  }
  std::filesystem::path path() const { return folder_ / "hub.json"; }
  std::string written() const {
    const auto text = read_file(path());
    const auto file = text ? decode_hub_file(*text) : Result<HubFile>(text.error());
    return file ? file->service_connection_string : "none";
  }
  static std::string with(const std::string& key) {
    return "HostName=hub.test:8443;SharedAccessKeyName=iothubowner;SharedAccessKey=" + key;
  }

  std::filesystem::path folder_;
};

TEST_F(HubFileKeeperTest, the_file_carries_the_owners_connection_string_for_the_owner_alone) {
  HubFileKeeper keeper(path(), owner("a2V5"));
  EXPECT_EQ(keeper.publish(hub()).value().service_connection_string, with("a2V5"));
  EXPECT_EQ(written(), with("a2V5"));
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(HubFileKeeperTest, readers_of_events_find_the_key_where_somebody_listens_for_them) {
  HubFileKeeper keeper(path(), owner("a2V5"));
  HubFile file = hub();
  file.events_host_name = "events.test";
  file.events_entity = "e";
  EXPECT_EQ(keeper.publish(file).value().events_connection_string, "");
  file.amqps_port = 5671;
  file.amqp_port = 15672;
  const HubFile published = keeper.publish(file).value();
  EXPECT_EQ(published.events_connection_string,
            "Endpoint=sb://events.test/;SharedAccessKeyName=iothubowner;SharedAccessKey=a2V5;EntityPath=e");
  EXPECT_EQ(
      published.events_emulator_connection_string,
      "Endpoint=sb://events.test:15672/;SharedAccessKeyName=iothubowner;SharedAccessKey=a2V5;EntityPath=e;"
      "UseDevelopmentEmulator=true");
}

TEST_F(HubFileKeeperTest, a_new_key_is_written_at_once) {
  HubFileKeeper keeper(path(), owner("a2V5"));
  ASSERT_TRUE(keeper.publish(hub()));
  EXPECT_TRUE(keeper.set_owner(owner("bmV3")));
  EXPECT_EQ(written(), with("bmV3"));
}

TEST_F(HubFileKeeperTest, a_key_replaced_before_the_hub_is_ready_is_in_its_first_file) {
  HubFileKeeper keeper(path(), owner("a2V5"));
  EXPECT_TRUE(keeper.set_owner(owner("bmV3")));
  EXPECT_EQ(written(), "none");
  ASSERT_TRUE(keeper.publish(hub()));
  EXPECT_EQ(written(), with("bmV3"));
}

TEST_F(HubFileKeeperTest, after_the_stop_no_key_brings_the_file_back) {
  HubFileKeeper keeper(path(), owner("a2V5"));
  ASSERT_TRUE(keeper.publish(hub()));
  keeper.remove();
  EXPECT_TRUE(keeper.set_owner(owner("bmV3")));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(HubFileKeeperTest, a_file_that_cannot_be_written_is_named) {
  HubFileKeeper keeper(folder_ / "none" / "hub.json", owner("a2V5"));
  const auto published = keeper.publish(hub());
  ASSERT_FALSE(published);
  EXPECT_NE(published.error().detail.find("hub.json"), std::string::npos);
}

}  // namespace
}  // namespace kyanite
