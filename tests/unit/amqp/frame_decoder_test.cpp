#include "protocol/amqp/frame_decoder.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/amqp/wire.h"

namespace kyanite::amqp {
namespace {

using wire::bytes;

constexpr std::uint32_t kFrameMax = 65'536;

std::string body_of(std::size_t size) { return std::string(size, 'b'); }

// "type/channel/body" of all frames at hand.
std::vector<std::string> drain(FrameDecoder& decoder) {
  std::vector<std::string> frames;
  for (;;) {
    const auto frame = decoder.next_frame();
    EXPECT_TRUE(frame.has_value());
    if (!frame || !*frame) return frames;
    frames.push_back(std::to_string(static_cast<int>((*frame)->type)) + "/" +
                     std::to_string((*frame)->channel) + "/" + std::string((*frame)->body));
  }
}

TEST(AmqpFrameDecoder, protocol_headers) {
  FrameDecoder decoder(kFrameMax);
  const std::string stream = bytes("'AMQP' 03010000 'AMQP' 00010000");
  decoder.feed(stream);
  EXPECT_EQ(**decoder.next_header(), ProtocolHeader::sasl);
  EXPECT_EQ(**decoder.next_header(), ProtocolHeader::amqp);
  EXPECT_EQ(*decoder.next_header(), std::nullopt);
}

TEST(AmqpFrameDecoder, other_headers_are_refused_at_the_first_byte_that_tells) {
  for (const char* notation : {"'GET / HTTP'", "'G'", "'AMQQ'", "'AMQP' 01", "'AMQP' 02010000", "'AMQP' 0002",
                               "'AMQP' 00010100", "'AMQP' 0000090001", "1603010200"}) {
    FrameDecoder decoder(kFrameMax);
    const std::string stream = bytes(notation);
    decoder.feed(stream);
    EXPECT_TRUE(wire::is_malformed(decoder.next_header())) << notation;
    EXPECT_TRUE(wire::is_malformed(decoder.next_header())) << notation;
  }
}

TEST(AmqpFrameDecoder, a_frame_is_given_in_place) {
  FrameDecoder decoder(kFrameMax);
  const std::string stream = wire::frame("hello", 1, 0x1234) + wire::frame("");
  decoder.feed(stream);
  const auto frame = decoder.next_frame();
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->type, FrameType::sasl);
  EXPECT_EQ((*frame)->channel, 0x1234);
  EXPECT_EQ((*frame)->body, "hello");
  EXPECT_EQ((*frame)->body.data(), stream.data() + 8);
  const auto heartbeat = decoder.next_frame();
  ASSERT_TRUE(heartbeat && *heartbeat);
  EXPECT_EQ((*heartbeat)->type, FrameType::amqp);
  EXPECT_TRUE((*heartbeat)->body.empty());
  EXPECT_EQ(*decoder.next_frame() == std::nullopt, true);
  EXPECT_EQ(decoder.buffered_bytes(), 0u);
}

TEST(AmqpFrameDecoder, an_extended_header_is_passed_over) {
  FrameDecoder decoder(kFrameMax);
  const std::string stream = bytes("0000000e 03 00 0001 ffffffff 'ab'");
  decoder.feed(stream);
  EXPECT_EQ(drain(decoder), std::vector<std::string>{"0/1/ab"});
}

// Behaviour 5: a stream is the same wherever it is cut.
TEST(AmqpFrameDecoder, frames_cut_at_every_byte) {
  const std::string stream = bytes("'AMQP' 00010000") + wire::frame("one", 0, 1) + wire::frame("") +
                             wire::frame(body_of(40), 1, 2) + bytes("0000000e 03 00 0003 00000000 'ab'");
  const std::vector<std::string> expected = {"0/1/one", "0/0/", "1/2/" + body_of(40), "0/3/ab"};
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      FrameDecoder decoder(kFrameMax);
      std::vector<std::string> frames;
      bool header = false;
      const std::size_t ends[] = {first, second, stream.size()};
      std::size_t begin = 0;
      for (const std::size_t end : ends) {
        const std::string piece = stream.substr(begin, end - begin);  // goes away after its turn
        begin = end;
        decoder.feed(piece);
        if (!header) header = decoder.next_header()->has_value();
        if (!header) continue;
        for (std::string& frame : drain(decoder)) frames.push_back(std::move(frame));
      }
      ASSERT_TRUE(header);
      ASSERT_EQ(frames, expected) << "cut at " << first << " and " << second;
      ASSERT_EQ(decoder.buffered_bytes(), 0u);
    }
  }
}

TEST(AmqpFrameDecoder, byte_by_byte) {
  const std::string stream = wire::frame("one", 0, 1) + wire::frame(body_of(300), 0, 2);
  FrameDecoder decoder(kFrameMax);
  std::vector<std::string> frames;
  for (const char byte : stream) {
    const std::string piece(1, byte);
    decoder.feed(piece);
    for (std::string& frame : drain(decoder)) frames.push_back(std::move(frame));
  }
  EXPECT_EQ(frames, (std::vector<std::string>{"0/1/one", "0/2/" + body_of(300)}));
}

