#include "storage/record_codec.h"

#include <gtest/gtest.h>

#include "protocol/base/base64.h"

// Golden bytes: what a released version wrote must be read for ever. A change of layout adds a new line here
// and keeps the old one.
namespace kyanite {
namespace {

const Identity kSender{"d1", "m1"};

std::string sample_telemetry() {
  PropertyBag bag;
  bag.system = {{"message-id", "7"}};
  bag.application = {{"k", std::nullopt}, {"e", ""}};
  const TelemetryFields fields{kSender, "638", "{}", MessageSource::telemetry, "m", bag, "hi"};
  std::string record = encode_telemetry(fields);
  stamp_telemetry(record, WallTime(milliseconds(0x0102030405)));
  return record;
}

IdentityRecord sample_identity() {
  IdentityRecord record;
  record.id = kSender;
  record.generation_id = "638";
  record.etag_counter = 3;
  record.status = IdentityStatus::disabled;
  record.status_reason = "off";
  record.status_updated = WallTime(milliseconds(-5));
  record.auth_type = AuthenticationType::self_signed;
  record.primary_thumbprint = "AA";
  record.secondary_thumbprint = "BB";
  record.iot_edge = true;
  record.device_scope = "s";
  record.parent_scopes = {"p"};
  record.managed_by = "x";
  return record;
}

TwinRecord sample_twin() {
  TwinRecord record;
  record.version = 9;
  record.model_id = "dtmi:a;1";
  record.tags = R"({"b":1,"a":2.50})";
  record.created = WallTime(milliseconds(1700000000000));
  return record;
}

SessionRecord sample_session() {
  return {kSender, {{"devices/d1/messages/devicebound/#", 1, WallTime(milliseconds(12))}, {"a", 0, kNever}}};
}

C2dMessage sample_message() {
  C2dMessage message;
  message.header.sequence = 9;
  message.header.enqueued = WallTime(milliseconds(300));
  message.header.expiry = WallTime(milliseconds(1));
  message.header.explicit_expiry = true;
  message.header.was_sent = true;
  message.header.delivery_count = 5;
  message.header.ack = AckRequest::full;
  message.header.bytes = 128;
  message.header.message_id = "id";
  message.to = "/t";
  message.correlation_id = "c";
  message.user_id = "u";
  message.content_type = "j";
  message.content_encoding = "8";
  message.application = {{"k", "v"}, {"e", ""}};
  message.body = "hi";
  return message;
}

FeedbackRecord sample_feedback() {
  return {4, "id", WallTime(milliseconds(300)), FeedbackStatus::purged, "d1", "638"};
}

TEST(RecordCodec, telemetry_of_version_1_has_these_bytes) {
  EXPECT_EQ(encode_hex(sample_telemetry()),
            "0101"              // version, oldest reader
            "0000000102030405"  // enqueued, milliseconds
            "00"                // source
            "026431"
            "026d31"
            "03363338"
            "027b7d"
            "016d"
            "01"
            "0a6d6573736167652d6964"
            "0237"  // system
            "02"
            "016b"
            "00"
            "0165"
            "01"  // application: no value, empty value
            "026869");
}

TEST(RecordCodec, identity_of_version_1_has_these_bytes) {
  const std::string text =
      R"({"device":"d1","module":"m1","generation":"638","etag":3,"status":"disabled","reason":"off",)"
      R"("statusUpdated":-5,"auth":"selfSigned","primaryKey":"","secondaryKey":"","primaryThumbprint":"AA",)"
      R"("secondaryThumbprint":"BB","edge":true,"scope":"s","parents":["p"],"managedBy":"x"})";
  EXPECT_EQ(encode_hex(encode_identity(sample_identity())), "0101" + encode_hex(text));
}

TEST(RecordCodec, twin_of_version_1_has_these_bytes) {
  const std::string text =
      R"({"version":9,"etag":1,"desiredVersion":1,"reportedVersion":1,"modelId":"dtmi:a;1",)"
      R"("tags":"{\"b\":1,\"a\":2.50}","desired":"{}","reported":"{}","desiredMetadata":"","reportedMetadata":"",)"
      R"("created":1700000000000})";
  EXPECT_EQ(encode_hex(encode_twin(sample_twin())), "0101" + encode_hex(text));
}

TEST(RecordCodec, policies_of_version_1_have_these_bytes) {
  const std::string text =
      R"({"policies":[{"name":"device","primaryKey":"YQ==","secondaryKey":"Yg==","rights":8}]})";
  EXPECT_EQ(encode_hex(encode_policies({{"device", "YQ==", "Yg==", Right::device_connect}})),
            "0101" + encode_hex(text));
}

TEST(RecordCodec, ca_certificate_of_version_1_has_these_bytes) {
  const std::string text = R"({"name":"ca","der":"MAA=","verified":true,"created":12})";
  const CaCertificateRecord record{"ca", std::string("\x30\x00", 2), true, {}, WallTime(milliseconds(12))};
  EXPECT_EQ(encode_hex(encode_ca_certificate(record)), "0101" + encode_hex(text));
  EXPECT_EQ(decode_ca_certificate(encode_ca_certificate(record)).value(), record);
}

TEST(RecordCodec, session_of_version_1_has_these_bytes) {
  const std::string text = R"({"device":"d1","module":"m1","subscriptions":[)"
                           R"({"filter":"devices/d1/messages/devicebound/#","qos":1,"created":12},)"
                           R"({"filter":"a","qos":0,"created":0}]})";
  EXPECT_EQ(encode_hex(encode_session(sample_session())), "0101" + encode_hex(text));
}

TEST(RecordCodec, message_header_of_version_1_has_these_bytes) {
  EXPECT_EQ(encode_hex(encode_c2d_header(sample_message().header)),
            "0101"  // version, oldest reader
            "ac02"  // enqueued
            "01"    // expiry
            "03"    // explicit expiry, sent before
            "05"    // delivery count
            "03"    // ack
            "8001"  // size
            "026964");
}

TEST(RecordCodec, message_of_version_1_has_these_bytes) {
  EXPECT_EQ(encode_hex(encode_c2d_message(sample_message())),
            "0101"
            "022f74"
            "0163"
            "0175"
            "016a"
            "0138"
            "02"
            "016b"
            "0276"
            "0165"
            "01"  // application properties
            "026869");
}

TEST(RecordCodec, feedback_of_version_1_has_these_bytes) {
  EXPECT_EQ(encode_hex(encode_feedback(sample_feedback())),
            "0101"
            "ac02"  // time
            "04"    // status
            "026964"
            "026431"
            "03363338");
}

TEST(RecordCodec, sessions_messages_and_feedback_come_back_as_they_were) {
  EXPECT_EQ(decode_session(encode_session(sample_session())).value(), sample_session());
  const C2dMessage message = sample_message();
  EXPECT_EQ(decode_c2d_header(9, encode_c2d_header(message.header)).value(), message.header);
  C2dMessage bare = message;
  bare.header = {};
  EXPECT_EQ(decode_c2d_message(encode_c2d_message(message)).value(), bare);
  EXPECT_EQ(decode_feedback(4, encode_feedback(sample_feedback())).value(), sample_feedback());
}

TEST(RecordCodec, every_source_of_an_event_is_read_and_an_unknown_one_refused) {
  for (const MessageSource source :
       {MessageSource::telemetry, MessageSource::twin_change, MessageSource::device_lifecycle,
        MessageSource::connection_state, MessageSource::operations_monitoring}) {
    const PropertyBag bag;
    const std::string bytes = encode_telemetry({kSender, "", "", source, "", bag, ""});
    EXPECT_EQ(decode_telemetry(TelemetryOffset{}, bytes)->source, source);
  }
  std::string unknown = sample_telemetry();
  unknown[10] = 5;
  EXPECT_FALSE(decode_telemetry(TelemetryOffset{}, unknown));
}

TEST(RecordCodec, a_twin_says_what_configurations_made_of_it_only_when_there_are_some) {
  TwinRecord twin = sample_twin();
  EXPECT_EQ(encode_twin(twin).find("configurations"), std::string::npos);
  twin.configurations = R"({"c-1":{"status":"Applied"}})";
  EXPECT_EQ(decode_twin(encode_twin(twin)).value(), twin);
  EXPECT_EQ(twin_version(encode_twin(twin)).value(), 9u);
}

TEST(RecordCodec, the_version_of_a_twin_is_told_without_its_documents) {
  EXPECT_EQ(twin_version(encode_twin(sample_twin())).value(), 9u);
  const std::string head("\x01\x01", 2);
  EXPECT_EQ(twin_version(head + R"({"version":12,"rest":)").value(), 12u);
  EXPECT_FALSE(twin_version(head + R"({"version":12)"));
  EXPECT_FALSE(twin_version(head + R"({"version":99999999999999999999,"etag":1})"));
  EXPECT_FALSE(twin_version(head + R"({"version":-1,"etag":1})"));
  std::string newer = encode_twin(sample_twin());
  newer[1] = 2;
  EXPECT_FALSE(twin_version(newer));
  // Another order of members, as another writer may have it.
  std::string other = encode_twin(sample_twin());
  other.insert(3, R"("first":0,)");
  EXPECT_EQ(twin_version(other).value(), 9u);
}

TEST(RecordCodec, a_twin_is_read_without_the_documents_that_nobody_looks_at) {
  TwinRecord whole = sample_twin();
  whole.tags = R"({"desired":"x","a\\":"\"desired\":\"","z":"\\"})";
  whole.desired = R"({"reported":"\"tags\":\"","b":"\\\\"})";
  whole.reported = R"({"c":"\"}"})";
  whole.desired_metadata = R"({"$lastUpdated":"x"})";
  whole.reported_metadata = R"({"$lastUpdated":"y"})";
  const std::string bytes = encode_twin(whole);
  EXPECT_EQ(decode_twin(bytes, TwinTexts{}).value(), whole);
  for (int mask = 0; mask < 16; ++mask) {
    const TwinTexts wanted{(mask & 1) != 0, (mask & 2) != 0, (mask & 4) != 0, (mask & 8) != 0};
    TwinRecord expected = whole;
    if (!wanted.tags) expected.tags.clear();
    if (!wanted.desired) expected.desired.clear();
    if (!wanted.reported) expected.reported.clear();
    if (!wanted.desired || !wanted.metadata) expected.desired_metadata.clear();
    if (!wanted.reported || !wanted.metadata) expected.reported_metadata.clear();
    const auto read = decode_twin(bytes, wanted);
    ASSERT_TRUE(read) << mask;
    EXPECT_EQ(*read, expected) << mask;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_twin(std::string_view(bytes).substr(0, size), TwinTexts{false, false, false, false}));
  }
}

