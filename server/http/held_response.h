#pragma once

#include "protocol/http/response.h"
#include "server/net/detached_tls.h"

namespace kyanite {

// The connection of a request that is answered when its shard may be gone.
class HeldResponse final : public HeldConnection {
 public:
  explicit HeldResponse(DetachedTls stream) : stream_(std::move(stream)) {}
  ~HeldResponse() override { stream_.end(); }
  HeldResponse(const HeldResponse&) = delete;
  HeldResponse& operator=(const HeldResponse&) = delete;
  void answer(HttpResponse response) override;

 private:
  DetachedTls stream_;
};

}  // namespace kyanite
