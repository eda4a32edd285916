#include "tests/support/sim_channel.h"

#include <utility>

namespace kyanite::test {

struct SimLink::State {
  explicit State(Executor& e) : executor(e) {}
  Executor& executor;
  PeerInfo peer;
  std::function<void(std::string_view)> on_hub_write;
  Channel::Sink* sink = nullptr;
  std::deque<std::string> inbox;  // to the hub
  std::string queued;             // from the hub, not yet sent
  std::string received;           // by the peer
  bool started = false;
  bool paused = false;
  bool stalled = false;
  bool flush_posted = false;
  bool ending = false;  // close() was called
  bool ended = false;   // no stream any more
};

class SimLink::SimChannel final : public Channel {
 public:
  explicit SimChannel(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~SimChannel() override {
    state_->sink = nullptr;
    state_->ended = true;
  }

  void start(Sink& sink) override {
    KYANITE_ASSERT(!state_->started);
    state_->started = true;
    state_->sink = &sink;
    state_->executor.post([state = state_] { pump(state); });
  }
  void detach() override { state_->sink = nullptr; }
  void write(std::string_view bytes) override {
    if (state_->ending || state_->ended) return;
    state_->queued += bytes;
    if (state_->on_hub_write) state_->on_hub_write(bytes);
    if (std::exchange(state_->flush_posted, true)) return;
    state_->executor.post([state = state_] { flush(state); });
  }
  std::size_t queued_bytes() const override { return state_->queued.size(); }
  void pause_reading() override { state_->paused = true; }
  void resume_reading() override {
    state_->paused = false;
    state_->executor.post([state = state_] { pump(state); });
  }
  void close(bool should_flush) override {
    if (std::exchange(state_->ending, true)) return;
    if (should_flush && !state_->stalled) {
      state_->received += state_->queued;
    }
    state_->queued.clear();
    state_->executor.post([state = state_] { end(state, ChannelEnd::closed_by_us); });
  }
  const PeerInfo& peer() const override { return state_->peer; }
  void release_certificates() override { state_->peer.certificate_chain.clear(); }

 private:
  std::shared_ptr<State> state_;
};

SimLink::SimLink(Executor& executor, PeerInfo peer) : state_(std::make_shared<State>(executor)) {
  state_->peer = std::move(peer);
}

std::unique_ptr<Channel> SimLink::take_channel() { return std::make_unique<SimChannel>(state_); }

// Gives the hub one piece a turn while it reads.
void SimLink::pump(const std::shared_ptr<State>& state) {
  if (!state->sink || state->paused || state->ending || state->ended || state->inbox.empty()) return;
  const std::string piece = std::move(state->inbox.front());
  state->inbox.pop_front();
  state->sink->on_bytes(piece);
  state->executor.post([state] { pump(state); });
}

void SimLink::flush(const std::shared_ptr<State>& state) {
  state->flush_posted = false;
  if (state->ending || state->ended) return;
  if (state->stalled || state->queued.empty()) return;
  state->received += std::exchange(state->queued, {});
  if (state->sink) state->sink->on_writable();
}

void SimLink::end(const std::shared_ptr<State>& state, ChannelEnd how) {
  if (std::exchange(state->ended, true)) return;
  if (Channel::Sink* sink = std::exchange(state->sink, nullptr)) sink->on_closed(how);
}

void SimLink::send(std::string_view bytes) {
  state_->inbox.emplace_back(bytes);
  state_->executor.post([state = state_] { pump(state); });
}

void SimLink::send_in_pieces(std::string_view bytes, std::size_t piece) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) send(bytes.substr(0, piece));
}

void SimLink::drop() {
  state_->executor.post([state = state_] { end(state, ChannelEnd::reset); });
}

void SimLink::close_gracefully() {
  state_->executor.post([state = state_] { end(state, ChannelEnd::peer_closed); });
}

void SimLink::stall() { state_->stalled = true; }

void SimLink::unstall() {
  state_->stalled = false;
  state_->executor.post([state = state_] { flush(state); });
}

void SimLink::on_hub_write(std::function<void(std::string_view)> listener) {
  state_->on_hub_write = std::move(listener);
}

std::string SimLink::take_received() { return std::exchange(state_->received, {}); }
bool SimLink::is_closed() const { return state_->ended; }
bool SimLink::hub_is_reading() const { return !state_->paused && !state_->ending && !state_->ended; }
std::size_t SimLink::certificates() const { return state_->peer.certificate_chain.size(); }

std::size_t SimLink::unread_bytes() const {
  std::size_t bytes = 0;
  for (const std::string& piece : state_->inbox) bytes += piece.size();
  return bytes;
}

}  // namespace kyanite::test
