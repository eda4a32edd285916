#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/amqp/engine.h"
#include "protocol/base/assert.h"

// The input: one byte n, then n steps, then a stream. A step's low four bits say how many bytes of the stream
// are fed (0 stands for 64), the next how the caller acts on what came: accepts or refuses links, settles or
// keeps messages, sends on links with credit, ends one. Whatever comes, memory stays within the limits and
// nothing is told of a link after its end, nor an outcome of what was not sent or was settled already; one
// that awaits an answer is told once.
namespace {

using namespace kyanite;
using namespace kyanite::amqp;

EngineSettings fuzz_settings() {
  EngineSettings settings;
  settings.max_frame_size = 4096;
  settings.sessions_max = 4;
  settings.links_per_session = 8;
  settings.links_max = 12;
  settings.incoming_window = 8;
  settings.message_bytes_max = 1000;
  settings.assembling_bytes_max = 2000;
  settings.unsettled_max = 16;
  return settings;
}

class EngineCaller {
 public:
  explicit EngineCaller(Engine& engine) : engine_(engine) {}

  void drain(unsigned step) {
    while (std::optional<Event> event = engine_.next()) {
      std::visit([this, step](auto& e) { on(e, step); }, *event);
    }
  }

  void act(unsigned step) {
    for (const LinkId link : std::vector<LinkId>(links_)) {
      KYANITE_ASSERT(engine_.state() == EngineState::closed || engine_.has(link));
      for (int i = 0; i < 4 && engine_.may_send(link) > 0; ++i) {
        const bool settled = (step & 16u) != 0;
        ++key_;
        engine_.send(link, {.key = key_, .tag = "0123456789abcdef", .settled = settled},
                     std::string(key_ % 7 * 300, 'x'));
        if (!settled) unsettled_[{link, key_}] = false;
      }
      if (engine_.is_draining(link)) engine_.drained(link);
      if (key_ > 2 && (step & 32u) != 0) {
        engine_.settle_sent(link, key_ - 1, Outcome{});
        unsettled_.erase({link, key_ - 1});
      }
      if (key_ > 3 && (step & 64u) != 0) {
        engine_.forget_sent(link, key_ - 2);
        unsettled_.erase({link, key_ - 2});
      }
    }
    if (step == 0x80 && !links_.empty()) {
      engine_.detach(links_.back(), Condition{"amqp:link:stolen", "fuzz", {}});
      links_.pop_back();
    }
    if (engine_.output().size() > 1'000'000) engine_.output().clear();
  }

 private:
  void on(SaslStarted&, unsigned step) { engine_.sasl_outcome((step & 16u) == 0); }
  void on(Opened&, unsigned) {}
  void on(AttachReceived& attach, unsigned step) {
    KYANITE_ASSERT(links_.size() <= 12);
    if ((step & 128u) != 0) return engine_.refuse(attach.link, Condition{"amqp:not-found", "fuzz", {}});
    Acceptance acceptance;
    acceptance.credit = 4;
    engine_.accept(attach.link, acceptance);
    if (engine_.has(attach.link)) links_.push_back(attach.link);
  }
  void on(MessageReceived& message, unsigned step) {
    KYANITE_ASSERT(message.payload.size() <= 4096);
    KYANITE_ASSERT(is_known(message.link));
    total_ += message.payload.size();
    if (!message.settled && (step & 16u) == 0) engine_.settle(message.link, message.delivery, Outcome{});
  }
  void on(CreditReceived& credit, unsigned) { KYANITE_ASSERT(is_known(credit.link)); }
  void on(OutcomeReceived& outcome, unsigned) {
    KYANITE_ASSERT(is_known(outcome.link));
    const auto sent = unsettled_.find({outcome.link, outcome.key});
    KYANITE_ASSERT(sent != unsettled_.end());
    KYANITE_ASSERT(outcome.settled || !sent->second);
    sent->second = true;
    if (outcome.settled) unsettled_.erase(sent);
  }
  void on(LinkEnded& ended, unsigned) { std::erase(links_, ended.link); }
  void on(PeerClosed&, unsigned) {
    KYANITE_ASSERT(engine_.state() == EngineState::closed);
    KYANITE_ASSERT(links_.empty());
  }
  bool is_known(LinkId link) const { return std::find(links_.begin(), links_.end(), link) != links_.end(); }

  Engine& engine_;
  std::vector<LinkId> links_;
  std::map<std::pair<LinkId, std::uint64_t>, bool> unsettled_;  // whether its outcome was told
  std::uint64_t key_ = 0;
  std::size_t total_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t count = std::min<std::size_t>(data[0], size - 1);
  const std::vector<std::uint8_t> steps(data + 1, data + 1 + count);
  std::string_view stream(reinterpret_cast<const char*>(data) + 1 + count, size - 1 - count);
  SteadyTime now{};
  Engine engine(fuzz_settings(), now);
  EngineCaller caller(engine);
  for (std::size_t turn = 0; !stream.empty(); ++turn) {
    const unsigned step = steps.empty() ? 0u : steps[turn % steps.size()];
    const std::size_t chosen = (step & 15u) == 0 ? 64 : step & 15u;
    const std::vector<char> piece(
        stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(std::min(chosen, stream.size())));
    stream.remove_prefix(piece.size());
    now += milliseconds(100);
    engine.feed({piece.data(), piece.size()}, now);
    caller.drain(step);
    engine.hold();
    caller.act(step);
    caller.drain(step);
    engine.on_time(now);
    caller.drain(step);
  }
  return 0;
}
