#include "server/amqp/management_answer.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/amqp/writer.h"
#include "protocol/base/percent_encoding.h"
#include "server/amqp/event_message.h"
#include "server/amqp/reply_link.h"

namespace kyanite {
namespace {

constexpr int kOk = 200;
constexpr std::string_view kEventHubType = "com.microsoft:eventhub";
constexpr std::string_view kPartitionType = "com.microsoft:partition";

struct ManagementRefusal {
  int code = 0;
  std::string description;
  std::string condition;
};

ManagementRefusal no_such_entity(const std::string& name) {
  return {404, "The messaging entity '" + name + "' could not be found.", "amqp:not-found"};
}
ManagementRefusal bad_argument(std::string description) {
  return {400, std::move(description), "com.microsoft:argument-error"};
}

std::int64_t unix_ms(WallTime time) { return time.time_since_epoch().count(); }

// Opens the body; the caller ends the map. Keys are strings: some clients look for nothing else.
void begin_body(amqp::Writer& writer, const std::string& name, std::string_view type) {
  writer.descriptor(static_cast<std::uint8_t>(amqp::Section::amqp_value));
  writer.begin_map();
  writer.string("name");
  writer.string(name);
  writer.string("type");
  writer.string(type);
}

void append_event_hub(std::string& out, const EventHubFacts& facts) {
  const std::uint32_t count = facts.log.partitions();
  std::vector<std::string> ids;
  for (std::uint32_t index = 0; index < count; ++index) ids.push_back(std::to_string(index));
  amqp::Writer writer(out);
  begin_body(writer, facts.entity, kEventHubType);
  writer.string("created_at");
  writer.timestamp(unix_ms(facts.created));
  writer.string("partition_count");
  writer.int32(static_cast<std::int32_t>(count));
  writer.string("partition_ids");
  writer.strings(ids);
  writer.string("georeplication_factor");
  writer.int32(1);
  writer.end();
}

void append_partition(std::string& out, const EventHubFacts& facts, PartitionId partition) {
  const TelemetryRange range = facts.log.range(partition);
  amqp::Writer writer(out);
  begin_body(writer, facts.entity, kPartitionType);
  writer.string("partition");
  writer.string(std::to_string(partition.value));
  writer.string("begin_sequence_number");
  writer.int64(static_cast<std::int64_t>(range.begin.value));
  writer.string("last_enqueued_sequence_number");
  writer.int64(static_cast<std::int64_t>(range.end.value) - 1);
  writer.string("last_enqueued_offset");
  writer.string(last_offset_text(range));
  writer.string("last_enqueued_time_utc");
  writer.timestamp(unix_ms(range.last_enqueued));
  writer.string("is_partition_empty");
  writer.boolean(range.begin == range.end);
  writer.string("runtime_info_retrieval_time_utc");
  writer.timestamp(unix_ms(facts.now));
  writer.end();
}

// The text of an application property; ids may come as numbers.
std::optional<std::string> argument(const amqp::Message& request, std::string_view name) {
  const amqp::Value* value = request.application_properties.find(name);
  if (!value || value->is_null()) return std::nullopt;
  if (const auto text = value->text()) return std::string(*text);
  if (const auto number = value->integer()) return std::to_string(*number);
  return std::nullopt;
}

std::optional<PartitionId> partition_of_text(const std::string& text, std::uint32_t partitions) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >= partitions) return std::nullopt;
  return PartitionId{number};
}

std::string refusal_of(const amqp::Message& request, const ManagementRefusal& refusal) {
  std::string out = reply_head(request.properties, refusal.code, refusal.description, refusal.condition);
  amqp::append_amqp_value(out, amqp::Value());
  return out;
}

}  // namespace

std::string answer_management(const amqp::Message& request, const EventHubFacts& facts) {
  const auto operation = argument(request, "operation");
  if (!operation || !equals_ignoring_case(*operation, "READ"))
    return refusal_of(request, bad_argument("the operation must be READ"));
  const auto type = argument(request, "type");
  const bool of_partition = type && equals_ignoring_case(*type, kPartitionType);
  if (!of_partition && (!type || !equals_ignoring_case(*type, kEventHubType))) {
    return refusal_of(request,
                      bad_argument("the type must be com.microsoft:eventhub or com.microsoft:partition"));
  }
  const auto name = argument(request, "name");
  if (!name) return refusal_of(request, bad_argument("the name of the event hub is missing"));
  if (!equals_ignoring_case(*name, facts.entity)) return refusal_of(request, no_such_entity(*name));
  std::string out;
  if (!of_partition) {
    out = reply_head(request.properties, kOk, "OK");
    append_event_hub(out, facts);
    return out;
  }
  const auto id = argument(request, "partition");
  if (!id) return refusal_of(request, bad_argument("the partition is missing"));
  const auto partition = partition_of_text(*id, facts.log.partitions());
  if (!partition) return refusal_of(request, no_such_entity(*name + "/Partitions/" + *id));
  out = reply_head(request.properties, kOk, "OK");
  append_partition(out, facts, *partition);
  return out;
}

}  // namespace kyanite
