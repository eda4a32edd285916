#include "server/net/listener.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/intrusive/list.hpp>
#include <cerrno>
#include <climits>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocol/base/limits.h"
#include "server/net/handshake.h"

namespace kyanite {
namespace {

using boost::asio::ip::tcp;
using Acceptor = boost::asio::basic_socket_acceptor<tcp, boost::asio::io_context::executor_type>;
using HandshakeList = boost::intrusive::list<Handshake, boost::intrusive::constant_time_size<false>>;

// Connections taken per readiness event; other work of the shard goes between two rounds.
constexpr int kAcceptsPerTurn = 64;
constexpr milliseconds kDescriptorPause{100};
constexpr milliseconds kRoomPause{100};

// A descriptor on its way to another shard; closed if the task never runs.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  void release() { fd_ = -1; }

 private:
  int fd_;
};

// Descriptors below this number are the connections'; a small process keeps half.
int connection_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  return static_cast<int>(limit.rlim_cur - std::min(limits::kDescriptorsReserved, limit.rlim_cur / 2));
}

// Whether the next connection still gets one of those; the system gives the lowest free number.
bool has_descriptor_below(int bound, int any_open) {
  const int lowest_free = ::fcntl(any_open, F_DUPFD_CLOEXEC, 0);
  if (lowest_free < 0) return false;
  ::close(lowest_free);
  return lowest_free < bound;
}

void count(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

// What the listener shares with its tasks and handshakes. `acceptor_` and the accept state belong to the
// acceptor's shard, each Lane's list to its own; the atomics are the only things that two shards touch.
class Listener::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(ShardGroup& shards, ListenerSettings settings, std::shared_ptr<const TlsContextHolder> contexts,
       OnAccepted on_accepted, unsigned acceptor_shard)
      : shards_(shards),
        home_(shards.shard(acceptor_shard)),
        settings_(std::move(settings)),
        contexts_(std::move(contexts)),
        on_accepted_(std::move(on_accepted)),
        lanes_(shards.count()) {}

  Result<void> bind(int* error_number);
  void begin() {
    home_.post([self = shared_from_this()] { self->accept_when_ready(); });
  }
  void set_paused(bool paused);
  void stop();
  void close_acceptor();

  std::uint16_t port() const { return port_; }
  const std::string& address() const { return settings_.address; }
  const ListenerCounters& counters() const { return counters_; }
  bool is_running() const { return shards_.is_running(); }

 private:
  struct Lane {
    std::atomic<std::size_t> handshakes{0};
    HandshakeList under_way;  // its shard only
  };

  void accept_when_ready();
  void accept_some();
  void retry_later();
  bool pick_lane(unsigned& lane);
  void make_room(unsigned lane, unsigned looks_left);
  bool displace_one(Lane& lane, bool silent_only);
  void begin_handshake(unsigned lane, Descriptor descriptor, bool is_v6);
  void on_handshake_end(unsigned lane, HandshakeEnd end, std::unique_ptr<TlsStream> stream,
                        const Handshake& handshake);
  void count_failed(TlsFailure why) { count(counters_.failed[static_cast<std::size_t>(why)]); }
  void release_lane(unsigned lane);

  ShardGroup& shards_;
  Shard& home_;
  const ListenerSettings settings_;
  const std::shared_ptr<const TlsContextHolder> contexts_;
  const OnAccepted on_accepted_;
  ListenerCounters counters_;
  std::uint16_t port_ = 0;

  std::unique_ptr<Acceptor> acceptor_;  // home_ only, like the next four
  bool is_v6_ = false;
  bool armed_ = false;
  bool paused_ = false;
  unsigned next_lane_ = 0;

  std::vector<Lane> lanes_;
  std::atomic<bool> waits_for_room_{false};
  std::atomic<bool> stopped_{false};
};

