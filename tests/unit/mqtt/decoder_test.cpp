#include "protocol/mqtt/decoder.h"

#include <gtest/gtest.h>

#include "protocol/mqtt/encoder.h"
#include "tests/unit/mqtt/wire.h"

// Framing: bytes split anywhere, limits, and what is kept between feeds.
namespace kyanite::mqtt {
namespace {

using wire::bytes;

std::string publish_of(std::size_t payload_bytes, char fill = 'x') {
  std::string out;
  append_client_publish(out, "devices/d1/messages/events/", std::string(payload_bytes, fill),
                        QoS::at_least_once, false, false, PacketId{1});
  return out;
}

// One packet after another, told apart by their payload's length.
std::string stream_of(std::initializer_list<std::size_t> payload_sizes) {
  std::string out;
  for (const std::size_t size : payload_sizes) out += publish_of(size);
  return out;
}

std::vector<std::size_t> drain(Decoder& decoder) {
  std::vector<std::size_t> payload_sizes;
  for (;;) {
    const auto packet = decoder.next();
    EXPECT_TRUE(packet.has_value());
    if (!packet || !*packet) return payload_sizes;
    payload_sizes.push_back(std::get<Publish>(**packet).payload.size());
  }
}

TEST(Decoder, gives_every_packet_of_one_feed) {
  const std::string stream = stream_of({0, 3, 200});
  Decoder decoder;
  decoder.feed(stream);
  EXPECT_EQ(drain(decoder), (std::vector<std::size_t>{0, 3, 200}));
}

TEST(Decoder, gives_the_same_packets_wherever_the_bytes_are_split) {
  const std::string stream = stream_of({0, 5, 150, 7});
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    Decoder decoder;
    decoder.feed(std::string_view(stream).substr(0, first));
    auto sizes = drain(decoder);
    decoder.feed(std::string_view(stream).substr(first));
    const auto rest = drain(decoder);
    sizes.insert(sizes.end(), rest.begin(), rest.end());
    EXPECT_EQ(sizes, (std::vector<std::size_t>{0, 5, 150, 7})) << "split at " << first;
  }
}

TEST(Decoder, parses_whole_packets_in_place) {
  const std::string stream = publish_of(100);
  Decoder decoder;
  decoder.feed(stream);
  const auto packet = decoder.next();
  const auto& publish = std::get<Publish>(packet->value());
  EXPECT_EQ(publish.payload.data() + publish.payload.size(), stream.data() + stream.size());
  EXPECT_EQ(decoder.buffered_bytes(), 0u);
}

TEST(Decoder, copies_only_the_packet_that_was_cut) {
  const std::string stream = stream_of({10, 500, 900});
  const std::size_t cut = publish_of(10).size() + 100;
  Decoder decoder;
  decoder.feed(std::string_view(stream).substr(0, cut));
  EXPECT_EQ(drain(decoder).size(), 1u);
  EXPECT_EQ(decoder.buffered_bytes(), 100u);
  decoder.feed(std::string_view(stream).substr(cut));
  (void)decoder.next();  // the one that was cut
  const auto last = decoder.next();
  EXPECT_EQ(std::get<Publish>(last->value()).payload.data() + 900, stream.data() + stream.size());
}

TEST(Decoder, keeps_nothing_once_all_is_decoded) {
  const std::string stream = publish_of(5000);
  Decoder decoder;
  decoder.feed(std::string_view(stream).substr(0, 4000));
  drain(decoder);
  EXPECT_EQ(decoder.buffered_bytes(), 4000u);
  decoder.feed(std::string_view(stream).substr(4000));
  drain(decoder);
  EXPECT_EQ(decoder.buffered_bytes(), 0u);
  EXPECT_EQ(decoder.pending_bytes(), 0u);
}

TEST(Decoder, takes_a_large_packet_byte_by_byte) {
  const std::string stream = publish_of(limits::kTelemetryBytesMax);
  Decoder decoder;
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < stream.size(); ++i) {
    decoder.feed(std::string_view(stream).substr(i, 1));
    const auto more = drain(decoder);
    sizes.insert(sizes.end(), more.begin(), more.end());
  }
  EXPECT_EQ(sizes, std::vector<std::size_t>{limits::kTelemetryBytesMax});
}

TEST(Decoder, keeps_what_is_held_for_later) {
  Decoder decoder;
  {
    const std::string stream = stream_of({1, 2, 3});
    decoder.feed(stream);
    EXPECT_TRUE(decoder.next()->has_value());
    decoder.hold();
  }
  const std::string more = stream_of({4});
  decoder.feed(more);
  EXPECT_EQ(drain(decoder), (std::vector<std::size_t>{2, 3, 4}));
}

TEST(Decoder, does_not_grow_when_packets_are_taken_as_slowly_as_they_come) {
  Decoder decoder;
  const std::string one = publish_of(1000);
  decoder.feed(one);
  decoder.hold();
  for (int i = 0; i < 1000; ++i) {
    decoder.feed(one);
    decoder.hold();
    EXPECT_TRUE(decoder.next()->has_value());
    EXPECT_LE(decoder.buffered_bytes(), 2 * one.size());
  }
}

TEST(Decoder, refuses_a_packet_over_the_limit_by_its_fixed_header) {
  Decoder decoder(1000);
  const std::string header = bytes({0x30, 0xe9, 0x07});  // 1001
  decoder.feed(header);
  EXPECT_EQ(decoder.next().error().code, Errc::packet_too_large);
}

TEST(Decoder, accepts_a_packet_of_exactly_the_limit) {
  Decoder decoder(1000);
  const std::string stream = publish_of(1000 - 2 - 27 - 2);
  decoder.feed(stream);
  EXPECT_EQ(drain(decoder).size(), 1u);
}

TEST(Decoder, refuses_a_fifth_length_byte) {
  Decoder decoder;
  const std::string header = bytes({0xc0, 0x80, 0x80, 0x80, 0x80});
  decoder.feed(header);
  EXPECT_EQ(decoder.next().error().code, Errc::malformed_packet);
}

TEST(Decoder, reads_lengths_of_one_to_three_bytes) {
  for (const std::size_t payload : {96u, 97u, 16352u, 16353u, 200000u}) {
    const std::string stream = publish_of(payload);
    Decoder decoder;
    decoder.feed(stream);
    EXPECT_EQ(drain(decoder), std::vector<std::size_t>{payload});
  }
}

TEST(Decoder, stays_failed) {
  Decoder decoder;
  const std::string reserved = bytes({0x00});
  decoder.feed(reserved);
  EXPECT_FALSE(decoder.next());
  const std::string good = publish_of(1);
  decoder.feed(good);
  EXPECT_EQ(decoder.next().error().code, Errc::malformed_packet);
  EXPECT_EQ(decoder.pending_bytes(), 0u);
}

TEST(Decoder, peeks_at_the_next_byte_wherever_it_is) {
  Decoder decoder;
  EXPECT_FALSE(decoder.peek());
  const std::string stream = publish_of(1);
  decoder.feed(stream);
  EXPECT_EQ(decoder.peek(), 0x32);
  decoder.hold();
  EXPECT_EQ(decoder.peek(), 0x32);
}

}  // namespace
}  // namespace kyanite::mqtt
