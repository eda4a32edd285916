#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"
#include "storage/records.h"

// Bytes of the stored records: two bytes first, the record's version and the oldest version able to read it.
// Layouts are in format.md; golden files in tests/unit/storage hold each version ever written.
namespace kyanite {

std::string encode_identity(const IdentityRecord& record);
Result<IdentityRecord> decode_identity(std::string_view bytes);

std::string encode_twin(const TwinRecord& record);
Result<TwinRecord> decode_twin(std::string_view bytes);
// Which documents of a twin are looked at.
struct TwinTexts {
  bool tags = true;
  bool desired = true;
  bool reported = true;
  bool metadata = true;  // of the two
  bool rest = true;      // when it was created and its configurations, which stand behind the documents
};
// The same without the others, which stay empty: they are passed over and not parsed.
Result<TwinRecord> decode_twin(std::string_view bytes, const TwinTexts& wanted);
// The version alone, without reading the documents: the commit thread asks for it with each put.
Result<std::uint64_t> twin_version(std::string_view bytes);

std::string encode_session(const SessionRecord& record);
Result<SessionRecord> decode_session(std::string_view bytes);

std::string encode_policies(const std::vector<AccessPolicy>& policies);
Result<std::vector<AccessPolicy>> decode_policies(std::string_view bytes);

std::string encode_ca_certificate(const CaCertificateRecord& record);
Result<CaCertificateRecord> decode_ca_certificate(std::string_view bytes);

// A queued message is two records, so that a delivery rewrites the small one only. The sequence is the key
// and not in the value; decode_c2d_message leaves device and header empty.
std::string encode_c2d_header(const C2dHeader& header);
Result<C2dHeader> decode_c2d_header(std::uint64_t sequence, std::string_view bytes);
std::string encode_c2d_message(const C2dMessage& message);
Result<C2dMessage> decode_c2d_message(std::string_view bytes);

std::string encode_feedback(const FeedbackRecord& record);
Result<FeedbackRecord> decode_feedback(std::uint64_t sequence, std::string_view bytes);

// Telemetry is built straight from views, so that a payload is copied once, from the read buffer into its
// record.
struct TelemetryFields {
  const Identity& sender;
  std::string_view generation_id;
  std::string_view auth_method;
  MessageSource source = MessageSource::telemetry;
  std::string_view model_id;
  const PropertyBag& bag;
  std::string_view body;
};
std::string encode_telemetry(const TelemetryFields& fields);
// Fills in what only the commit thread knows. The offset is the key and is not in the value.
void stamp_telemetry(std::string& record, WallTime enqueued);
Result<TelemetryRecord> decode_telemetry(TelemetryOffset offset, std::string_view bytes);
WallTime telemetry_enqueued(std::string_view bytes);

}  // namespace kyanite
