#pragma once

#include <memory>

#include "server/api/api_call.h"
#include "server/api/registry_export.h"

namespace kyanite {

// ExportStream sends every identity as a line, in the form of RegistryExport; the store is read as fast as
// the client takes the lines.
//
// Owner: the HTTP connection. Bound: a piece of the export beyond what the connection queues;
// limits::kExportStreamsMax streams a shard. A failed read cuts the response off.
class ExportStream final : public ResponseStream {
 public:
  ExportStream(ApiContext& context, bool with_keys);
  ExportStream(const ExportStream&) = delete;
  ExportStream& operator=(const ExportStream&) = delete;
  ~ExportStream() override;

  void start(Output& output) override;
  void on_writable() override;

 private:
  // Shared with the export, which may outlive the stream by a reply.
  struct Pipe;

  ApiContext& context_;
  const bool with_keys_;
  std::shared_ptr<Pipe> pipe_;
  std::shared_ptr<RegistryExport> export_;
};

// GET /kyanite/v1/registry[?keys=false]: the whole registry as application/x-ndjson. Errors: Errc::busy when
// the shard has its maximum of open exports.
void stream_registry(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