TEST(RecordCodec, json_records_come_back_as_they_were) {
  EXPECT_EQ(decode_identity(encode_identity(sample_identity())).value(), sample_identity());
  EXPECT_EQ(decode_twin(encode_twin(sample_twin())).value(), sample_twin());
  const std::vector<AccessPolicy> policies{{"a", "k", "l", Right::registry_read}, {"b", "", "", Rights()}};
  EXPECT_EQ(decode_policies(encode_policies(policies)).value(), policies);
}

TEST(RecordCodec, telemetry_comes_back_as_it_was) {
  const TelemetryRecord record = decode_telemetry(TelemetryOffset{42}, sample_telemetry()).value();
  EXPECT_EQ(record.offset.value, 42u);
  EXPECT_EQ(record.enqueued, WallTime(milliseconds(0x0102030405)));
  EXPECT_EQ(record.sender, kSender);
  EXPECT_EQ(record.system, (std::vector<Property>{{"message-id", "7"}}));
  EXPECT_EQ(record.application, (std::vector<Property>{{"k", std::nullopt}, {"e", ""}}));
  EXPECT_EQ(record.body, "hi");
}

TEST(RecordCodec, a_record_cut_anywhere_is_refused) {
  const std::string telemetry = sample_telemetry();
  for (std::size_t size = 0; size < telemetry.size(); ++size) {
    EXPECT_FALSE(decode_telemetry(TelemetryOffset{}, telemetry.substr(0, size))) << size;
  }
  const std::string identity = encode_identity(sample_identity());
  for (std::size_t size = 0; size < identity.size(); ++size)
    EXPECT_FALSE(decode_identity(identity.substr(0, size)));
  const std::string session = encode_session(sample_session());
  for (std::size_t size = 0; size < session.size(); ++size)
    EXPECT_FALSE(decode_session(session.substr(0, size)));
  const std::string header = encode_c2d_header(sample_message().header);
  for (std::size_t size = 0; size < header.size(); ++size)
    EXPECT_FALSE(decode_c2d_header(1, header.substr(0, size)));
  const std::string message = encode_c2d_message(sample_message());
  for (std::size_t size = 0; size < message.size(); ++size)
    EXPECT_FALSE(decode_c2d_message(message.substr(0, size)));
  const std::string feedback = encode_feedback(sample_feedback());
  for (std::size_t size = 0; size < feedback.size(); ++size)
    EXPECT_FALSE(decode_feedback(1, feedback.substr(0, size)));
}

