#include "config/load.h"
#include "config/reference.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "config/keys.h"
#include "config/schema.h"

namespace kyanite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

LoadedSettings from_file(std::string text) {
  SettingSources sources;
  sources.file = {"kyanite.json", std::move(text)};
  return load_settings(sources);
}

LoadedSettings from_environment(std::vector<std::pair<std::string, std::string>> variables) {
  SettingSources sources;
  sources.environment = std::move(variables);
  return load_settings(sources);
}

std::string read(const std::string& path) {
  std::stringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

TEST(Config, nothing_given_means_the_defaults) {
  const LoadedSettings loaded = load_settings({});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(to_string(loaded.settings.listen.mqtts), "[::]:8883");
  EXPECT_EQ(to_string(loaded.settings.listen.https), "[::]:443");
  EXPECT_EQ(loaded.settings.storage.durability, Durability::fsync);
}

TEST(Config, every_key_of_the_schema_has_a_row_and_every_row_a_key) {
  std::vector<std::string> rows;
  for (const SettingKey& key : setting_keys()) rows.emplace_back(key.path);
  EXPECT_THAT(rows, testing::UnorderedElementsAreArray(schema_keys()));
}

TEST(Config, every_key_is_described_in_the_documents_as_the_program_describes_it) {
  const std::string reference = settings_reference();
  for (const SettingKey& key : setting_keys()) {
    EXPECT_THAT(reference, HasSubstr("| `" + std::string(key.path) + "` |"));
    EXPECT_THAT(reference, HasSubstr("`" + environment_name(key.path) + "`")) << key.path;
  }
  // tests/docs/make.py makes the page anew.
  EXPECT_THAT(read(KYANITE_CONFIG_DIR "/../docs/configuration.md"), HasSubstr(reference));
}

TEST(Config, the_example_file_loads_and_differs_from_the_defaults_only_in_names_and_paths) {
  LoadedSettings loaded = from_file(read(KYANITE_CONFIG_DIR "/kyanite.example.json"));
  EXPECT_EQ(to_text(loaded.problems), "");
  EXPECT_THAT(loaded.settings.hub.host_names, ElementsAre("hub.example.test", "hub"));
  loaded.settings.hub.host_names.clear();
  loaded.settings.data_directory = Settings{}.data_directory;
  EXPECT_EQ(show_settings(loaded.settings), show_settings(Settings{}));
}

TEST(Config, settings_shown_load_back_to_the_same) {
  const LoadedSettings changed = from_file(R"({"mqtt":{"retainProperty":"mqtt-retain","strictWill":true},
      "tls":{"keyType":"rsa-2048"}, "storage":{"retentionHours":5}, "log":{"format":"json"}})");
  ASSERT_EQ(to_text(changed.problems), "");
  const LoadedSettings again = from_file(show_settings(changed.settings).dump());
  EXPECT_EQ(to_text(again.problems), "");
  EXPECT_EQ(show_settings(again.settings), show_settings(changed.settings));
  EXPECT_EQ(again.settings.tls.key_type, KeyType::rsa_2048);
  EXPECT_EQ(again.settings.storage.retention, std::chrono::hours(5));
}

TEST(Config, file_is_beaten_by_environment_and_environment_by_flags) {
  SettingSources sources;
  sources.file = {"kyanite.json",
                  R"({"listen":{"mqtts":"127.0.0.1:1","https":"127.0.0.1:2"},"log":{"level":"error"}})"};
  sources.environment = {{"KYANITE_LISTEN_MQTTS", "127.0.0.1:3"}, {"KYANITE_LISTEN_HTTPS", "127.0.0.1:4"}};
  sources.flags = {{"--mqtts", {"127.0.0.1:5"}}};
  const LoadedSettings loaded = load_settings(sources);
  EXPECT_EQ(to_text(loaded.problems), "");
  EXPECT_EQ(loaded.settings.listen.mqtts.port, 5);
  EXPECT_EQ(loaded.settings.listen.https.port, 4);
  EXPECT_EQ(loaded.settings.log.level, "error");
}

