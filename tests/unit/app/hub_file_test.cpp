#include "server/app/first_start/hub_file.h"

#include <gmock/gmock.h>

namespace kyanite {
namespace {

const HubFile kFile{
    .host_name = "hub.test",
    .mqtts_port = 8883,
    .https_port = 443,
    .https_connect = "127.0.0.1:443",
    .service_connection_string = "HostName=hub.test;SharedAccessKeyName=iothubowner;SharedAccessKey=x=",
    .events_host_name = "events.test",
    .events_entity = "iothub-ehub-hub",
    .events_connection_string =
        "Endpoint=sb://events.test/;SharedAccessKeyName=iothubowner;SharedAccessKey=x=;"
        "EntityPath=iothub-ehub-hub",
    .events_emulator_connection_string = "Endpoint=sb://events.test/;UseDevelopmentEmulator=true",
    .ca_file = "/d/pki/ca.pem",
    .pid = 17,
    .data_directory = "/d",
    .version = "0.1.0"};

TEST(HubFile, what_is_written_is_read_back) {
  const auto read = decode_hub_file(encode_hub_file(kFile));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, kFile);
}

TEST(HubFile, unknown_members_are_ignored) {
  std::string text = encode_hub_file(kFile);
  text.insert(1, "\"later\":{\"x\":1},");
  EXPECT_EQ(*decode_hub_file(text), kFile);
}

TEST(HubFile, a_file_that_lacks_what_a_client_needs_is_refused) {
  for (const char* text :
       {"", "[]", "{}", R"({"hostName":1})",
        R"({"hostName":"h","ports":{"mqtts":8883,"https":70000},"serviceConnectionString":"x"})",
        R"({"hostName":"h","ports":[],"serviceConnectionString":"x"})"}) {
    EXPECT_FALSE(decode_hub_file(text)) << text;
  }
}

}  // namespace
}  // namespace kyanite
