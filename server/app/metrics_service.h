#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/admin/hub_metrics.h"
#include "server/admin/metrics_source.h"
#include "server/admin/readiness.h"
#include "server/app/hub_shard.h"
#include "server/app/task_thread.h"
#include "server/net/listener.h"

namespace kyanite {

// MetricsService gathers what the shards, the store and the process count, and puts it into words on a thread
// of its own. A shard gives a copy of its numbers, whatever the number of its devices.
//
// Owner: the application; stop() before the shards go, destroyed after they were joined.
// Threads: scrape and the setters from any; everything else on shard 0.
// Bound: one scrape at a time; 64 who ask meanwhile get the same text, others Errc::busy.
class MetricsService final : public MetricsSource {
 public:
  struct Sources {
    std::string version;
    std::vector<HubShard*> shards;
    Stores& stores;
    const Throttles& throttles;
    const Readiness& readiness;
  };
  struct NamedListener {
    std::string name;
    const Listener* listener;  // outlives the shards' loops
    bool with_tls;
  };

  explicit MetricsService(Sources sources);
  ~MetricsService() override;

  void scrape(Reply<MetricsText> reply) override;
  void set_listeners(std::vector<NamedListener> listeners);
  void set_certificate_expiry(WallTime expires);
  void stop();  // what is under way is answered as an error

 private:
  struct Scrape;

  void begin();
  void on_part(const std::shared_ptr<Scrape>& scrape);
  void write(const std::shared_ptr<Scrape>& scrape);
  void answer(Result<MetricsText> text);

  const Sources sources_;
  Executor& home_;
  std::vector<NamedListener> listeners_;
  WallTime certificate_expires_ = kNever;
  std::vector<Reply<MetricsText>> waiting_;
  TaskThread writer_;
};

}  // namespace kyanite
