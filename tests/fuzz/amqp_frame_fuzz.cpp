// The input: one byte n, then n sizes, then a stream of AMQP. The stream is decoded in one piece and again
// cut into pieces of those sizes (used in turn; 0 stands for 256), with the input held back after every third
// piece: the frames and the error must be the same. A performative that was read, written and read once more,
// is itself.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/amqp/frame_decoder.h"
#include "protocol/amqp/performatives.h"
#include "protocol/base/assert.h"

namespace {

using namespace kyanite;
using namespace kyanite::amqp;

constexpr std::uint32_t kFrameMax = 4096;

struct ToFrame {
  std::string operator()(const Open& open) const {
    return with([&](std::string& out) { append_open(out, open); });
  }
  std::string operator()(const Begin& begin) const {
    return with([&](std::string& out) { append_begin(out, 1, begin); });
  }
  std::string operator()(const Attach& attach) const {
    return with([&](std::string& out) { append_attach(out, 1, attach); });
  }
  std::string operator()(const Flow& flow) const {
    return with([&](std::string& out) { append_flow(out, 1, flow); });
  }
  std::string operator()(Transfer transfer) const {
    transfer.delivery_tag = transfer.delivery_tag.substr(0, 32);  // what we send has no longer one
    return with([&](std::string& out) {
      append_transfer_head(out, 1, transfer, transfer.payload.size());
      out += transfer.payload;
    });
  }
  std::string operator()(const Disposition& disposition) const {
    return with([&](std::string& out) { append_disposition(out, 1, disposition); });
  }
  std::string operator()(const Detach& detach) const {
    return with([&](std::string& out) { append_detach(out, 1, detach); });
  }
  std::string operator()(const End& end) const {
    return with([&](std::string& out) { append_end(out, 1, end); });
  }
  std::string operator()(const Close& close) const {
    return with([&](std::string& out) { append_close(out, close); });
  }

  template <class Append>
  static std::string with(const Append& append) {
    std::string out;
    append(out);
    return out;
  }
};

void check_performative(std::string_view body) {
  const auto performative = read_performative(body);
  if (!performative) return;
  const std::string frame = std::visit(ToFrame(), *performative);
  FrameDecoder decoder(0xffffffff);
  decoder.feed(frame);
  const auto again = decoder.next_frame();
  KYANITE_ASSERT(again && *again);
  const auto same = read_performative((*again)->body);
  KYANITE_ASSERT(same.has_value());
  KYANITE_ASSERT(std::visit(ToFrame(), *same) == frame);
}

// Takes what is at hand; false once the decoder failed.
bool drain(FrameDecoder& decoder, bool& header, std::vector<std::string>& seen) {
  for (;;) {
    if (!header) {
      const auto next = decoder.next_header();
      if (!next) return seen.push_back("bad header"), false;
      if (!*next) return true;
      header = true;
    }
    const auto frame = decoder.next_frame();
    if (!frame) return seen.push_back("error " + std::to_string(static_cast<int>(frame.error().code))), false;
    if (!*frame) return true;
    seen.push_back(std::to_string((*frame)->channel) + ((*frame)->type == FrameType::sasl ? "s" : "a"));
    seen.emplace_back((*frame)->body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t count = std::min<std::size_t>(data[0], size - 1);
  const std::vector<std::uint8_t> sizes(data + 1, data + 1 + count);
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1 + count, size - 1 - count);

  std::vector<std::string> whole;
  bool header = false;
  FrameDecoder at_once(kFrameMax);
  at_once.feed(stream);
  drain(at_once, header, whole);
  for (const std::string& seen : whole) {
    check_performative(seen);
    (void)read_sasl_init(seen);
  }

  std::vector<std::string> pieces;
  header = false;
  FrameDecoder in_pieces(kFrameMax);
  std::size_t at = 0;
  bool failed = false;
  for (std::size_t turn = 0; at < stream.size() && !failed; ++turn) {
    const std::size_t chosen =
        sizes.empty() || sizes[turn % sizes.size()] == 0 ? 256 : sizes[turn % sizes.size()];
    // A copy of exactly this size, so that reading beyond it, or after it is gone, is seen.
    const std::vector<char> piece(
        stream.begin() + static_cast<std::ptrdiff_t>(at),
        stream.begin() + static_cast<std::ptrdiff_t>(std::min(at + chosen, stream.size())));
    at += piece.size();
    in_pieces.feed({piece.data(), piece.size()});
    if (turn % 3 == 2 && at < stream.size())
      in_pieces.hold();
    else
      failed = !drain(in_pieces, header, pieces);
  }
  KYANITE_ASSERT(pieces == whole);
  return 0;
}
