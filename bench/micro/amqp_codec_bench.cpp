#include <cstdlib>
#include <string>
#include <string_view>

#include "bench/micro/rows.h"
#include "protocol/amqp/engine.h"
#include "protocol/amqp/frame_decoder.h"
#include "protocol/amqp/message.h"
#include "protocol/amqp/performatives.h"
#include "server/amqp/event_message.h"
#include "server/amqp/telemetry_conversion.h"

// What one message costs in the AMQP codec and the engine: telemetry from its bytes to what the hub stores,
// and an event from its record to a frame. Usage: amqp_codec_bench [--iterations N] [--only ROW].
namespace {

using namespace kyanite;
using namespace kyanite::amqp;
using kyanite::bench::Rows;

constexpr std::size_t kTransfersPerRead = 32;

// As a Node device sends it.
std::string telemetry(std::size_t body_bytes) {
  Properties properties;
  properties.message_id = std::string("m-1");
  properties.to = "/devices/device-0001/messages/events";
  properties.content_type = "application/json";
  properties.content_encoding = "utf-8";
  Map application;
  application.entries = {{"level", "hot stuff"}, {"alert", "true"}};
  std::string out;
  append_properties(out, properties);
  append_application_properties(out, application);
  append_data(out, std::string(body_bytes, 'x'));
  return out;
}

std::string transfers(std::string_view message, std::uint32_t first, std::size_t count) {
  std::string stream;
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = first + static_cast<std::uint32_t>(i);
    Transfer transfer;
    transfer.delivery_id = number;
    transfer.delivery_tag = {reinterpret_cast<const char*>(&number), sizeof number};
    transfer.message_format = 0;
    append_transfer_head(stream, 0, transfer, message.size());
    stream += message;
  }
  return stream;
}

void frame_rows(Rows& rows) {
  const std::string stream = transfers(telemetry(200), 0, kTransfersPerRead);
  const auto each_frame = [&stream](FrameDecoder& decoder, auto&& use) {
    std::size_t sum = 0;
    decoder.feed(stream);
    for (;;) {
      const auto frame = decoder.next_frame();
      if (!frame || !*frame) return sum;
      sum += use(**frame);
    }
  };
  FrameDecoder decoder(65'536);
  decoder.feed(std::string_view("AMQP\x00\x01\x00\x00", 8));
  if (!decoder.next_header()) std::abort();
  rows.row("cut frames, 200 B", kTransfersPerRead,
           [&] { return each_frame(decoder, [](const Frame& frame) { return frame.body.size(); }); });
  rows.row("cut frames and read transfers, 200 B", kTransfersPerRead, [&] {
    return each_frame(decoder, [](const Frame& frame) {
      const auto performative = read_performative(frame.body);
      return std::get<Transfer>(*performative).payload.size();
    });
  });
}

void message_rows(Rows& rows, std::string_view name, std::size_t body_bytes) {
  const std::string message = telemetry(body_bytes);
  rows.row("read message, " + std::string(name), 1,
           [&] { return read_message(message)->application_properties.entries.size(); });
  rows.row("read telemetry, " + std::string(name), 1,
           [&] { return read_telemetry(kFormatStandard, message)->front().body.size(); });
}

// What a connection does with telemetry but for the hub: bytes in, the message, the disposition out.
void engine_row(Rows& rows) {
  Engine engine({}, SteadyTime{});
  std::string bytes("AMQP\x00\x01\x00\x00", 8);
  Open open;
  open.container_id = "bench";
  append_open(bytes, open);
  append_begin(bytes, 0, Begin{std::nullopt, 0, 1000, 1000, 255});
  amqp::Attach attach;
  attach.name = "telemetry";
  attach.source.encoded = empty_source();
  attach.target.encoded = target_of("/devices/device-0001/messages/events");
  attach.initial_delivery_count = 0;
  append_attach(bytes, 0, attach);
  engine.feed(bytes, SteadyTime{});
  while (const auto event = engine.next()) {
    if (const auto* attached = std::get_if<AttachReceived>(&*event)) {
      Acceptance acceptance;
      acceptance.credit = 256;
      engine.accept(attached->link, acceptance);
    }
  }
  engine.hold();
  const std::string message = telemetry(200);
  std::uint32_t number = 0;
  rows.row("engine: 32 transfers in, settled, 200 B", kTransfersPerRead, [&] {
    const std::string stream = transfers(message, number, kTransfersPerRead);
    number += kTransfersPerRead;
    std::size_t sum = 0;
    engine.feed(stream, SteadyTime{});
    while (const auto event = engine.next()) {
      const auto* received = std::get_if<MessageReceived>(&*event);
      if (!received) continue;
      sum += received->payload.size();
      engine.settle(received->link, received->delivery, {});
    }
    engine.hold();
    sum += engine.output().size();
    engine.output().clear();
    return sum;
  });
  rows.row("of that, what the bench writes", kTransfersPerRead,
           [&] { return transfers(message, 0, kTransfersPerRead).size(); });
}

TelemetryRecord event_record() {
  TelemetryRecord record;
  record.offset.value = 123'456;
  record.enqueued = WallTime(milliseconds(1'767'607'200'123));
  record.sender.device = "device-0001";
  record.generation_id = "638000000000000000";
  record.auth_method = R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})";
  record.system = {
      {"message-id", "m-1"}, {"content-type", "application/json"}, {"content-encoding", "utf-8"}};
  record.application = {{"level", "hot stuff"}, {"alert", "true"}};
  record.body = std::string(200, 'x');
  return record;
}

void event_rows(Rows& rows) {
  const TelemetryRecord record = event_record();
  std::string out;
  constexpr std::size_t kPageBytes = 128 * 1024;
  rows.row("write event with its annotations, 200 B", 1, [&] {
    if (out.size() > kPageBytes) out.clear();
    append_event(out, record);
    return out.size();
  });
  std::string event;
  append_event(event, record);
  rows.row("read event with its annotations, 200 B", 1,
           [&] { return read_message(event)->message_annotations.entries.size(); });
  Transfer transfer;
  transfer.delivery_id = 77'777;
  transfer.delivery_tag = "12345678";
  transfer.message_format = 0;
  transfer.settled = true;
  rows.row("write its transfer", 1, [&] {
    if (out.size() > kPageBytes) out.clear();
    append_transfer_head(out, 1, transfer, event.size());
    out += event;
    return out.size();
  });
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t iterations = 1'000'000;
  std::string_view only;
  if (!bench::read_rows_options(argc, argv, iterations, only)) return 2;
  Rows rows(iterations, only);
  frame_rows(rows);
  message_rows(rows, "64 B", 64);
  message_rows(rows, "200 B", 200);
  message_rows(rows, "16 KiB", 16'384);
  engine_row(rows);
  event_rows(rows);
  return 0;
}