TEST(Config, all_problems_of_all_sources_are_reported_at_once) {
  SettingSources sources;
  sources.file = {
      "kyanite.json",
      R"({"listen":{"mqts":"x","https":"localhost:443"},"storage":{"durability":"maybe","telemetryPartitions":0},
                      "hub":{"hostNames":["https://hub"]}, "log":7})"};
  sources.environment = {{"KYANITE_DURABILITY", "os"}, {"KYANITE_TLS_CONCURRENT_HANDSHAKES", "many"}};
  sources.flags = {{"--mqtts", {"8883"}}, {"--log-level", {"loud"}}};
  const LoadedSettings loaded = load_settings(sources);
  std::vector<std::string> places;
  for (const Problem& problem : loaded.problems) {
    places.push_back(problem.where);
    EXPECT_NE(problem.remedy, "") << problem.where;
  }
  EXPECT_THAT(places, testing::UnorderedElementsAre(
                          "kyanite.json: listen.mqts", "kyanite.json: listen.https",
                          "kyanite.json: storage.durability", "kyanite.json: storage.telemetryPartitions",
                          "kyanite.json: hub.hostNames", "kyanite.json: log", "KYANITE_DURABILITY",
                          "KYANITE_TLS_CONCURRENT_HANDSHAKES", "--mqtts", "--log-level"));
}

TEST(Config, an_unknown_key_is_answered_with_the_nearest_known_one) {
  EXPECT_THAT(to_text(from_file(R"({"listen":{"mqts":"[::]:1"}})").problems),
              HasSubstr("did you mean listen.mqtts?"));
  EXPECT_THAT(to_text(from_file(R"({"storage":{"Durability":"os"}})").problems),
              HasSubstr("did you mean storage.durability?"));
  EXPECT_THAT(to_text(from_file(R"({"dataDir":"x"})").problems), HasSubstr("did you mean dataDirectory?"));
  EXPECT_THAT(to_text(from_environment({{"KYANITE_LISTEN_MQTT", "x"}}).problems),
              HasSubstr("did you mean KYANITE_LISTEN_MQTTS?"));
}

TEST(Config, a_value_outside_the_schema_says_what_is_allowed) {
  EXPECT_THAT(to_text(from_file(R"({"storage":{"durability":"maybe"}})").problems),
              HasSubstr(R"(is "maybe"; write "fsync" or "os")"));
  EXPECT_THAT(to_text(from_file(R"({"hub":{"shards":1.5}})").problems),
              HasSubstr("an integer from 0 to 256"));
  EXPECT_THAT(to_text(from_file(R"({"hub":{"shards":-1}})").problems), HasSubstr("an integer from 0 to 256"));
  EXPECT_THAT(to_text(from_file(R"({"mqtt":{"strictWill":"yes"}})").problems), HasSubstr("true or false"));
  EXPECT_THAT(to_text(from_file(R"({"hub":{"hostNames":"h"}})").problems), HasSubstr("a list"));
  EXPECT_THAT(to_text(from_file(R"({"listen":[]})").problems), HasSubstr("an object"));
  EXPECT_THAT(to_text(from_file(R"({"dataDirectory":""})").problems), HasSubstr("not empty"));
  EXPECT_THAT(to_text(from_file(R"({"storage":{"retentionBytes":1e300}})").problems),
              HasSubstr("an integer"));
}

TEST(Config, broken_json_names_line_and_column) {
  const auto problems = from_file("{\n  \"hub\": {,}\n}").problems;
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0].what, HasSubstr("line 2, column 11"));
  EXPECT_THAT(from_file("").problems, SizeIs(1));
  EXPECT_THAT(from_file("[]").problems, SizeIs(1));
  EXPECT_THAT(from_file("{\"hub\":\"\xff\"}").problems, SizeIs(1));
}

TEST(Config, a_key_written_twice_is_a_problem) {
  EXPECT_THAT(to_text(from_file(R"({"log":{"level":"info","level":"debug"}})").problems),
              HasSubstr("stands twice"));
}

TEST(Config, comments_are_allowed) {
  const auto loaded = from_file("// one\n{ /* two */ \"log\": {\"level\": \"debug\"} // three\n}");
  EXPECT_EQ(to_text(loaded.problems), "");
  EXPECT_EQ(loaded.settings.log.level, "debug");
}

TEST(Config, environment_lists_are_split_at_commas) {
  const auto loaded = from_environment({{"KYANITE_HOSTNAME", "a.test, b.test"}, {"KYANITE_DATA", "/d"}});
  EXPECT_EQ(to_text(loaded.problems), "");
  EXPECT_THAT(loaded.settings.hub.host_names, ElementsAre("a.test", "b.test"));
  EXPECT_EQ(loaded.settings.data_directory, "/d");
}

