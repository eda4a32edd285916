#pragma once

#include <memory>
#include <string>

#include "protocol/base/reply.h"

namespace kyanite {

using MetricsText = std::shared_ptr<const std::string>;  // of kMetricsType

// Who gathers a scrape. Threads: any. Reply: once all shards and the store have answered; those who ask
// meanwhile share one scrape.
class MetricsSource {
 public:
  virtual ~MetricsSource() = default;
  virtual void scrape(Reply<MetricsText> reply) = 0;
};

}  // namespace kyanite
