#pragma once

#include <memory>
#include <optional>
#include <string>

#include "protocol/http/request_handler.h"
#include "server/hub/blob_store.h"
#include "server/hub/hub_services.h"

namespace kyanite {

// BlobEndpoint answers what Azure storage clients ask below https://host/{container}/ with a signature that
// the hub issued (service-rest.md 9.7): Put Blob, Put Block, Put Block List, Get Blob, Get Blob Properties,
// Delete Blob. Bodies go to the BlobStore piece by piece.
//
// Owner: its shard's ApiRouter.
class BlobEndpoint {
 public:
  explicit BlobEndpoint(HubServices& services) : services_(services) {}

  // Whether the path is one of the container's; never without a BlobStore.
  bool owns(const HttpRequest& request) const;
  // By signature, operation and free space. Errors as blob_error_response() takes them.
  Result<void> admit(const HttpRequest& head) const;
  // Where the body goes; null when it is small and belongs to the request (a list of blocks).
  std::unique_ptr<RequestBodySink> open(const HttpRequest& head) const;
  std::uint64_t body_bytes_max(const HttpRequest& head) const;
  // A request that was admitted, and whose body is empty or a list of blocks.
  void handle(const HttpRequest& request, Reply<HttpResponse> reply) const;
  HttpResponse refusal(const HttpRequest& request, const Error& error) const;

 private:
  HubServices& services_;
};

}  // namespace kyanite
