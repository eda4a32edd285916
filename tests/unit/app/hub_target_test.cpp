#include "server/app/cli/hub_target.h"

#include <gmock/gmock.h>

#include <map>

namespace kyanite::cli {
namespace {

using testing::HasSubstr;

constexpr const char* kLogin =
    "HostName=remote.test;SharedAccessKeyName=service;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==";

HubFile local_hub() {
  HubFile file;
  file.host_name = "kyanite.localhost";
  file.mqtts_port = 8883;
  file.https_port = 8443;
  file.https_connect = "127.0.0.1:8443";
  file.service_connection_string =
      "HostName=kyanite.localhost:8443;SharedAccessKeyName=iothubowner;SharedAccessKey="
      "AAECAwQFBgcICQoLDA0ODw==";
  file.ca_file = "/data/pki/ca.pem";
  return file;
}

// A world of variables and files.
struct World {
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> files;

  HubSearch search() const {
    return {[this](const char* name) {
              const auto found = variables.find(name);
              return found == variables.end() ? std::string() : found->second;
            },
            [this](const std::filesystem::path& path) -> Result<std::string> {
              const auto found = files.find(path.string());
              if (found == files.end()) return Error(Errc::io_failed, "absent");
              return found->second;
            }};
  }
};

TEST(FindHub, the_local_hub_is_found_in_the_working_directory) {
  World world;
  world.files["kyanite-data/hub.json"] = encode_hub_file(local_hub());
  const auto target = find_hub({}, world.search());
  ASSERT_TRUE(target) << target.error().detail;
  EXPECT_EQ(target->host, "kyanite.localhost");
  EXPECT_EQ(target->port, 8443);
  EXPECT_EQ(target->connect_to, "127.0.0.1:8443");
  EXPECT_EQ(target->ca_file, "/data/pki/ca.pem");
  EXPECT_EQ(target->login.policy, "iothubowner");
}

TEST(FindHub, the_system_service_is_found_when_nothing_nearer_is_there) {
  World world;
  HubFile service = local_hub();
  service.host_name = "service.test";
  service.service_connection_string = kLogin;
  world.files["/var/lib/kyanite/hub.json"] = encode_hub_file(service);
  EXPECT_EQ(data_directory_of({}, world.search()), "/var/lib/kyanite");
  world.files["kyanite-data/hub.json"] = encode_hub_file(local_hub());
  EXPECT_EQ(data_directory_of({}, world.search()), "kyanite-data");
  world.variables["KYANITE_DATA_DIRECTORY"] = "/long";
  EXPECT_EQ(data_directory_of({}, world.search()), "/long");
  world.variables["KYANITE_DATA"] = "/short";
  EXPECT_EQ(data_directory_of({}, world.search()), "/short");
  const World empty;
  const auto nobody = find_hub({}, empty.search());
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error().detail, HasSubstr("/var/lib/kyanite"));
}

TEST(FindHub, the_data_flag_beats_the_environment) {
  World world;
  world.variables = {{"KYANITE_DATA", "/other"}, {"KYANITE_CONNECTION_STRING", kLogin}};
  world.files["/chosen/hub.json"] = encode_hub_file(local_hub());
  HubOptions options;
  options.data = "/chosen";
  EXPECT_EQ(find_hub(options, world.search())->host, "kyanite.localhost");
  EXPECT_EQ(find_hub({}, world.search())->host, "remote.test");
}

TEST(FindHub, a_connection_string_of_another_host_uses_nothing_of_the_local_hub) {
  World world;
  world.files["kyanite-data/hub.json"] = encode_hub_file(local_hub());
  HubOptions options;
  options.login = kLogin;
  const auto target = find_hub(options, world.search());
  ASSERT_TRUE(target);
  EXPECT_EQ(target->port, 443);
  EXPECT_EQ(target->connect_to, "");
  EXPECT_EQ(target->ca_file, "");
  EXPECT_FALSE(target->local);
}

TEST(FindHub, a_connection_string_of_the_local_hub_knows_its_ca_and_address) {
  World world;
  world.files["kyanite-data/hub.json"] = encode_hub_file(local_hub());
  HubOptions options;
  options.login = local_hub().service_connection_string;
  const auto target = find_hub(options, world.search());
  EXPECT_EQ(target->connect_to, "127.0.0.1:8443");
  EXPECT_EQ(target->ca_file, "/data/pki/ca.pem");
}

TEST(FindHub, the_ca_flag_beats_the_variable_and_both_beat_hub_json) {
  World world;
  world.files["kyanite-data/hub.json"] = encode_hub_file(local_hub());
  world.variables["KYANITE_CA_FILE"] = "/env.pem";
  EXPECT_EQ(find_hub({}, world.search())->ca_file, "/env.pem");
  HubOptions options;
  options.ca_file = "/flag.pem";
  EXPECT_EQ(find_hub(options, world.search())->ca_file, "/flag.pem");
}

TEST(FindHub, without_a_hub_the_sentence_says_what_to_do) {
  EXPECT_THAT(find_hub({}, World{}.search()).error().detail, HasSubstr("kyanite serve"));
  World world;
  world.files["kyanite-data/hub.json"] = "{";
  EXPECT_FALSE(find_hub({}, world.search()));
}

TEST(FindHub, strings_that_are_no_services_are_refused) {
  for (const char* login :
       {"nonsense", "HostName=h.test;DeviceId=d;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==",
        "HostName=h.test:x;SharedAccessKeyName=p;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==",
        "HostName=h.test:0;SharedAccessKeyName=p;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw=="}) {
    HubOptions options;
    options.login = login;
    EXPECT_FALSE(find_hub(options, World{}.search())) << login;
  }
}

}  // namespace
}  // namespace kyanite::cli
