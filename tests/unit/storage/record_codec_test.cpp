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
  const CaCertificateRecord record{"ca", std::string("\x30\x00", 2), true, WallTime(milliseconds(12))};
  EXPECT_EQ(encode_hex(encode_ca_certificate(record)), "0101" + encode_hex(text));
  EXPECT_EQ(decode_ca_certificate(encode_ca_certificate(record)).value(), record);
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

TEST(RecordCodec, members_of_another_type_are_refused) {
  const std::string head("\x01\x01", 2);
  EXPECT_FALSE(decode_identity(head + "{}"));
  EXPECT_FALSE(decode_identity(head + "[]"));
  EXPECT_FALSE(decode_policies(head + R"({"policies":[7]})"));
  EXPECT_FALSE(
      decode_policies(head + R"({"policies":[{"name":"a","primaryKey":"","secondaryKey":"","rights":16}]})"));
  EXPECT_FALSE(decode_ca_certificate(head + R"({"name":"a","der":"*","verified":true,"created":0})"));
}

}  // namespace
}  // namespace kyanite
