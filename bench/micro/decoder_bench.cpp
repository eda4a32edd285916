#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/mqtt/decoder.h"
#include "protocol/mqtt/encoder.h"
#include "protocol/mqtt/session.h"
#include "protocol/topics/device_topic.h"
#include "protocol/topics/property_bag.h"

// What one telemetry message costs before it reaches the hub: decoding, session, topic, property bag.
// Usage: decoder_bench [--iterations N]. Under callgrind, the difference of two runs with different N,
// divided by the difference of N, is the count of instructions of all rows together; --only NAME runs a
// single row.
namespace {

using namespace kyanite;
using namespace kyanite::mqtt;

constexpr std::size_t kPublishesPerRead = 32;
constexpr std::string_view kPlainTopic = "devices/device-0001/messages/events/";
constexpr std::string_view kBag =
    "%24.mid=m-1&%24.ct=application%2Fjson&%24.ce=utf-8&level=hot%20stuff&alert=true";

std::string publishes(std::string_view bag, std::size_t payload_bytes) {
  std::string stream;
  for (std::size_t i = 0; i < kPublishesPerRead; ++i) {
    append_client_publish(stream, std::string(kPlainTopic) + std::string(bag),
                          std::string(payload_bytes, 'x'), QoS::at_least_once, false, false,
                          PacketId{static_cast<std::uint16_t>(i + 1)});
  }
  return stream;
}

class Bench {
 public:
  Bench(std::size_t iterations, std::string_view only) : iterations_(iterations), only_(only) {
    std::printf("%-44s %12s %10s\n", "row", "messages", "ns/message");
  }

  // `round` handles `messages` messages and returns something that depends on them all.
  template <class Round>
  void row(std::string_view name, std::size_t messages, Round round) {
    if (!only_.empty() && name != only_) return;
    const std::size_t rounds = iterations_ / messages + 1;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < rounds; ++i) checksum_ += round();
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    const auto total = static_cast<double>(rounds * messages);
    std::printf("%-44.*s %12.0f %10.1f\n", static_cast<int>(name.size()), name.data(), total,
                elapsed.count() / total);
  }

  // Printed so that no compiler drops the work.
  ~Bench() { std::printf("checksum %zu\n", checksum_); }

 private:
  std::size_t iterations_;
  std::string_view only_;
  std::size_t checksum_ = 0;
};

std::size_t decode(Decoder& decoder, std::string_view bytes) {
  std::size_t sum = 0;
  decoder.feed(bytes);
  for (;;) {
    const auto packet = decoder.next();
    if (!packet || !*packet) return sum;
    sum += std::get<Publish>(**packet).payload.size();
  }
}

void decode_row(Bench& bench, std::string_view name, std::size_t payload_bytes) {
  const std::string stream = publishes("", payload_bytes);
  Decoder decoder;
  bench.row(name, kPublishesPerRead, [&] { return decode(decoder, stream); });
}

// Reads end in the middle of a packet, as they do over TLS.
void decode_split_row(Bench& bench) {
  const std::string stream = publishes("", 1024);
  const std::size_t cut = stream.size() / 2 + 500;
  Decoder decoder;
  bench.row("decode 1 KB, cut in each read", kPublishesPerRead, [&] {
    return decode(decoder, std::string_view(stream).substr(0, cut)) +
           decode(decoder, std::string_view(stream).substr(cut));
  });
}

void session_row(Bench& bench, std::string_view name, std::string_view bag, bool with_topic) {
  const std::string stream = publishes(bag, 64);
  const Identity self{"device-0001", ""};
  std::string connect, out;
  append_connect(connect, {.client_id = "device-0001", .username = "hub/device-0001"});
  MqttSession session;
  session.feed(connect);
  if (!session.next()) std::abort();
  session.accept(out, false);
  bench.row(name, kPublishesPerRead, [&] {
    std::size_t sum = 0;
    out.clear();
    session.feed(stream);
    for (;;) {
      const auto event = session.next();
      if (!event || !*event) break;
      const auto& publish = std::get<PublishReceived>(**event);
      if (with_topic) {
        const auto topic = parse_device_topic(publish.topic, self);
        sum += decode_property_bag(std::get<TelemetryTopic>(*topic).bag).size_bytes;
      }
      session.acknowledge(out, publish.ack);
    }
    return sum + out.size();
  });
}

void topic_rows(Bench& bench) {
  const Identity self{"device-0001", ""};
  const std::string topic = std::string(kPlainTopic) + std::string(kBag);
  bench.row("topic", 1, [&] {
    const auto parsed = parse_device_topic(topic, self);
    return std::get<TelemetryTopic>(*parsed).bag.size();
  });
  bench.row("bag of 5 properties", 1, [&] { return decode_property_bag(kBag).size_bytes; });
}

int usage() {
  std::fprintf(stderr, "usage: decoder_bench [--iterations N] [--only ROW]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t iterations = 2'000'000;
  std::string_view only;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) return usage();
    if (option == "--iterations") {
      iterations = std::strtoull(argv[i + 1], nullptr, 10);
      if (iterations == 0) return usage();
    } else if (option == "--only") {
      only = argv[i + 1];
    } else {
      return usage();
    }
  }
  Bench bench(iterations, only);
  decode_row(bench, "decode 64 B", 64);
  decode_row(bench, "decode 1 KB", 1024);
  decode_split_row(bench);
  topic_rows(bench);
  session_row(bench, "session 64 B with PUBACK", "", false);
  session_row(bench, "session 64 B with topic, bag and PUBACK", kBag, true);
  return 0;
}
