#include "server/api/export_stream.h"

#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {

struct ExportStream::Pipe final : BlobOutput {
  Output* output = nullptr;  // while the stream is there
  Reply<void> waiting;       // for the connection to take what it has

  void append(std::string bytes, Reply<void> reply) override {
    if (!output) return;
    output->write(std::move(bytes));
    waiting = std::move(reply);
    go_on();
  }
  void finish(Reply<void> reply) override { reply({}); }

  void go_on() {
    if (waiting && output && output->queued_bytes() < limits::kOutputHighBytes) {
      std::exchange(waiting, {})(Result<void>());
    }
  }
};

ExportStream::ExportStream(ApiContext& context, bool with_keys)
    : context_(context), with_keys_(with_keys), pipe_(std::make_shared<Pipe>()) {
  ++context_.export_streams_open;
}

ExportStream::~ExportStream() {
  if (export_) export_->cancel();
  pipe_->output = nullptr;
  --context_.export_streams_open;
}

void ExportStream::start(Output& output) {
  pipe_->output = &output;
  TransferHooks hooks{.progress = [](unsigned) {},
                      .done =
                          [pipe = std::weak_ptr<Pipe>(pipe_)](const Result<void>& result) {
                            const auto open = pipe.lock();
                            if (!open || !open->output) return;
                            return result ? open->output->finish() : open->output->abort();
                          }};
  export_ = std::make_shared<RegistryExport>(context_.services.executor, context_.services.stores, pipe_,
                                             with_keys_, std::move(hooks));
  export_->start();
}

void ExportStream::on_writable() { pipe_->go_on(); }

void stream_registry(const ApiCall& call, Reply<HttpResponse> reply) {
  if (call.context.export_streams_open >= limits::kExportStreamsMax) {
    return reply(Error(Errc::busy, "the shard has its maximum of open exports"));
  }
  bool with_keys = true;
  if (const auto keys = call.request.query_value("keys")) {
    with_keys = equals_ignoring_case(*keys, "true");
    if (!with_keys && !equals_ignoring_case(*keys, "false")) {
      return reply(Error(Errc::argument_invalid, "keys must be true or false"));
    }
  }
  HttpResponse response;
  response.content_type = "application/x-ndjson";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_unique<ExportStream>(call.context, with_keys);
  reply(std::move(response));
}

}  // namespace kyanite