TEST(RecordCodec, a_record_that_needs_a_newer_reader_is_refused_and_a_newer_readable_one_is_read) {
  std::string telemetry = sample_telemetry() + "added later";
  telemetry[0] = 2;
  EXPECT_EQ(decode_telemetry(TelemetryOffset{}, telemetry)->body, "hi");
  telemetry[1] = 2;
  EXPECT_EQ(decode_telemetry(TelemetryOffset{}, telemetry).error().code, Errc::storage_failed);
  std::string twin = encode_twin(sample_twin());
  twin[0] = 2;
  EXPECT_TRUE(decode_twin(twin));
  twin[1] = 2;
  EXPECT_FALSE(decode_twin(twin));
  std::string header = encode_c2d_header(sample_message().header) + "added later";
  header[0] = 2;
  EXPECT_EQ(decode_c2d_header(9, header).value(), sample_message().header);
  header[1] = 2;
  EXPECT_EQ(decode_c2d_header(9, header).error().code, Errc::storage_failed);
}

TEST(RecordCodec, counts_and_lengths_that_lie_cost_no_memory) {
  std::string record = sample_telemetry().substr(0, 10);
  record += std::string("\x00\x00\x00\x00\x00\x00", 6);  // source and five empty fields
  record += "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";  // 2^64 - 1 system properties
  EXPECT_FALSE(decode_telemetry(TelemetryOffset{}, record));
  record.resize(16);
  record += "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f";  // a number past 64 bits
  EXPECT_FALSE(decode_telemetry(TelemetryOffset{}, record));
}

