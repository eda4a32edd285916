#include "server/app/metrics_service.h"

#include <algorithm>
#include <utility>

#include "server/admin/metrics_text.h"
#include "server/app/process_metrics.h"
#include "server/observe/log.h"
#include "server/runtime/hub_clock.h"

namespace kyanite {
namespace {

// Whoever asked stays here even when its connection has gone, as long as a shard does not answer.
constexpr std::size_t kWaitingMax = 64;

ListenerMetrics metrics_of(const MetricsService::NamedListener& named) {
  const ListenerCounters& counters = named.listener->counters();
  ListenerMetrics out;
  out.name = named.name;
  out.with_tls = named.with_tls;
  out.accepted = counters.accepted;
  out.handshakes = counters.handshakes;
  std::copy(counters.failed.begin(), counters.failed.end(), out.failed.begin());
  out.timed_out = counters.timed_out;
  out.displaced = counters.displaced;
  out.paused = counters.paused_full + counters.paused_descriptors;
  return out;
}

}  // namespace

// Touched on shard 0 until all parts are there, then by the writer.
struct MetricsService::Scrape {
  HubMetrics metrics;
  std::size_t missing = 0;
};

MetricsService::MetricsService(Sources sources)
    : sources_(std::move(sources)), home_(sources_.shards.front()->shard()), writer_(1) {}

MetricsService::~MetricsService() = default;

void MetricsService::stop() { writer_.stop(); }

void MetricsService::set_listeners(std::vector<NamedListener> listeners) {
  home_.post([this, listeners = std::move(listeners)]() mutable { listeners_ = std::move(listeners); });
}

void MetricsService::set_certificate_expiry(WallTime expires) {
  home_.post([this, expires] { certificate_expires_ = expires; });
}

void MetricsService::scrape(Reply<MetricsText> reply) {
  home_.post([this, reply = std::move(reply)]() mutable {
    if (waiting_.size() == kWaitingMax) return reply(Error(Errc::busy, "too many scrapes wait for one"));
    waiting_.push_back(std::move(reply));
    if (waiting_.size() == 1) begin();
  });
}

void MetricsService::begin() {
  const auto scrape = std::make_shared<Scrape>();
  HubMetrics& metrics = scrape->metrics;
  metrics.version = sources_.version;
  metrics.shards.resize(sources_.shards.size());
  for (const NamedListener& listener : listeners_) metrics.listeners.push_back(metrics_of(listener));
  for (std::size_t i = 0; i < kThrottleClassCount; ++i)
    metrics.throttled[i] = sources_.throttles.held_up(static_cast<ThrottleClass>(i));
  metrics.quota_refused = sources_.throttles.quota_refused();
  metrics.store_takes_writes = sources_.stores.pressure() != StorePressure::disk_low;
  metrics.ready = sources_.readiness.missing().empty();
  metrics.certificate_expiry_seconds =
      std::chrono::duration<double>(certificate_expires_ - HubClock::real_now()).count();
  metrics.log_lines_dropped = log::dropped();

  scrape->missing = sources_.shards.size() + 1;
  for (std::size_t i = 0; i < sources_.shards.size(); ++i) {
    HubShard* const shard = sources_.shards[i];
    metrics.shards[i].mailbox_depth = shard->shard().mailbox_depth();
    struct Part {
      ShardMetrics metrics;
      double lag_seconds;
    };
    Reply<Part> taken(home_, [this, scrape, i](const Result<Part>& part) {
      if (part) {
        scrape->metrics.all.add(part->metrics);
        scrape->metrics.shards[i].lag_seconds = part->lag_seconds;
      }
      on_part(scrape);
    });
    shard->shard().post([shard, due = shard->shard().now(), taken = std::move(taken)]() mutable {
      Shard& loop = shard->shard();
      const SteadyTime now = loop.now();
      loop.lag().observe(now, now - due);
      taken(Part{shard->metrics(), std::chrono::duration<double>(loop.lag().longest(now)).count()});
    });
  }
  sources_.stores.statistics(Reply<StoreStatistics>(home_, [this, scrape](Result<StoreStatistics> store) {
    if (store) scrape->metrics.store = *store;
    on_part(scrape);
  }));
}

void MetricsService::on_part(const std::shared_ptr<Scrape>& scrape) {
  if (--scrape->missing == 0) write(scrape);
}

void MetricsService::write(const std::shared_ptr<Scrape>& scrape) {
  Reply<MetricsText> written(home_, [this](Result<MetricsText> text) { answer(std::move(text)); });
  Task task = [scrape, written = std::move(written)]() mutable {
    scrape->metrics.process = read_process_metrics();
    written(MetricsText(std::make_shared<const std::string>(to_metrics_text(scrape->metrics))));
  };
  // Refused only while the hub stops; the reply then answers itself.
  static_cast<void>(writer_.post(task));
}

void MetricsService::answer(Result<MetricsText> text) {
  for (Reply<MetricsText>& reply : std::exchange(waiting_, {})) reply(text);
}

}  // namespace kyanite
