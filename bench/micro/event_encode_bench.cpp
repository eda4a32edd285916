#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/amqp/performatives.h"
#include "server/amqp/event_message.h"
#include "storage/record_codec.h"

// What one event costs on its way from the log to an AMQP reader: decoding the stored record, encoding the
// message, and the transfer that copies it into a connection's output. The first two are done once for the
// readers of a shard that stand at one place (EventPages). Usage: event_encode_bench [EVENTS]
namespace {

using namespace kyanite;

constexpr std::string_view kAuthMethod =
    R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})";

TelemetryRecord make_record(std::size_t body_bytes) {
  TelemetryRecord record;
  record.offset.value = 123'456;
  record.enqueued = WallTime(milliseconds(1'767'607'200'123));
  record.sender.device = "device-0001";
  record.generation_id = "638000000000000000";
  record.auth_method = kAuthMethod;
  record.system = {
      {"message-id", "m-1"}, {"content-type", "application/json"}, {"content-encoding", "utf-8"}};
  record.application = {{"level", "hot stuff"}, {"alert", "true"}};
  record.body = std::string(body_bytes, 'x');
  return record;
}

std::string stored(const TelemetryRecord& record) {
  PropertyBag bag;
  bag.system = record.system;
  bag.application = record.application;
  return encode_telemetry({.sender = record.sender,
                           .generation_id = record.generation_id,
                           .auth_method = record.auth_method,
                           .source = record.source,
                           .model_id = record.model_id,
                           .bag = bag,
                           .body = record.body});
}

template <class Step>
double nanoseconds_of(std::size_t events, Step step) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < events; ++i) step();
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count() / static_cast<double>(events);
}

void measure(std::size_t events, std::size_t body_bytes) {
  const TelemetryRecord record = make_record(body_bytes);
  const std::string bytes = stored(record);
  std::size_t checksum = 0;
  const double decode =
      nanoseconds_of(events, [&] { checksum += decode_telemetry(record.offset, bytes)->body.size(); });
  std::string page;
  constexpr std::size_t kPageBytes = 128 * 1024;
  const double encode = nanoseconds_of(events, [&] {
    if (page.size() > kPageBytes) page.clear();
    append_event(page, record);
  });
  std::string message;
  append_event(message, record);
  amqp::Transfer transfer;
  transfer.delivery_id = 77'777;
  transfer.delivery_tag = "12345678";
  transfer.message_format = 0;
  transfer.settled = true;
  std::string output;
  const double send = nanoseconds_of(events, [&] {
    if (output.size() > kPageBytes) output.clear();
    amqp::append_transfer_head(output, 1, transfer, message.size());
    output += message;
  });
  std::printf("%8zu B body %8zu B message %10.0f decode %8.0f encode %8.0f transfer  ns an event (%zu)\n",
              body_bytes, message.size(), decode, encode, send, checksum % 10);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 300'000;
  for (const std::size_t body : {64u, 200u, 1024u, 16'384u}) measure(events, body);
  return EXIT_SUCCESS;
}