TEST(RecordCodec, numbers_out_of_range_are_refused) {
  const std::string head("\x01\x01", 2);
  EXPECT_TRUE(decode_c2d_header(1, head + std::string("\0\0\0\0\3\0\0", 7)));
  EXPECT_FALSE(decode_c2d_header(1, head + std::string("\0\0\0\0\4\0\0", 7)));  // ack
  EXPECT_FALSE(
      decode_c2d_header(1, head + std::string("\0\0\0\xff\xff\xff\xff\x10\0\0\0", 11)));  // 2^32 deliveries
  EXPECT_TRUE(decode_feedback(1, head + std::string("\0\4\0\0\0", 5)));
  EXPECT_FALSE(decode_feedback(1, head + std::string("\0\5\0\0\0", 5)));  // status
}

TEST(RecordCodec, members_of_another_type_are_refused) {
  const std::string head("\x01\x01", 2);
  EXPECT_FALSE(decode_session(head + R"({"device":"d","module":""})"));
  EXPECT_FALSE(decode_session(head + R"({"device":"d","module":"","subscriptions":[1]})"));
  EXPECT_FALSE(decode_session(
      head + R"({"device":"d","module":"","subscriptions":[{"filter":"a","qos":3,"created":0}]})"));
  EXPECT_FALSE(decode_identity(head + "{}"));
  EXPECT_FALSE(decode_identity(head + "[]"));
  EXPECT_FALSE(decode_policies(head + R"({"policies":[7]})"));
  EXPECT_FALSE(
      decode_policies(head + R"({"policies":[{"name":"a","primaryKey":"","secondaryKey":"","rights":16}]})"));
  EXPECT_FALSE(decode_ca_certificate(head + R"({"name":"a","der":"*","verified":true,"created":0})"));
}

}  // namespace
}  // namespace kyanite