TEST(AmqpFrameDecoder, copies_only_the_frame_that_was_cut) {
  const std::string stream = wire::frame(body_of(10)) + wire::frame(body_of(500)) + wire::frame(body_of(900));
  FrameDecoder decoder(kFrameMax);
  const std::string_view all = stream;
  decoder.feed(all.substr(0, 118));
  EXPECT_EQ(drain(decoder).size(), 1u);
  EXPECT_EQ(decoder.buffered_bytes(), 100u);
  decoder.feed(all.substr(118));
  const auto cut = decoder.next_frame();
  ASSERT_TRUE(cut && *cut);
  EXPECT_EQ((*cut)->body, body_of(500));
  const auto last = decoder.next_frame();
  ASSERT_TRUE(last && *last);
  EXPECT_EQ((*last)->body.data() + 900, stream.data() + stream.size());
  EXPECT_EQ(decoder.buffered_bytes(), 0u);
}

TEST(AmqpFrameDecoder, held_frames_are_given_later) {
  std::string piece = wire::frame("one") + wire::frame("two") + wire::frame("three");
  FrameDecoder decoder(kFrameMax);
  decoder.feed(piece);
  EXPECT_EQ((**decoder.next_frame()).body, "one");
  decoder.hold();
  EXPECT_EQ(decoder.buffered_bytes(), 8u + 3 + 8 + 5);
  piece = wire::frame("four") + wire::frame("five").substr(0, 9);
  EXPECT_EQ((**decoder.next_frame()).body, "two");
  decoder.feed(piece);
  EXPECT_EQ((**decoder.next_frame()).body, "three");
  EXPECT_EQ((**decoder.next_frame()).body, "four");
  decoder.hold();
  const std::string rest = wire::frame("five").substr(9);
  EXPECT_TRUE(drain(decoder).empty());
  decoder.feed(rest);
  EXPECT_EQ(drain(decoder), std::vector<std::string>{"0/0/five"});
}

// A caller who takes one frame for each feed of two, for a long time.
TEST(AmqpFrameDecoder, frames_taken_more_slowly_than_they_come_are_all_given_in_order) {
  FrameDecoder decoder(kFrameMax);
  std::size_t given = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece = wire::frame(std::to_string(2 * i)) + wire::frame(std::to_string(2 * i + 1));
    decoder.feed(piece);
    for (int taken = 0; taken < (i < 900 ? 1 : 11); ++taken) {
      const auto frame = decoder.next_frame();
      ASSERT_TRUE(frame);
      if (!*frame) break;
      ASSERT_EQ((*frame)->body, std::to_string(given));
      ++given;
    }
    decoder.hold();
  }
  for (const std::string& frame : drain(decoder)) {
    ASSERT_EQ(frame, "0/0/" + std::to_string(given));
    ++given;
  }
  EXPECT_EQ(given, 2000u);
  EXPECT_EQ(decoder.buffered_bytes(), 0u);
}

TEST(AmqpFrameDecoder, bad_frames_are_refused_as_soon_as_they_show) {
  for (const char* notation : {"00000007",             // smaller than its header
                               "00000000",             //
                               "00000008 00 00 0000",  // data offset inside the header
                               "00000008 01 00 0000",  //
                               "00000008 03 00 0000",  // data offset behind the frame
                               "0000000b 03 00 0000",  //
                               "00000100 ff 00 0000",  //
                               "00000008 02 02 0000",  // unknown type
                               "00000008 02 ff 0000"}) {
    const std::string stream = bytes(notation);
    FrameDecoder at_once(kFrameMax);
    at_once.feed(stream);
    EXPECT_TRUE(wire::is_malformed(at_once.next_frame())) << notation;
    EXPECT_TRUE(wire::is_malformed(at_once.next_frame())) << notation;
    FrameDecoder in_pieces(kFrameMax);
    for (std::size_t i = 0; i < stream.size(); ++i) {
      in_pieces.feed(std::string_view(stream).substr(i, 1));
      const bool refused = !in_pieces.next_frame();
      EXPECT_EQ(refused, i + 1 == stream.size()) << notation << " at " << i;
    }
  }
}

TEST(AmqpFrameDecoder, a_frame_over_the_limit_is_refused_at_its_size) {
  FrameDecoder decoder(512);
  const std::string fits = wire::frame(body_of(504));
  decoder.feed(fits);
  EXPECT_EQ(drain(decoder).size(), 1u);
  const std::string size = bytes("00000201");
  decoder.feed(size);
  const auto refused = decoder.next_frame();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::packet_too_large);
}

}  // namespace
}  // namespace kyanite::amqp