Result<void> Listener::Core::bind(int* error_number) {
  const Result<tcp::endpoint> endpoint = parse_listen_address(settings_.address);
  if (!endpoint) return endpoint.error();
  auto acceptor = std::make_unique<Acceptor>(home_.io());
  boost::system::error_code error;
  acceptor->open(endpoint->protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  is_v6_ = endpoint->address().is_v6();
  if (!error && is_v6_) acceptor->set_option(boost::asio::ip::v6_only(false), error);
  if (!error) acceptor->bind(*endpoint, error);
  if (!error) acceptor->listen(settings_.backlog, error);
  if (!error) acceptor->native_non_blocking(true, error);
  if (!error) port_ = acceptor->local_endpoint(error).port();
  if (error) {
    if (error_number) *error_number = error.value();
    return Error(Errc::io_failed, "cannot listen on " + settings_.address + ": " + error.message());
  }
  acceptor_ = std::move(acceptor);
  return {};
}

// Accepting, on home_

void Listener::Core::accept_when_ready() {
  if (!acceptor_ || armed_ || paused_) return;
  armed_ = true;
  acceptor_->async_wait(Acceptor::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                          self->armed_ = false;
                          if (error || !self->acceptor_) return;
                          const Shard::Turn turn(self->home_);
                          self->accept_some();
                        });
}

void Listener::Core::accept_some() {
  const int descriptors = connection_descriptors();
  for (int taken = 0; taken < kAcceptsPerTurn && !paused_; ++taken) {
    unsigned lane = 0;
    if (!pick_lane(lane)) {
      if (taken > 0) break;  // perhaps no one waits any more
      count(counters_.paused_full);
      waits_for_room_.store(true);
      // One may have ended in between and seen no one waiting.
      if (!pick_lane(lane) || !waits_for_room_.exchange(false)) {
        return make_room(next_lane_, 2 * static_cast<unsigned>(lanes_.size()));
      }
    }
    // The store must be able to open its files whatever peers do: a commit that cannot ends the process.
    if (!has_descriptor_below(descriptors, acceptor_->native_handle())) return retry_later();
    const int fd = ::accept4(acceptor_->native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return retry_later();
    }
    count(counters_.accepted);
    next_lane_ = (lane + 1) % static_cast<unsigned>(lanes_.size());
    lanes_[lane].handshakes.fetch_add(1);
    shards_.shard(lane).post(
        [self = shared_from_this(), descriptor = Descriptor(fd), lane, v6 = is_v6_]() mutable {
          self->begin_handshake(lane, std::move(descriptor), v6);
        });
  }
  accept_when_ready();
}

// Out of descriptors or memory: the connection stays in the backlog, so trying at once would spin.
void Listener::Core::retry_later() {
  count(counters_.paused_descriptors);
  home_.after(kDescriptorPause, [self = shared_from_this()] { self->accept_when_ready(); });
}

// The next shard in turn that has room for a handshake.
bool Listener::Core::pick_lane(unsigned& lane) {
  const auto lanes = static_cast<unsigned>(lanes_.size());
  for (unsigned i = 0; i < lanes; ++i) {
    lane = (next_lane_ + i) % lanes;
    if (lanes_[lane].handshakes.load() < settings_.handshakes_per_shard) return true;
  }
  return false;
}

// Displaces the oldest handshake that is still silent, on the first shard that has one; where none has, the
// oldest slow one of an address that crowds a shard. Others end within their time.
void Listener::Core::make_room(unsigned lane, unsigned looks_left) {
  if (looks_left == 0) {  // those that may not go now may do so a little later
    home_.post([self = shared_from_this()] {
      self->home_.after(kRoomPause, [self] { self->accept_when_ready(); });
    });
    return;
  }
  shards_.shard(lane).post([self = shared_from_this(), lane, looks_left] {
    if (!self->waits_for_room_) return;
    const bool silent_only = looks_left > self->lanes_.size();
    if (self->displace_one(self->lanes_[lane], silent_only)) return;
    self->make_room((lane + 1) % static_cast<unsigned>(self->lanes_.size()), looks_left - 1);
  });
}

bool Listener::Core::displace_one(Lane& lane, bool silent_only) {
  if (silent_only) {
    for (Handshake& handshake : lane.under_way) {
      if (handshake.displace_if_silent()) return true;
    }
    return false;
  }
  std::unordered_map<std::string_view, std::size_t> places;
  for (const Handshake& handshake : lane.under_way) ++places[handshake.source()];
  for (Handshake& handshake : lane.under_way) {
    if (places[handshake.source()] * 2 <= settings_.handshakes_per_shard) continue;
    if (handshake.displace_if_waiting(settings_.crowding_time)) return true;
  }
  return false;
}

