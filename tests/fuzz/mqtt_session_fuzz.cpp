#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/assert.h"
#include "protocol/mqtt/session.h"

// The input: one byte n, then n steps, then a stream. A step's low four bits say how many bytes of the stream
// are fed (0 stands for 64), the next two how the caller acts afterwards: nothing, acknowledge the oldest
// publish, the newest, or all from the newest. CONNECT is accepted one step after it was seen. PUBACKs must
// leave in publish order and memory stay within the limits.
namespace {

using namespace kyanite;
using namespace kyanite::mqtt;

constexpr MqttSessionLimits kLimits{.packet_bytes_max = 4096,
                                    .waiting_bytes_max = 8192,
                                    .unacked_publishes_max = 4,
                                    .unacked_bytes_max = 1024};

// Counts packet ids by watching the stream itself would repeat the decoder; the order of sequences is enough:
// the session must hand them out as 1, 2, 3, ... and the output may hold only as many PUBACKs as are
// acknowledged without a gap.
class Caller {
 public:
  explicit Caller(MqttSession& session) : session_(session) {}

  // Takes all events at hand; false once the session is closed.
  bool drain() {
    for (;;) {
      const auto event = session_.next();
      if (!event) {
        KYANITE_ASSERT(session_.state() == SessionState::closed);
        return false;
      }
      if (!*event) return session_.state() != SessionState::closed;
      if (const auto* publish = std::get_if<PublishReceived>(&**event)) on_publish(*publish);
      KYANITE_ASSERT(session_.unacked_publishes() <= kLimits.unacked_publishes_max);
    }
  }

  void act(unsigned choice) {
    if (session_.state() == SessionState::connecting) session_.accept(out_, false);
    if (open_.empty() || session_.state() != SessionState::connected) return;
    if (choice == 1) acknowledge(0);
    if (choice == 2) acknowledge(open_.size() - 1);
    while (choice == 3 && !open_.empty()) acknowledge(open_.size() - 1);
  }

 private:
  void on_publish(const PublishReceived& publish) {
    KYANITE_ASSERT(publish.qos != QoS::exactly_once && !publish.topic.empty());
    KYANITE_ASSERT((publish.ack.value != 0) == (publish.qos == QoS::at_least_once));
    if (publish.ack.value == 0) return;
    KYANITE_ASSERT(publish.ack.value == ++last_sequence_);
    open_.push_back(publish.ack);
  }

  void acknowledge(std::size_t index) {
    const AckSequence sequence = open_[index];
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
    const std::size_t before = out_.size();
    const std::size_t unacked = session_.unacked_publishes();
    session_.acknowledge(out_, sequence);
    const std::size_t left = (out_.size() - before) / 4;
    KYANITE_ASSERT(session_.unacked_publishes() + left == unacked);
    // Everything older than the oldest open one has left, nothing else.
    const std::uint64_t gone = (open_.empty() ? last_sequence_ + 1 : open_.front().value) - 1;
    KYANITE_ASSERT(session_.unacked_publishes() == last_sequence_ - gone);
  }

  MqttSession& session_;
  std::string out_;
  std::deque<AckSequence> open_;
  std::uint64_t last_sequence_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t count = std::min<std::size_t>(data[0], size - 1);
  const std::vector<std::uint8_t> steps(data + 1, data + 1 + count);
  std::string_view stream(reinterpret_cast<const char*>(data) + 1 + count, size - 1 - count);

  MqttSession session(kLimits);
  Caller caller(session);
  for (std::size_t turn = 0; !stream.empty(); ++turn) {
    const unsigned step = steps.empty() ? 0x30u : steps[turn % steps.size()];
    const std::size_t chosen = (step & 15u) == 0 ? 64 : step & 15u;
    const std::vector<char> piece(
        stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(std::min(chosen, stream.size())));
    stream.remove_prefix(piece.size());
    session.feed({piece.data(), piece.size()});
    if (!caller.drain()) break;
    caller.act(step >> 4 & 3u);
    if (!caller.drain()) break;
  }
  return 0;
}
