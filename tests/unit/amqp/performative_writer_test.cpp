#include <gtest/gtest.h>

#include "protocol/amqp/frame_decoder.h"
#include "protocol/amqp/performatives.h"
#include "protocol/amqp/reader.h"
#include "tests/unit/amqp/wire.h"

// What the server says, byte by byte. Behaviour 6: every field is there and no list is list0.
namespace kyanite::amqp {
namespace {

using wire::bytes;
using wire::hex;
using wire::hex_of;

// The number of fields of the list in a frame, which must be of this type and code, and list8 or list32.
std::uint32_t fields_of(const std::string& frame, FrameType type, std::uint8_t code) {
  FrameDecoder decoder(1 << 20);
  decoder.feed(frame);
  const auto whole = decoder.next_frame();
  EXPECT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->type, type);
  EXPECT_TRUE((*whole)->body.starts_with(bytes("00 53") + static_cast<char>(code)));
  EXPECT_TRUE((*whole)->body[3] == '\xc0' || (*whole)->body[3] == '\xd0');
  EXPECT_FALSE(*decoder.next_frame());
  Reader reader((*whole)->body);
  EXPECT_EQ(*reader.descriptor(), code);
  const auto list = reader.list();
  EXPECT_TRUE(list);
  Reader items(list->items);
  for (std::uint32_t i = 0; i < list->count; ++i) EXPECT_TRUE(items.skip());
  EXPECT_TRUE(items.at_end());
  return list->count;
}

template <class... Args>
std::string out_of(void (*append)(std::string&, Args...), std::type_identity_t<Args>... args) {
  std::string out;
  append(out, args...);
  return out;
}

Condition condition() {
  return {"amqp:not-found", "no such node", Map{{{Symbol{"com.microsoft:tracking-id"}, Value("t1")}}}};
}

const char* const kConditionHex =
    "00 531d c0 41 03 a3 0e 'amqp:not-found' a1 0c 'no such node' c1 20 02 a3 19 'com.microsoft:tracking-id' "
    "a1 02 't1'";

TEST(AmqpPerformativeWriter, open_has_ten_fields) {
  Open open;
  open.container_id = "hub";
  open.max_frame_size = 65'536;
  open.channel_max = 255;
  open.idle_time_out_ms = 240'000;
  EXPECT_EQ(hex_of(out_of(append_open, open)), hex("00000026 02 00 0000 00 5310 c0 19 0a a103'hub' 40 70 "
                                                   "00010000 60 00ff 70 0003a980 40 40 40 40 40"));
  EXPECT_EQ(fields_of(out_of(append_open, Open()), FrameType::amqp, 0x10), 10u);
  open.hostname = "h";
  open.properties = Map{{{Symbol{"p"}, Value(true)}}};
  EXPECT_EQ(fields_of(out_of(append_open, open), FrameType::amqp, 0x10), 10u);
}

// Behaviour 7: handle-max is there.
TEST(AmqpPerformativeWriter, begin_has_eight_fields) {
  Begin begin;
  begin.remote_channel = 3;
  begin.incoming_window = 2048;
  begin.outgoing_window = 2048;
  begin.handle_max = 4095;
  EXPECT_EQ(
      hex_of(out_of(append_begin, 0x0102, begin)),
      hex("00000024 02 00 0102 00 5311 c0 17 08 60 0003 43 70 00000800 70 00000800 70 00000fff 40 40 40"));
  EXPECT_EQ(fields_of(out_of(append_begin, 0, Begin()), FrameType::amqp, 0x11), 8u);
}

// Behaviour 8: initial-delivery-count when the hub sends, and properties that are never null.
TEST(AmqpPerformativeWriter, attach_has_fourteen_fields) {
  Attach attach;
  attach.name = "l";
  attach.handle = 1;
  attach.role = Role::sender;
  attach.sender_mode = SenderMode::settled;
  attach.receiver_mode = ReceiverMode::second;
  attach.source.encoded = source_of("a");
  attach.target.encoded = empty_target();
  EXPECT_EQ(hex_of(out_of(append_attach, 0, attach)),
            hex("0000003a 02 00 0000 00 5312 c0 2d 0e a1016c 5201 42 5001 5001"
                "00 5328 c0 0e 0b a10161 40 40 40 40 40 40 40 40 40 40"
                "00 5329 c0 01 00 40 40 43 40 40 40 c1 01 00"));
  attach.role = Role::receiver;
  attach.max_message_size = 262'144;
  attach.offered_capabilities = {"c"};
  attach.source = Terminus();
  EXPECT_EQ(hex_of(out_of(append_attach, 0, attach)),
            hex("00000035 02 00 0000 00 5312 c0 28 0e a1016c 5201 41 5001 5001 40"
                "00 5329 c0 01 00 40 40 40 80 0000000000040000 e0 04 01 a3 0163 40 c1 01 00"));
  EXPECT_EQ(fields_of(out_of(append_attach, 0, Attach()), FrameType::amqp, 0x12), 14u);
}

TEST(AmqpPerformativeWriter, flow_has_eleven_fields) {
  Flow flow;
  flow.next_incoming_id = 0;
  flow.incoming_window = 10;
  flow.next_outgoing_id = 300;
  flow.outgoing_window = 20;
  EXPECT_EQ(hex_of(out_of(append_flow, 1, flow)),
            hex("0000001f 02 00 0001 00 5313 c0 12 0b 43 520a 70 0000012c 5214 40 40 40 40 42 42 40"));
  flow.handle = 2;
  flow.delivery_count = 7;
  flow.link_credit = 0;
  flow.available = 1;
  flow.drain = true;
  flow.echo = true;
  EXPECT_EQ(hex_of(out_of(append_flow, 1, flow)),
            hex("00000022 02 00 0001 00 5313 c0 15 0b 43 520a 70 0000012c 5214 5202 5207 43 5201 41 41 40"));
}

TEST(AmqpPerformativeWriter, transfer_has_eleven_fields_and_counts_its_payload) {
  Transfer transfer;
  transfer.handle = 1;
  transfer.delivery_id = 256;
  transfer.delivery_tag = "tag";
  transfer.message_format = 0;
  transfer.settled = true;
  std::string out = "before";
  append_transfer_head(out, 2, transfer, 1000);
  EXPECT_EQ(hex_of(out),
            hex("'before' 0000040a 02 00 0002 00 5314 c0 15 0b 5201 70 00000100 a003'tag' 43 41 42 40 40 "
                "42 42 42"));
  Transfer further;
  further.handle = 0;
  further.more = true;
  EXPECT_EQ(hex_of(out_of(append_transfer_head, 0, further, 0)),
            hex("00000019 02 00 0000 00 5314 c0 0c 0b 43 40 40 40 40 41 40 40 42 42 42"));
  EXPECT_EQ(fields_of(out_of(append_transfer_head, 0, transfer, 0), FrameType::amqp, 0x14), 11u);
}

TEST(AmqpPerformativeWriter, transfer_heads_are_as_long_as_foretold_at_most) {
  for (const std::size_t tag_bytes : {0u, 1u, 16u, 32u}) {
    const std::string tag(tag_bytes, 't');
    Transfer transfer;
    transfer.handle = 0xffffffff;
    transfer.delivery_id = 0xffffffff;
    transfer.message_format = 0xffffffff;
    transfer.settled = false;
    transfer.delivery_tag = tag;
    const std::string head = out_of(append_transfer_head, 0xffff, transfer, 5);
    EXPECT_LE(head.size(), transfer_head_bytes_max(tag_bytes));
    if (tag_bytes > 0) {
      EXPECT_EQ(head.size(), transfer_head_bytes_max(tag_bytes));
    }
    EXPECT_EQ(head.substr(0, 4), wire::number32(head.size() + 5));
  }
}

TEST(AmqpPerformativeWriter, dispositions_have_six_fields) {
  Disposition disposition;
  disposition.role = Role::receiver;
  disposition.first = 1;
  disposition.last = 300;
  disposition.settled = true;
  disposition.state = Outcome();
  EXPECT_EQ(hex_of(out_of(append_disposition, 1, disposition)),
            hex("0000001e 02 00 0001 00 5315 c0 11 06 41 5201 70 0000012c 41 00 5324 c0 01 00 42"));
  disposition.role = Role::sender;
  disposition.last = 1;
  disposition.settled = false;
  disposition.state = std::nullopt;
  EXPECT_EQ(hex_of(out_of(append_disposition, 1, disposition)),
            hex("00000016 02 00 0001 00 5315 c0 09 06 42 5201 5201 42 40 42"));
  disposition.state = Outcome{OutcomeKind::released, std::nullopt, false, false};
  EXPECT_EQ(hex_of(out_of(append_disposition, 1, disposition)),
            hex("0000001b 02 00 0001 00 5315 c0 0e 06 42 5201 5201 42 00 5326 c0 01 00 42"));
  disposition.state = Outcome{OutcomeKind::modified, std::nullopt, true, false};
  EXPECT_EQ(hex_of(out_of(append_disposition, 1, disposition)),
            hex("0000001e 02 00 0001 00 5315 c0 11 06 42 5201 5201 42 00 5327 c0 04 03 41 42 40 42"));
  disposition.state = Outcome{OutcomeKind::rejected, std::nullopt, false, false};
  EXPECT_EQ(hex_of(out_of(append_disposition, 1, disposition)),
            hex("0000001c 02 00 0001 00 5315 c0 0f 06 42 5201 5201 42 00 5325 c0 02 01 40 42"));
}

// Behaviour 9: three fields, and a map that is not null.
TEST(AmqpPerformativeWriter, errors_have_three_fields) {
  EXPECT_EQ(hex_of(out_of(append_close, Close{condition()})),
            hex("00000054 02 00 0000 00 5318 c0 47 01") + hex(kConditionHex));
  EXPECT_EQ(hex_of(out_of(append_end, 5, End{Condition{"a", "", {}}})),
            hex("0000001c 02 00 0005 00 5317 c0 0f 01 00 531d c0 09 03 a30161 a100 c1 01 00"));
  EXPECT_EQ(hex_of(out_of(append_detach, 5, Detach{1, true, Condition{"a", "b", {}}})),
            hex("00000020 02 00 0005 00 5316 c0 13 03 5201 41 00 531d c0 0a 03 a30161 a10162 c1 01 00"));
  Disposition disposition;
  disposition.state = Outcome{OutcomeKind::rejected, Condition{"a", "b", {}}, false, false};
  EXPECT_EQ(
      hex_of(out_of(append_disposition, 1, disposition)),
      hex("00000028 02 00 0001 00 5315 c0 1b 06 41 43 43 42 00 5325 c0 10 01 00 531d c0 0a 03 a30161 a10162 "
          "c1 01 00 42"));
}

TEST(AmqpPerformativeWriter, ends_without_an_error) {
  EXPECT_EQ(hex_of(out_of(append_detach, 1, Detach{0, false, std::nullopt})),
            hex("00000011 02 00 0001 00 5316 c0 04 03 43 42 40"));
  EXPECT_EQ(hex_of(out_of(append_end, 1, End())), hex("0000000f 02 00 0001 00 5317 c0 02 01 40"));
  EXPECT_EQ(hex_of(out_of(append_close, Close())), hex("0000000f 02 00 0000 00 5318 c0 02 01 40"));
  EXPECT_EQ(hex_of(out_of(append_empty_frame)), "0000000802000000");
}

// Behaviours 2 and 3: an array of mechanisms, and an outcome of two fields.
TEST(AmqpPerformativeWriter, sasl_frames) {
  EXPECT_EQ(hex_of(out_of(append_sasl_mechanisms, {"MSSBCBS", "PLAIN", "ANONYMOUS"})),
            hex("0000002a 02 01 0000 00 5340 c0 1d 01 e0 1a 03 a3 07'MSSBCBS' 05'PLAIN' 09'ANONYMOUS'"));
  EXPECT_EQ(hex_of(out_of(append_sasl_mechanisms, {"PLAIN"})),
            hex("00000018 02 01 0000 00 5340 c0 0b 01 e0 08 01 a3 05'PLAIN'"));
  EXPECT_EQ(hex_of(out_of(append_sasl_outcome, 1)), hex("00000011 02 01 0000 00 5344 c0 04 02 5001 40"));
  EXPECT_EQ(hex_of(out_of(append_sasl_outcome, 0)), hex("00000011 02 01 0000 00 5344 c0 04 02 5000 40"));
}

TEST(AmqpPerformativeWriter, termini) {
  EXPECT_EQ(hex_of(empty_source()), "005328c00100");
  EXPECT_EQ(hex_of(empty_target()), "005329c00100");
  EXPECT_EQ(hex_of(target_of("ab")), hex("00 5329 c0 0b 07 a1 02 'ab' 40 40 40 40 40 40"));
}

TEST(AmqpPerformativeWriter, a_large_frame_has_a_wide_list) {
  Close close{condition()};
  close.error->description = std::string(400, 'd');
  const std::string frame = out_of(append_close, close);
  EXPECT_EQ(fields_of(frame, FrameType::amqp, 0x18), 1u);
  EXPECT_EQ(frame.substr(0, 4), wire::number32(frame.size()));
  EXPECT_EQ(std::get<Close>(*read_performative(std::string_view(frame).substr(8))).error, close.error);
}

}  // namespace
}  // namespace kyanite::amqp