TEST(Config, environment_booleans_and_numbers_are_read) {
  const auto loaded = from_environment({{"KYANITE_AUTH_STRICT_HOST", "false"},
                                        {"KYANITE_MQTT_EMIT_DUP", "1"},
                                        {"KYANITE_STORAGE_RETENTION_BYTES", "123"}});
  EXPECT_EQ(to_text(loaded.problems), "");
  EXPECT_FALSE(loaded.settings.auth.strict_host);
  EXPECT_TRUE(loaded.settings.mqtt.emit_dup);
  EXPECT_EQ(loaded.settings.storage.retention_bytes, 123u);
}

TEST(Config, variables_an_orchestrator_adds_are_ignored) {
  const auto loaded = from_environment({{"KYANITE_SERVICE_HOST", "10.0.0.1"},
                                        {"KYANITE_PORT_8883_TCP", "tcp://x"},
                                        {"KYANITE_CONNECTION_STRING", "x"},
                                        {"KYANITE_CONFIG", "f"}});
  EXPECT_THAT(loaded.problems, IsEmpty());
}

TEST(Config, a_repeated_hostname_flag_makes_a_list) {
  SettingSources sources;
  sources.flags = {{"--hostname", {"a.test", "b.test"}}};
  EXPECT_THAT(load_settings(sources).settings.hub.host_names, ElementsAre("a.test", "b.test"));
}

TEST(Config, a_file_too_large_to_be_one_is_refused) {
  EXPECT_THAT(to_text(from_file(std::string(kConfigBytesMax + 1, ' ')).problems),
              HasSubstr("larger than 1 MiB"));
}

TEST(Config, the_owner_key_is_taken_masked_and_never_part_of_a_message) {
  const std::string key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
  for (const char* variable : {"KYANITE_OWNER_KEY", "KYANITE_AUTH_OWNER_KEY", "KYANITE_OWNER_KEY_FILE",
                               "KYANITE_AUTH_OWNER_KEY_FILE"}) {
    const LoadedSettings loaded = from_environment({{variable, key}});
    EXPECT_THAT(loaded.problems, IsEmpty()) << variable;
    EXPECT_EQ(loaded.settings.auth.owner_key, key);
    EXPECT_THAT(show_settings(loaded.settings).dump(), testing::Not(HasSubstr(key)));
  }
  for (const std::string& bad : {std::string("short"), std::string("AAECAwQFBgcICQoLDA0O"),
                                 std::string("not base64 at all, is it"), std::string(88, 'A')}) {
    const LoadedSettings loaded = from_environment({{"KYANITE_OWNER_KEY", bad}});
    ASSERT_THAT(loaded.problems, SizeIs(1)) << bad;
    EXPECT_EQ(loaded.problems[0].where, "KYANITE_OWNER_KEY");
    EXPECT_THAT(to_text(loaded.problems), testing::Not(HasSubstr(bad)));
    EXPECT_THAT(loaded.problems[0].remedy, HasSubstr("openssl rand"));
  }
}

TEST(Config, a_guessable_owner_key_is_for_tests_only) {
  const std::string zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const LoadedSettings refused = from_environment({{"KYANITE_OWNER_KEY", zeros}});
  ASSERT_THAT(refused.problems, SizeIs(1));
  EXPECT_EQ(refused.problems[0].where, "auth.ownerKey");
  EXPECT_THAT(from_environment({{"KYANITE_OWNER_KEY", zeros}, {"KYANITE_TEST_CONTROL", "1"}}).problems,
              IsEmpty());
}

TEST(Config, a_secret_is_given_once) {
  const std::string key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
  const LoadedSettings loaded =
      from_environment({{"KYANITE_OWNER_KEY", key}, {"KYANITE_OWNER_KEY_FILE", key}});
  ASSERT_THAT(loaded.problems, SizeIs(1));
  EXPECT_EQ(loaded.problems[0].where, "KYANITE_OWNER_KEY_FILE");
  EXPECT_THAT(loaded.problems[0].what, HasSubstr("KYANITE_OWNER_KEY"));
}

TEST(Config, a_file_variable_is_for_secrets_only) {
  const LoadedSettings loaded = from_environment({{"KYANITE_LOG_LEVEL_FILE", "/run/x"}});
  ASSERT_THAT(loaded.problems, SizeIs(1));
  EXPECT_THAT(loaded.problems[0].what, HasSubstr("no known variable"));
}

}  // namespace
}  // namespace kyanite
