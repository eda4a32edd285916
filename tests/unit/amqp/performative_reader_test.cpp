#include <gtest/gtest.h>

#include "protocol/amqp/performatives.h"
#include "tests/unit/amqp/wire.h"

// What peers say: full lists, lists without trailing fields, and every form of a descriptor (spec 2.2).
namespace kyanite::amqp {
namespace {

using wire::bytes;

template <class T>
T as(const std::string& body) {
  auto read = read_performative(body);
  EXPECT_TRUE(read.has_value()) << read.error().detail << " in " << wire::hex_of(body);
  if (!read || !std::holds_alternative<T>(*read)) {
    ADD_FAILURE() << "another performative in " << wire::hex_of(body);
    return T();
  }
  return std::get<T>(*std::move(read));
}

std::string body(const char* code, int count, std::string_view items) {
  return bytes("00 53") + bytes(code) + wire::list(count, bytes(items));
}

TEST(AmqpPerformativeReader, open_with_one_field_has_defaults) {
  const Open open = as<Open>(body("10", 1, "a103'dev'"));
  EXPECT_EQ(open.container_id, "dev");
  EXPECT_EQ(open.hostname, "");
  EXPECT_EQ(open.max_frame_size, 0xffffffffu);
  EXPECT_EQ(open.channel_max, 0xffff);
  EXPECT_EQ(open.idle_time_out_ms, std::nullopt);
  EXPECT_TRUE(open.properties.empty());
}

// Spec 2.3: string keys are accepted in properties.
TEST(AmqpPerformativeReader, open_with_all_fields) {
  const Open open =
      as<Open>(body("10", 10,
                    "a103'dev' a104'host' 70 00010000 60 01ff 70 0000ea60 a305'en-US' 40 e00401a30163 a30164"
                    "c1 0b 04 a10161 5401 a30162 5402"));
  EXPECT_EQ(open.hostname, "host");
  EXPECT_EQ(open.max_frame_size, 65'536u);
  EXPECT_EQ(open.channel_max, 511);
  EXPECT_EQ(open.idle_time_out_ms, 60'000u);
  ASSERT_EQ(open.properties.entries.size(), 2u);
  EXPECT_EQ(*open.properties.find("a"), Value(std::int32_t{1}));
  EXPECT_EQ(*open.properties.find("b"), Value(std::int32_t{2}));
}

TEST(AmqpPerformativeReader, descriptors_of_every_form) {
  for (const char* head :
       {"00 53 17", "00 80 0000000000000017", "00 a3 0d 'amqp:end:list'", "00 b3 0000000d 'amqp:end:list'"}) {
    for (const char* list : {"45", "c0 01 00", "d0 00000004 00000000", "c0 02 01 40"})
      EXPECT_EQ(as<End>(bytes(head) + bytes(list)).error, std::nullopt);
  }
}

TEST(AmqpPerformativeReader, begin) {
  const Begin begin = as<Begin>(body("11", 4, "40 43 70 00000800 60 0200"));
  EXPECT_EQ(begin.remote_channel, std::nullopt);
  EXPECT_EQ(begin.next_outgoing_id, 0u);
  EXPECT_EQ(begin.incoming_window, 2048u);
  EXPECT_EQ(begin.outgoing_window, 512u);
  EXPECT_EQ(begin.handle_max, 0xffffffffu);
  const Begin full = as<Begin>(body("11", 8, "60 0007 5201 5202 5203 5204 40 40 c10100"));
  EXPECT_EQ(full.remote_channel, 7);
  EXPECT_EQ(full.handle_max, 4u);
}

TEST(AmqpPerformativeReader, attach_of_a_sender) {
  const Attach attach =
      as<Attach>(body("12", 7, "a104'link' 43 42 40 40 00 5328 45 00 5329 c0 0e 01 a10b'/messages/x'"));
  EXPECT_EQ(attach.name, "link");
  EXPECT_EQ(attach.handle, 0u);
  EXPECT_EQ(attach.role, Role::sender);
  EXPECT_EQ(attach.sender_mode, SenderMode::mixed);
  EXPECT_EQ(attach.receiver_mode, ReceiverMode::first);
  EXPECT_FALSE(attach.source.is_null());
  EXPECT_EQ(attach.source.encoded, empty_source());  // not list0 (behaviour 6)
  EXPECT_EQ(attach.source.address, "");
  EXPECT_EQ(attach.target.address, "/messages/x");
  EXPECT_EQ(attach.initial_delivery_count, std::nullopt);
  EXPECT_EQ(attach.max_message_size, 0u);
  EXPECT_TRUE(attach.properties.empty());
}

TEST(AmqpPerformativeReader, attach_of_a_receiver_with_a_filter) {
  const std::string source_items =
      bytes("a104'node' 43 a30b'session-end' 43 41 40 40") + bytes(
                                                                 "c1 17 02 a302'fs' 00 80 "
                                                                 "0000468c00000004 a106'x > 10'");
  const std::string source = bytes("00 5328") + wire::list(8, source_items);
  const std::string items = bytes("a104'link' 5205 41 5001 5001") + source +
                            bytes(
                                "40 40 40 43 80 0000000000040000 40 "
                                "a306'cap:an' c1 05 02 a3016b 40");
  const Attach attach = as<Attach>(bytes("00 5312") + wire::list(14, items));
  EXPECT_EQ(attach.handle, 5u);
  EXPECT_EQ(attach.role, Role::receiver);
  EXPECT_EQ(attach.sender_mode, SenderMode::settled);
  EXPECT_EQ(attach.receiver_mode, ReceiverMode::second);
  EXPECT_EQ(attach.source.encoded, source);
  EXPECT_EQ(attach.source.address, "node");
  EXPECT_TRUE(attach.source.dynamic);
  ASSERT_NE(attach.source.filter.find("fs"), nullptr);
  EXPECT_EQ(attach.source.filter.find("fs")->text(), "x > 10");
  EXPECT_TRUE(attach.target.is_null());
  EXPECT_EQ(attach.initial_delivery_count, 0u);
  EXPECT_EQ(attach.max_message_size, 262'144u);
  EXPECT_EQ(attach.desired_capabilities, std::vector<std::string>{"cap:an"});
  EXPECT_NE(attach.properties.find("k"), nullptr);
}

TEST(AmqpPerformativeReader, a_coordinator_is_a_target_without_an_address) {
  const Attach attach = as<Attach>(body("12", 7, "a10161 43 42 40 40 40 00 5330 c0 05 01 a30261 62"));
  EXPECT_FALSE(attach.target.is_null());
  EXPECT_EQ(attach.target.address, "");
}

TEST(AmqpPerformativeReader, flow) {
  const Flow session = as<Flow>(body("13", 4, "40 5201 5202 5203"));
  EXPECT_EQ(session.next_incoming_id, std::nullopt);
  EXPECT_EQ(session.incoming_window, 1u);
  EXPECT_EQ(session.next_outgoing_id, 2u);
  EXPECT_EQ(session.outgoing_window, 3u);
  EXPECT_EQ(session.handle, std::nullopt);
  EXPECT_FALSE(session.drain);
  EXPECT_FALSE(session.echo);
  const Flow link = as<Flow>(body("13", 11, "43 5201 5202 5203 5204 5205 5206 5207 41 41 40"));
  EXPECT_EQ(link.next_incoming_id, 0u);
  EXPECT_EQ(link.handle, 4u);
  EXPECT_EQ(link.delivery_count, 5u);
  EXPECT_EQ(link.link_credit, 6u);
  EXPECT_EQ(link.available, 7u);
  EXPECT_TRUE(link.drain);
  EXPECT_TRUE(link.echo);
}

TEST(AmqpPerformativeReader, transfer_with_its_payload_in_place) {
  const std::string encoded = body("14", 5, "43 5209 a002 0102 70 80013700 42") + "payload";
  const Transfer transfer = as<Transfer>(encoded);
  EXPECT_EQ(transfer.handle, 0u);
  EXPECT_EQ(transfer.delivery_id, 9u);
  EXPECT_EQ(transfer.delivery_tag, bytes("0102"));
  EXPECT_EQ(transfer.message_format, 0x80013700u);
  EXPECT_EQ(transfer.settled, false);
  EXPECT_FALSE(transfer.more || transfer.resume || transfer.aborted);
  EXPECT_EQ(transfer.payload, "payload");
  EXPECT_EQ(transfer.payload.data() + 7, encoded.data() + encoded.size());
}

TEST(AmqpPerformativeReader, transfer_with_all_fields_and_one_that_goes_on) {
  const std::string full = body("14", 11, "5201 5202 a001'x' 43 41 41 5000 00 532345 41 41 41");
  const Transfer transfer = as<Transfer>(full);
  EXPECT_EQ(transfer.settled, true);
  EXPECT_TRUE(transfer.more);
  EXPECT_TRUE(transfer.resume);
  EXPECT_TRUE(transfer.aborted);
  EXPECT_TRUE(transfer.payload.empty());
  const std::string further = body("14", 1, "5201") + "more";
  EXPECT_EQ(as<Transfer>(further).delivery_id, std::nullopt);
  EXPECT_EQ(as<Transfer>(further).settled, std::nullopt);
  EXPECT_EQ(as<Transfer>(further).payload, "more");
}

TEST(AmqpPerformativeReader, transfer_in_wide_forms) {
  const std::string encoded = bytes(
                                  "00 80 0000000000000014 d0 0000001f 00000006 80 0000000000000001 60 0002 "
                                  "b0 00000001 'x' 70 00000000 56 01 "
                                  "56 00") +
                              "payload";
  const Transfer transfer = as<Transfer>(encoded);
  EXPECT_EQ(transfer.handle, 1u);
  EXPECT_EQ(transfer.delivery_id, 2u);
  EXPECT_EQ(transfer.delivery_tag, "x");
  EXPECT_EQ(transfer.message_format, 0u);
  EXPECT_EQ(transfer.settled, true);
  EXPECT_FALSE(transfer.more);
  EXPECT_EQ(transfer.payload, "payload");
}

// Spec 2.6: dispositions come as ranges.
TEST(AmqpPerformativeReader, dispositions) {
  const Disposition one = as<Disposition>(body("15", 2, "41 5203"));
  EXPECT_EQ(one.role, Role::receiver);
  EXPECT_EQ(one.first, 3u);
  EXPECT_EQ(one.last, 3u);
  EXPECT_FALSE(one.settled);
  EXPECT_EQ(one.state, std::nullopt);
  const Disposition range = as<Disposition>(body("15", 6, "42 5203 5209 41 00 5324 45 42"));
  EXPECT_EQ(range.role, Role::sender);
  EXPECT_EQ(range.last, 9u);
  EXPECT_TRUE(range.settled);
  EXPECT_EQ(range.state, Outcome());
}

TEST(AmqpPerformativeReader, every_outcome) {
  const auto state = [](const char* encoded) {
    return as<Disposition>(body("15", 5, std::string("41 43 40 41") + encoded)).state;
  };
  EXPECT_EQ(state("00 5324 c0 01 00"), (Outcome{OutcomeKind::accepted, std::nullopt, false, false}));
  EXPECT_EQ(state("00 5325 45"), (Outcome{OutcomeKind::rejected, std::nullopt, false, false}));
  EXPECT_EQ(state("00 5325 c0 02 01 40"), (Outcome{OutcomeKind::rejected, std::nullopt, false, false}));
  EXPECT_EQ(state("00 5325 c0 0d 01 00 531d c0 07 02 a30163 a10164"),
            (Outcome{OutcomeKind::rejected, Condition{"c", "d", {}}, false, false}));
  EXPECT_EQ(state("00 5326 45"), (Outcome{OutcomeKind::released, std::nullopt, false, false}));
  EXPECT_EQ(state("00 5327 c0 03 02 41 41"), (Outcome{OutcomeKind::modified, std::nullopt, true, true}));
  EXPECT_EQ(state("00 a3 12 'amqp:released:list' 45"),
            (Outcome{OutcomeKind::released, std::nullopt, false, false}));
  // States that are no outcome: received, transactional, unknown.
  EXPECT_EQ(state("00 5323 c0 03 02 43 44"), std::nullopt);
  EXPECT_EQ(state("00 5334 c0 04 01 a001 01"), std::nullopt);
  EXPECT_EQ(state("00 a3 01 'x' 45"), std::nullopt);
}

TEST(AmqpPerformativeReader, ends_with_an_error) {
  const Detach detach =
      as<Detach>(body("16", 3, "5201 41 00 531d c0 0e 03 a30163 a10164 c1 05 02 a3016b 41"));
  EXPECT_EQ(detach.handle, 1u);
  EXPECT_TRUE(detach.closed);
  EXPECT_EQ(detach.error, (Condition{"c", "d", Map{{{Symbol{"k"}, Value(true)}}}}));
  EXPECT_FALSE(as<Detach>(body("16", 1, "5201")).closed);
  EXPECT_EQ(as<Close>(body("18", 1, "00 531d c0 04 01 a30163")).error, (Condition{"c", "", {}}));
  EXPECT_EQ(as<Close>(body("18", 1, "00 531d c0 06 03 a30163 40 40")).error, (Condition{"c", "", {}}));
}

TEST(AmqpPerformativeReader, sasl_init) {
  const auto init = read_sasl_init(body("41", 3, "a305'PLAIN' a006 00'u'00'pwd' a104'host'"));
  ASSERT_TRUE(init);
  EXPECT_EQ(init->mechanism, "PLAIN");
  EXPECT_EQ(init->initial_response, std::string("\0u\0pwd", 6));
  EXPECT_EQ(init->hostname, "host");
  const auto bare = read_sasl_init(body("41", 1, "a307'MSSBCBS'"));
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->initial_response, "");
  EXPECT_TRUE(wire::is_malformed(read_sasl_init(body("41", 0, ""))));
  EXPECT_TRUE(wire::is_malformed(read_sasl_init(body("41", 1, "a301'x'") + "y")));
  const auto other = read_sasl_init(body("43", 1, "a001'x'"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::protocol_violation);
}

TEST(AmqpPerformativeReader, what_is_no_performative) {
  for (const char* notation : {"00 53 0f 45", "00 53 19 45", "00 53 40 45", "00 53 70 45", "00 a3 01 'x' 45",
                               "00 80 0000000100000010 45"}) {
    const auto read = read_performative(bytes(notation));
    ASSERT_FALSE(read) << notation;
    EXPECT_EQ(read.error().code, Errc::protocol_violation) << notation;
  }
  for (const char* notation :
       {"", "40", "45", "00", "00 53", "00 53 10", "00 53 10 40", "00 53 10 c1 01 00", "00 53 10 a1 01 'x'"})
    EXPECT_TRUE(wire::is_malformed(read_performative(bytes(notation)))) << notation;
}

TEST(AmqpPerformativeReader, mandatory_fields) {
  const std::pair<const char*, const char*> cases[] = {
      {"10", "40"},           // open: container-id
      {"11", "40 40 43 43"},  // begin: next-outgoing-id
      {"11", "40 43 40 43"},
      {"11", "40 43 43 40"},  //
      {"12", "40 43 41 40"},  // attach: name, handle, role
      {"12", "a10161 40 41 40"},
      {"12", "a10161 43 40 40"},  //
      {"13", "40 40 43 43"},
      {"13", "40 43 40 43"},
      {"13", "40 43 43 40"},  // flow: windows and ids
      {"14", "40"},           // transfer: handle
      {"15", "40 43"},
      {"15", "41 40"},  // disposition: role, first
      {"16", "40"},     // detach: handle
  };
  for (const auto& [code, items] : cases) {
    const int count = std::string_view(items).starts_with("a1") ? 4 : static_cast<int>(bytes(items).size());
    EXPECT_TRUE(wire::is_malformed(read_performative(body(code, count, items)))) << code << " " << items;
    // And without any field.
    EXPECT_TRUE(wire::is_malformed(read_performative(bytes("00 53") + bytes(code) + bytes("45")))) << code;
  }
}

TEST(AmqpPerformativeReader, fields_of_another_type_or_beyond_their_range) {
  const std::string bodies[] = {
      body("10", 1, "5401"),                                         // a container id that is a number
      body("10", 4, "a10161 40 40 70 00010000"),                     // channel-max of 17 bits
      body("10", 3, "a10161 40 80 0000000100000000"),                // a frame size of 33 bits
      body("10", 10, "a10161 40 40 40 40 40 40 40 40 5401"),         // properties that are no map
      body("12", 4, "a10161 43 41 5003"),                            // a sender mode of 3
      body("12", 5, "a10161 43 41 40 5002"),                         // a receiver mode of 2
      body("12", 6, "a10161 43 41 40 40 a10161"),                    // a source that is not described
      body("12", 6, "a10161 43 41 40 40 00 5328 c1 01 00"),          // a source that is a map
      body("12", 6, "a10161 43 41 40 40 00 5328 c0 03 01 54 01"),    // an address that is a number
      body("12", 12, "a10161 43 41 40 40 40 40 40 40 40 40 54 01"),  // capabilities that are numbers
      body("13", 4, "40 5401 43 54ff"),                              // a negative window
      body("14", 3, "43 43 a30161"),                                 // a delivery tag that is a symbol
      body("15", 5, "41 43 40 41 5401"),                             // a state that is not described
      body("15", 5, "41 43 40 41 00 5325 c0 03 01 54 01"),           // an error that is a number
      body("16", 3, "43 41 00 5324 45"),                             // an error that is an outcome
      body("16", 3, "43 41 00 531d c0 06 03 a30163 40 41"),          // an info that is no map
      body("16", 2, "43 43"),                                        // closed as a number
  };
  for (const std::string& encoded : bodies)
    EXPECT_TRUE(wire::is_malformed(read_performative(encoded))) << wire::hex_of(encoded);
}

TEST(AmqpPerformativeReader, lists_and_their_items_must_agree) {
  EXPECT_TRUE(wire::is_malformed(read_performative(body("16", 3, "43 41"))));
  EXPECT_TRUE(wire::is_malformed(read_performative(body("16", 1, "43 41"))));
  EXPECT_TRUE(wire::is_malformed(read_performative(body("16", 2, "43 a1ff"))));
  EXPECT_TRUE(
      wire::is_malformed(read_performative(body("17", 1, "40") + "x")));  // no payload but of transfers
  // Fields behind those that are known are passed over, if they are values at all.
  EXPECT_TRUE(read_performative(body("16", 5, "43 41 40 5401 40")));
  EXPECT_TRUE(wire::is_malformed(read_performative(body("16", 4, "43 41 40 ff"))));
}

// Cut anywhere, a performative is an error and nothing worse.
TEST(AmqpPerformativeReader, cut_at_every_byte) {
  Attach attach;
  attach.name = "link";
  attach.source.encoded = source_of("node");
  attach.target.encoded = target_of("node");
  attach.properties = Map{{{Symbol{"k"}, Value(List{{Value("v"), Value(std::uint64_t{7})}})}}};
  std::string frame;
  append_attach(frame, 0, attach);
  const std::string whole = frame.substr(8);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read_performative(std::string(whole.substr(0, size)))) << size;
  EXPECT_TRUE(read_performative(whole));
}

TEST(AmqpPerformativeReader, reads_what_is_written) {
  Attach attach;
  attach.name = "link";
  attach.handle = 77;
  attach.role = Role::sender;
  attach.sender_mode = SenderMode::unsettled;
  attach.receiver_mode = ReceiverMode::second;
  attach.source.encoded = source_of("node");
  attach.initial_delivery_count = 9;
  attach.max_message_size = 1 << 20;
  attach.offered_capabilities = {"a", "b"};
  attach.desired_capabilities = {std::string(300, 'c')};
  attach.properties = Map{{{Symbol{"epoch"}, Value(std::int64_t{5})}}};
  std::string frame;
  append_attach(frame, 3, attach);
  const Attach read = as<Attach>(frame.substr(8));
  EXPECT_EQ(read.name, attach.name);
  EXPECT_EQ(read.handle, 77u);
  EXPECT_EQ(read.role, Role::sender);
  EXPECT_EQ(read.sender_mode, SenderMode::unsettled);
  EXPECT_EQ(read.receiver_mode, ReceiverMode::second);
  EXPECT_EQ(read.source.encoded, attach.source.encoded);
  EXPECT_EQ(read.source.address, "node");
  EXPECT_TRUE(read.target.is_null());
  EXPECT_EQ(read.initial_delivery_count, 9u);
  EXPECT_EQ(read.max_message_size, std::uint64_t{1} << 20);
  EXPECT_EQ(read.offered_capabilities, attach.offered_capabilities);
  EXPECT_EQ(read.desired_capabilities, attach.desired_capabilities);
  EXPECT_EQ(read.properties, attach.properties);
}

}  // namespace
}  // namespace kyanite::amqp
