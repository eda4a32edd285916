// Replays tests/transcript/*.txt against the simulated hub. README.md beside this file has the grammar.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "protocol/base/error_catalog.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using Words = std::vector<std::string>;

Words split(const std::string& text) {
  std::istringstream in(text);
  Words words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::uint16_t number(const std::string& text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw std::invalid_argument("not a number: " + text);
  return value;
}

// Takes "name=value" out of the words; the default when it is absent.
std::string option(Words& words, const std::string& name, const std::string& otherwise = {}) {
  const auto it = std::find_if(words.begin(), words.end(),
                               [&](const std::string& w) { return w.starts_with(name + "="); });
  if (it == words.end()) return otherwise;
  const std::string value = it->substr(name.size() + 1);
  words.erase(it);
  return value;
}

std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

void replace(std::string& text, const std::string& what, const std::string& with) {
  if (const std::size_t at = text.find(what); at != std::string::npos) text.replace(at, what.size(), with);
}

class Transcript {
 public:
  // One step: who, what kind ('>' does, '<' is told, '!' happens to), and the rest.
  void step(const std::string& text) {
    const std::size_t mark = text.find_first_of("<>!");
    if (mark == std::string::npos) throw std::invalid_argument("no '<', '>' or '!'");
    const std::string who = split(text.substr(0, mark)).at(0);
    Words words = split(text.substr(mark + 1));
    if (who == "service") return text[mark] == '>' ? service(words) : expect_method_result(words);
    if (who == "time") return hub_.loop.advance(milliseconds(number(words.at(0))));
    if (who == "store") return store(words);
    if (who == "log") return expect_record(words);
    if (text[mark] == '>') return device_sends(who, words);
    if (text[mark] == '<') return expect_packet(who, words);
    happens(who, words);
  }
  void expect_nothing_left() {
    for (auto& [name, client] : clients_) {
      collect(name);
      EXPECT_TRUE(inbox_[name].empty()) << name << " was sent more: " << inbox_[name].front();
    }
  }

 private:
  void service(const Words& words) {
    const Identity id = identity(words.at(1));
    if (words[0] == "create") {
      records_[words[1]] = hub_.add(id);
    } else if (words[0] == "delete") {
      EXPECT_TRUE(hub_.erase(id));
    } else if (words[0] == "disable" || words[0] == "enable") {
      IdentityRecord record = records_.at(words[1]);
      record.status = words[0] == "enable" ? IdentityStatus::enabled : IdentityStatus::disabled;
      EXPECT_TRUE(hub_.put(record, IfMatch{true, {}}));
    } else if (words[0] == "desired") {
      UpdateTwin update;
      update.identity = id;
      update.desired = parse_json(words.at(2)).value();
      EXPECT_TRUE(hub_.ask<TwinView>([&](Reply<TwinView> reply) {
        update.reply = std::move(reply);
        hub_.router().send(std::move(update));
      }));
    } else if (words[0] == "send") {
      SendC2d send;
      send.message.device = id.device;
      send.message.body = words.at(2);
      EXPECT_TRUE(hub_.ask<void>([&](Reply<void> reply) {
        send.reply = std::move(reply);
        hub_.router().send(std::move(send));
      }));
    } else if (words[0] == "invoke") {
      invoke(id, words);
    } else {
      throw std::invalid_argument("unknown service step " + words[0]);
    }
  }
  void invoke(const Identity& id, const Words& words) {
    InvokeMethod call;
    call.identity = id;
    call.method = words.at(2);
    if (words.size() > 3) call.payload = words[3];
    call.reply = Reply<MethodResult>(
        hub_.executor(0), [this](Result<MethodResult> result) { results_.push_back(std::move(result)); });
    hub_.router().send(std::move(call));
    hub_.loop.run();
  }
  // "service< STATUS [PAYLOAD]" or "service< refused NUMBER"
  void expect_method_result(const Words& words) {
    if (results_.empty()) {
      ADD_FAILURE() << "no call was answered";
      return;
    }
    const Result<MethodResult> result = std::move(results_.front());
    results_.pop_front();
    std::string text = result ? std::to_string(result->status)
                              : "refused " + std::to_string(error_row(result.error().code).number);
    if (result && !result->payload.empty()) text += " " + result->payload;
    EXPECT_EQ(text, joined(words));
  }
  void store(const Words& words) {
    if (words.at(0) == "hold") {
      hub_.stores.faults.hold_commits = true;
    } else {
      hub_.stores.release_commits();
      hub_.loop.run();
    }
  }
  void device_sends(const std::string& who, Words words) {
    const std::string packet = words.at(0);
    words.erase(words.begin());
    std::string bytes;
    if (packet == "CONNECT") return connect(who, words);
    if (packet == "PUBLISH") {
      const auto id = PacketId{number(option(words, "id", "0"))};
      const bool retain = option(words, "retain", "0") == "1";
      const auto qos = static_cast<mqtt::QoS>(number(option(words, "qos", "0")));
      replace(words.at(0), "$rid=*", "$rid=" + request_id_);
      mqtt::append_client_publish(bytes, words.at(0), words.size() > 1 ? words[1] : "", qos, retain, false,
                                  id);
    } else if (packet == "SUBSCRIBE") {
      const auto id = PacketId{number(option(words, "id", "1"))};
      const auto qos = static_cast<mqtt::QoS>(number(option(words, "qos", "1")));
      std::vector<mqtt::TopicRequest> requests;
      for (const std::string& filter : words) requests.push_back({filter, qos});
      mqtt::append_subscribe(bytes, id, requests);
    } else if (packet == "UNSUBSCRIBE") {
      const auto id = PacketId{number(option(words, "id", "1"))};
      mqtt::append_unsubscribe(bytes, id, std::vector<std::string_view>(words.begin(), words.end()));
    } else if (packet == "PUBACK") {
      mqtt::append_puback(bytes, PacketId{number(option(words, "id"))});
    } else if (packet == "PINGREQ") {
      mqtt::append_pingreq(bytes);
    } else if (packet == "DISCONNECT") {
      mqtt::append_disconnect(bytes);
    } else {
      throw std::invalid_argument("unknown packet " + packet);
    }
    clients_.at(who)->link().send(bytes);
    hub_.loop.run();
  }
  void connect(const std::string& who, Words words) {
    const IdentityRecord& record = records_.at(words.at(0));
    ConnectOptions options;
    options.keep_alive_seconds = number(option(words, "keepalive", "60"));
    options.clean_session = option(words, "clean", "0") == "1";
    options.password = option(words, "password");
    const std::string will = option(words, "will");
    const std::string payload = option(words, "payload");
    if (!will.empty()) options.will = mqtt::Will{will, payload};
    const auto shard = static_cast<std::uint16_t>(connections_++ % hub_.shard_count());
    clients_[who] = std::make_unique<SimDevice>(hub_, record, shard);
    clients_[who]->link().send(clients_[who]->connect_bytes(options));
    hub_.loop.run();
  }
  void collect(const std::string& who) {
    for (std::string& packet : clients_.at(who)->packets()) inbox_[who].push_back(std::move(packet));
  }
  void expect_packet(const std::string& who, const Words& words) {
    collect(who);
    std::string expected = joined(words);
    if (expected == "closed") {
      EXPECT_TRUE(clients_.at(who)->closed());
    } else if (expected == "nothing") {
      EXPECT_TRUE(inbox_[who].empty()) << "got " << inbox_[who].front();
      EXPECT_FALSE(clients_.at(who)->closed());
    } else if (inbox_[who].empty()) {
      ADD_FAILURE() << "nothing came, expected " << expected;
    } else {
      std::string& got = inbox_[who].front();
      while (got.ends_with(' ')) got.pop_back();  // an empty payload
      if (const std::size_t at = got.find("$rid="); expected.find("$rid=*") != std::string::npos) {
        ASSERT_NE(at, std::string::npos) << got;
        request_id_ = got.substr(at + 5, got.find_first_of(" &", at) - at - 5);
        replace(expected, "$rid=*", "$rid=" + request_id_);
      }
      EXPECT_EQ(got, expected);
      inbox_[who].pop_front();
    }
  }
  void happens(const std::string& who, const Words& words) {
    if (words.at(0) != "drop") throw std::invalid_argument("unknown event " + words[0]);
    clients_.at(who)->drop();
  }
  // "log< BODY name=value..." or "log< nothing"; records are looked at in the order they were stored.
  void expect_record(Words words) {
    const std::vector<TelemetryRecord> all = hub_.telemetry();
    if (words.at(0) == "nothing") {
      EXPECT_EQ(all.size(), records_seen_);
      return;
    }
    if (all.size() <= records_seen_) {
      ADD_FAILURE() << "no further record, expected " << words[0];
      return;
    }
    const TelemetryRecord& record = all[records_seen_++];
    EXPECT_EQ(record.body, words[0]);
    Words properties;
    for (const Property& p : record.application) properties.push_back(p.name + "=" + p.value.value_or(""));
    words.erase(words.begin());
    EXPECT_EQ(properties, words);
  }
  static Identity identity(const std::string& name) {
    const std::size_t slash = name.find('/');
    return slash == std::string::npos ? device(name) : module(name.substr(0, slash), name.substr(slash + 1));
  }

  SimHub hub_;
  std::map<std::string, IdentityRecord> records_;
  std::map<std::string, std::unique_ptr<SimDevice>> clients_;
  std::map<std::string, std::deque<std::string>> inbox_;
  std::deque<Result<MethodResult>> results_;
  std::string request_id_;  // what "$rid=*" stood for last
  std::size_t connections_ = 0;
  std::size_t records_seen_ = 0;
};

class TranscriptFile : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(TranscriptFile, is_what_the_hub_does) {
  std::ifstream file(GetParam());
  ASSERT_TRUE(file.is_open());
  Transcript transcript;
  std::size_t steps = 0;
  std::size_t line_number = 0;
  for (std::string line; std::getline(file, line);) {
    ++line_number;
    if (split(line).empty() || line.front() == '#') continue;
    std::istringstream parts(line);
    for (std::string part; std::getline(parts, part, '|'); ++steps) {
      SCOPED_TRACE(GetParam().filename().string() + ":" + std::to_string(line_number) + ":" + part);
      ASSERT_NO_THROW(transcript.step(part));
    }
  }
  EXPECT_GT(steps, 0u);
  transcript.expect_nothing_left();
}

std::vector<std::filesystem::path> transcripts() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(KYANITE_TRANSCRIPTS)) {
    const bool is_build_file = entry.path().filename() == "CMakeLists.txt";
    if (entry.path().extension() == ".txt" && !is_build_file) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

INSTANTIATE_TEST_SUITE_P(Transcripts, TranscriptFile, testing::ValuesIn(transcripts()),
                         [](const auto& file) { return file.param.stem().string(); });

}  // namespace
}  // namespace kyanite::test
