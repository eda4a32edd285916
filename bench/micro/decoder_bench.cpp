#include <cstdlib>
#include <string>
#include <string_view>

#include "bench/micro/rows.h"
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
using namespace kyanite::bench;
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

std::size_t decode(Decoder& decoder, std::string_view bytes) {
  std::size_t sum = 0;
  decoder.feed(bytes);
  for (;;) {
    const auto packet = decoder.next();
    if (!packet || !*packet) return sum;
    sum += std::get<Publish>(**packet).payload.size();
  }
}

void decode_row(Rows& bench, std::string_view name, std::size_t payload_bytes) {
  const std::string stream = publishes("", payload_bytes);
  Decoder decoder;
  bench.row(name, kPublishesPerRead, [&] { return decode(decoder, stream); });
}

// Reads end in the middle of a packet, as they do over TLS.
void decode_split_row(Rows& bench) {
  const std::string stream = publishes("", 1024);
  const std::size_t cut = stream.size() / 2 + 500;
  Decoder decoder;
  bench.row("decode 1 KB, cut in each read", kPublishesPerRead, [&] {
    return decode(decoder, std::string_view(stream).substr(0, cut)) +
           decode(decoder, std::string_view(stream).substr(cut));
  });
}

void session_row(Rows& bench, std::string_view name, std::string_view bag, bool with_topic) {
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

void topic_rows(Rows& bench) {
  const Identity self{"device-0001", ""};
  const std::string topic = std::string(kPlainTopic) + std::string(kBag);
  bench.row("topic", 1, [&] {
    const auto parsed = parse_device_topic(topic, self);
    return std::get<TelemetryTopic>(*parsed).bag.size();
  });
  bench.row("bag of 5 properties", 1, [&] { return decode_property_bag(kBag).size_bytes; });
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t iterations = 2'000'000;
  std::string_view only;
  if (!read_rows_options(argc, argv, iterations, only)) return 2;
  Rows bench(iterations, only);
  decode_row(bench, "decode 64 B", 64);
  decode_row(bench, "decode 1 KB", 1024);
  decode_split_row(bench);
  topic_rows(bench);
  session_row(bench, "session 64 B with PUBACK", "", false);
  session_row(bench, "session 64 B with topic, bag and PUBACK", kBag, true);
  return 0;
}
