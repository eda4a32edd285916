#include <gmock/gmock.h>

#include "server/app/cli/event_text.h"
#include "server/app/cli/identity_text.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/terminal_text.h"

namespace kyanite::cli {
namespace {

using testing::HasSubstr;

Json identity(const char* text) { return *parse_json(text); }

TEST(EventLine, shows_who_where_and_what) {
  EXPECT_EQ(event_line(R"({"deviceId":"d1","moduleId":null,"partition":2,"offset":17,"enqueuedTime":"T",
      "properties":{},"body":"{\"t\":21}"})"),
            "T  d1  p2@17  {\"t\":21}");
  EXPECT_THAT(event_line(R"({"deviceId":"d1","moduleId":"m","partition":0,"offset":0,"enqueuedTime":"T",
      "properties":{"a":"b"},"body":"x"})"),
              HasSubstr("d1/m  p0@0  x  {\"a\":\"b\"}"));
}

TEST(EventLine, an_event_of_the_hub_is_marked_with_its_source) {
  EXPECT_EQ(event_line(R"({"deviceId":"d1","moduleId":null,"partition":2,"offset":17,"enqueuedTime":"T",
      "systemProperties":{"iothub-message-source":"twinChangeEvents"},"properties":{},"body":"{}"})"),
            "T  d1  p2@17  [twinChangeEvents]  {}");
  EXPECT_EQ(event_line(R"({"deviceId":"d1","moduleId":null,"partition":2,"offset":17,"enqueuedTime":"T",
      "systemProperties":{"iothub-message-source":"Telemetry"},"properties":{},"body":"{}"})"),
            "T  d1  p2@17  {}");
}

TEST(EventLine, what_a_device_sent_cannot_act_on_the_terminal) {
  const std::string line = event_line(R"({"deviceId":"d","body":"a\u001b[2J\nb\u007f\u009b1m"})");
  for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << line;
  EXPECT_THAT(line, HasSubstr("\\x1b[2J\\x0ab\\x7f\\x9b1m"));
}

TEST(EventLine, a_line_that_is_no_event_is_shown_as_it_is) {
  EXPECT_EQ(event_line("not\x01json"), "not\\x01json");
}

TEST(TerminalText, controls_of_both_kinds_are_shown_and_do_not_act) {
  EXPECT_EQ(printable("a\x1b[2J\nb\x7f\xC2\x9b"
                      "2J \xC2\xA0\xC3\xA9"),
            "a\\x1b[2J\\x0ab\\x7f\\x9b2J \xC2\xA0\xC3\xA9");
  EXPECT_EQ(printable("\xC2"), "\xC2");
}

TEST(TerminalText, json_keeps_its_values_and_loses_what_acts) {
  const Json value{{"a",
                    "x\x7f\xC2\x9b"
                    "2J\x1b\xC3\xA9"},
                   {"b", "\xC2\x80\xC2\x9f\xC2\xA0"}};
  for (const std::string& text : {dump_printable(value), dump_printable(value, 2)}) {
    EXPECT_EQ(text.find('\x7f'), std::string::npos) << text;
    EXPECT_EQ(text.find("\xC2\x9b"), std::string::npos) << text;
    EXPECT_EQ(text.find("\xC2\x80"), std::string::npos) << text;
    EXPECT_THAT(text, HasSubstr("\xC3\xA9"));
    EXPECT_EQ(*parse_json(text), value);
  }
  EXPECT_EQ(printable_json("{\n \"a\": 1\n}"), "{\n \"a\": 1\n}");
}

TEST(ConnectionStringOf, a_device_with_keys_gets_the_one_asked_for) {
  const Json device = identity(R"({"deviceId":"d1","authentication":{"type":"sas",
      "symmetricKey":{"primaryKey":"AAAA","secondaryKey":"BBBB"}}})");
  EXPECT_EQ(to_string(*connection_string_of(device, "h.test", false)),
            "HostName=h.test;DeviceId=d1;SharedAccessKey=AAAA");
  EXPECT_THAT(to_string(*connection_string_of(device, "h.test", true)), HasSubstr("BBBB"));
}

TEST(ConnectionStringOf, a_device_with_a_certificate_gets_the_x509_form) {
  const Json device = identity(R"({"deviceId":"d1","authentication":{"type":"selfSigned"}})");
  EXPECT_EQ(to_string(*connection_string_of(device, "h.test", false)),
            "HostName=h.test;DeviceId=d1;x509=true");
}

TEST(ConnectionStringOf, an_identity_without_key_is_refused) {
  EXPECT_FALSE(
      connection_string_of(identity(R"({"deviceId":"d1","authentication":{"type":"sas"}})"), "h", false));
  EXPECT_FALSE(connection_string_of(identity("[]"), "h", false));
}

TEST(ConnectionHint, names_ca_port_and_a_command_safe_for_a_shell) {
  HubTarget target;
  target.ca_file = "/data dir/ca.pem";
  target.local = HubFile{};
  target.local->host_name = "kyanite.localhost";
  target.local->mqtts_port = 18883;
  target.local->data_directory = "/data dir";
  const std::string hint = connection_hint(identity(R"({"deviceId":"it's"})"), target);
  EXPECT_THAT(hint, HasSubstr("--cafile '/data dir/ca.pem'"));
  EXPECT_THAT(hint, HasSubstr("-p 18883"));
  EXPECT_THAT(hint, HasSubstr("'it'\\''s'"));
  EXPECT_THAT(hint, HasSubstr("SDKs dial 8883"));
}

TEST(ShellWord, quotes_only_what_needs_it) {
  EXPECT_EQ(shell_word("plain-1.2_3/x:@"), "plain-1.2_3/x:@");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("a b$"), "'a b$'");
}

TEST(DescribeRefusal, turns_the_services_envelope_into_a_line) {
  EXPECT_EQ(describe_refusal(
                {404,
                 R"({"Message":"ErrorCode:DeviceNotFound;d1 is not registered","ExceptionMessage":"x"})",
                 {},
                 {}}),
            "the hub refused: 404 DeviceNotFound: d1 is not registered");
  EXPECT_EQ(
      describe_refusal(
          {404, R"({"Message":"{\"errorCode\":404103,\"message\":\"DeviceNotOnline: gone\"}"})", {}, {}}),
      "the hub refused: 404 DeviceNotOnline: gone");
  EXPECT_EQ(describe_refusal({500, "<html>", {}, {}}), "the hub refused: 500");
  EXPECT_THAT(describe_refusal({401, "{}", {}, {}}), HasSubstr("is the key right"));
}

}  // namespace
}  // namespace kyanite::cli