void Listener::Core::set_paused(bool paused) {
  home_.post([self = shared_from_this(), paused] {
    self->paused_ = paused;
    self->accept_when_ready();
  });
}

void Listener::Core::stop() {
  if (stopped_.exchange(true)) return;
  home_.post([self = shared_from_this()] { self->close_acceptor(); });
  for (unsigned lane = 0; lane < lanes_.size(); ++lane) {
    shards_.shard(lane).post([self = shared_from_this(), lane] {
      HandshakeList& list = self->lanes_[lane].under_way;
      while (!list.empty()) list.front().cut();
    });
  }
}

void Listener::Core::close_acceptor() { acceptor_.reset(); }

// Handshakes, on the shard of the lane

void Listener::Core::begin_handshake(unsigned lane, Descriptor descriptor, bool is_v6) {
  Shard& shard = shards_.shard(lane);
  TlsStream::Socket socket(shard.io());
  boost::system::error_code error;
  if (!stopped_) socket.assign(is_v6 ? tcp::v6() : tcp::v4(), descriptor.get(), error);
  if (stopped_ || error) {
    if (error) count_failed(TlsFailure::other);
    return release_lane(lane);
  }
  descriptor.release();
  const std::shared_ptr<const TlsContext> context = contexts_ ? contexts_->get() : nullptr;
  auto stream = std::make_unique<TlsStream>(shard, std::move(socket), context.get());
  const boost::intrusive_ptr<Handshake> handshake(new Handshake(
      std::move(stream), [self = shared_from_this(), lane](
                             HandshakeEnd end, std::unique_ptr<TlsStream> finished, const Handshake& ended) {
        self->on_handshake_end(lane, end, std::move(finished), ended);
      }));
  lanes_[lane].under_way.push_back(*handshake);
  handshake->begin({settings_.first_byte_time, settings_.handshake_time});
}

void Listener::Core::on_handshake_end(unsigned lane, HandshakeEnd end, std::unique_ptr<TlsStream> stream,
                                      const Handshake& handshake) {
  release_lane(lane);
  switch (end) {
    case HandshakeEnd::finished:
      count(counters_.handshakes);
      if (stream->resumed()) count(counters_.resumed);
      if (!stopped_) on_accepted_(shards_.shard(lane), std::move(stream));
      return;
    case HandshakeEnd::failed:
      count_failed(handshake.failure());
      if (settings_.on_failed && !stopped_ && !handshake.problem().empty()) {
        settings_.on_failed(shards_.shard(lane), handshake.address(), handshake.failure(),
                            handshake.problem());
      }
      return;
    case HandshakeEnd::timed_out:
      return count(counters_.timed_out);
    case HandshakeEnd::displaced:
      return count(counters_.displaced);
    case HandshakeEnd::cut:
      return;
  }
}

void Listener::Core::release_lane(unsigned lane) {
  lanes_[lane].handshakes.fetch_sub(1);
  if (waits_for_room_.exchange(false)) {
    home_.post([self = shared_from_this()] { self->accept_when_ready(); });
  }
}

// Listener

Result<std::unique_ptr<Listener>> Listener::open(ShardGroup& shards, ListenerSettings settings,
                                                 std::shared_ptr<const TlsContextHolder> contexts,
                                                 OnAccepted on_accepted, int* error_number,
                                                 unsigned acceptor_shard) {
  auto core = std::make_shared<Core>(shards, std::move(settings), std::move(contexts), std::move(on_accepted),
                                     acceptor_shard);
  if (auto bound = core->bind(error_number); !bound) return bound.error();
  core->begin();
  return std::unique_ptr<Listener>(new Listener(std::move(core)));
}

Listener::Listener(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Listener::~Listener() {
  core_->stop();
  // Without a running loop the posted task will not come; then nothing else touches the acceptor either.
  if (!core_->is_running()) core_->close_acceptor();
}

std::uint16_t Listener::port() const { return core_->port(); }
const std::string& Listener::address() const { return core_->address(); }
const ListenerCounters& Listener::counters() const { return core_->counters(); }
void Listener::pause() { core_->set_paused(true); }
void Listener::resume() { core_->set_paused(false); }
void Listener::stop() { core_->stop(); }

}  // namespace kyanite
