#include "server/api/blob_endpoint.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/http/http_date.h"
#include "server/api/api_call.h"
#include "server/api/blob_request.h"
#include "server/api/message_headers.h"
#include "server/hub/file_uploads.h"

namespace kyanite {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

enum class BlobOperation { put_blob, put_block, put_block_list, get, properties, erase, none };

BlobOperation operation_of(const HttpRequest& request) {
  const std::string_view comp = request.query_value("comp").value_or(std::string_view());
  switch (request.verb) {
    case HttpVerb::put:
      if (comp.empty()) return BlobOperation::put_blob;
      if (equals_ignoring_case(comp, "block")) return BlobOperation::put_block;
      if (equals_ignoring_case(comp, "blocklist")) return BlobOperation::put_block_list;
      return BlobOperation::none;
    case HttpVerb::get:
      return comp.empty() ? BlobOperation::get : BlobOperation::none;
    case HttpVerb::head:
      return comp.empty() ? BlobOperation::properties : BlobOperation::none;
    case HttpVerb::del:
      return comp.empty() ? BlobOperation::erase : BlobOperation::none;
    default:
      return BlobOperation::none;
  }
}

std::string blob_name_of(const HttpRequest& request) {
  std::string name;
  for (std::size_t i = 1; i < request.segments.size(); ++i) {
    if (i > 1) name += '/';
    name += request.segments[i];
  }
  return name;
}

// What every answer has.
void put_blob_headers(HttpResponse& response, const HttpRequest& request) {
  response.headers.emplace_back("x-ms-request-id", request.tracking_id);
  const std::string_view version = last_header(request, "x-ms-version");
  response.headers.emplace_back("x-ms-version", version.empty() ? "2018-03-28" : header_value(version));
  const std::string_view client = last_header(request, "x-ms-client-request-id");
  if (!client.empty()) response.headers.emplace_back("x-ms-client-request-id", header_value(client));
}

HttpResponse created(const HttpRequest& request, const BlobInfo& info) {
  HttpResponse response;
  response.status = 201;
  response.content_type.clear();
  put_blob_headers(response, request);
  response.headers.emplace_back("ETag", quote_etag(info.etag));
  response.headers.emplace_back("Last-Modified", to_http_date(info.modified));
  if (!info.content_md5.empty()) response.headers.emplace_back("Content-MD5", info.content_md5);
  response.headers.emplace_back("x-ms-request-server-encrypted", "false");
  return response;
}

// The properties of a blob, without a body yet.
HttpResponse described(const HttpRequest& request, const BlobInfo& info, const ByteRange& range) {
  HttpResponse response;
  response.status = range.is_part ? 206 : 200;
  response.content_type = header_value(info.content_type);
  put_blob_headers(response, request);
  // A device chose the content and what type it says it is of, and the dashboard is of this very origin: a
  // browser shows the file, runs nothing of it, and keeps it away from what the dashboard stored.
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; sandbox");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("ETag", quote_etag(info.etag));
  response.headers.emplace_back("Last-Modified", to_http_date(info.modified));
  response.headers.emplace_back("Accept-Ranges", "bytes");
  response.headers.emplace_back("x-ms-blob-type", "BlockBlob");
  response.headers.emplace_back("x-ms-lease-status", "unlocked");
  response.headers.emplace_back("x-ms-lease-state", "available");
  response.headers.emplace_back("x-ms-server-encrypted", "false");
  if (!info.content_md5.empty()) {
    response.headers.emplace_back(range.is_part ? "x-ms-blob-content-md5" : "Content-MD5", info.content_md5);
  }
  if (range.is_part) {
    response.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                                       std::to_string(range.first + range.count - 1) + "/" +
                                                       std::to_string(info.bytes));
  }
  response.length = range.count;
  return response;
}

// A body on its way to the store.
class BlobSink final : public RequestBodySink {
 public:
  BlobSink(Executor& home, BlobStore& store, const HttpRequest& head, BlobWrite blob,
           std::optional<std::string> block_id)
      : home_(home),
        store_(store),
        head_(head),
        blob_(std::move(blob)),
        block_id_(std::move(block_id)),
        body_(store.start_body()) {}

  void write(std::string piece, Reply<void> taken) override {
    body_->write(std::move(piece), std::move(taken));
  }

  void finish(Reply<HttpResponse> reply) override {
    if (!block_id_) {
      return store_.put_blob(
          std::move(body_), std::move(blob_),
          answer_with<BlobInfo>(home_, std::move(reply),
                                [head = head_](const BlobInfo& info) { return created(head, info); }));
    }
    store_.put_block(
        std::move(body_), std::move(blob_), *std::move(block_id_),
        answer_with<std::string>(home_, std::move(reply), [head = head_](const std::string& md5) {
          HttpResponse response;
          response.status = 201;
          response.content_type.clear();
          put_blob_headers(response, head);
          response.headers.emplace_back("Content-MD5", md5);
          response.headers.emplace_back("x-ms-request-server-encrypted", "false");
          return response;
        }));
  }

 private:
  Executor& home_;
  BlobStore& store_;
  HttpRequest head_;
  BlobWrite blob_;
  std::optional<std::string> block_id_;
  std::unique_ptr<BlobBody> body_;
};

// A part of a blob on its way to the client, one piece read at a time.
class BlobStream final : public ResponseStream {
 public:
  BlobStream(Executor& home, BlobStore& store, BlobInfo info, const ByteRange& range)
      : home_(home),
        store_(store),
        info_(std::move(info)),
        next_(range.first),
        left_(range.count),
        self_(std::make_shared<BlobStream*>(this)) {}

  void start(Output& output) override {
    output_ = &output;
    pump();
  }
  void on_writable() override { pump(); }

 private:
  void pump() {
    if (reading_ || ended_) return;
    if (left_ == 0) {
      ended_ = true;
      return output_->finish();
    }
    if (output_->queued_bytes() >= limits::kOutputHighBytes) return;
    reading_ = true;
    const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(left_, kReadBytes));
    store_.read(info_.name, info_.etag, next_, bytes,
                Reply<std::string>(home_, [weak = std::weak_ptr(self_)](Result<std::string> piece) {
                  if (const auto self = weak.lock()) (*self)->on_read(std::move(piece));
                }));
  }

  void on_read(Result<std::string> piece) {
    reading_ = false;
    if (!piece || piece->empty() || piece->size() > left_) {
      ended_ = true;
      return output_->abort();
    }
    next_ += piece->size();
    left_ -= piece->size();
    output_->write(std::move(*piece));
    pump();
  }

  Executor& home_;
  BlobStore& store_;
  const BlobInfo info_;
  std::uint64_t next_;
  std::uint64_t left_;
  bool reading_ = false;
  bool ended_ = false;
  Output* output_ = nullptr;
  std::shared_ptr<BlobStream*> self_;  // replies hold it weakly
};

// Errors of the store as the storage service's clients read them.
Reply<HttpResponse> with_blob_errors(Executor& home, HttpRequest request, Reply<HttpResponse> reply) {
  return {home, [&home, request = std::move(request),
                 reply = std::move(reply)](Result<HttpResponse> result) mutable {
            if (result) return reply(std::move(result));
            reply(blob_error_response(result.error(), request, home.wall_now()));
          }};
}

class ErrorMappingSink final : public RequestBodySink {
 public:
  ErrorMappingSink(Executor& home, HttpRequest head, std::unique_ptr<RequestBodySink> below)
      : home_(home), head_(std::move(head)), below_(std::move(below)) {}
  void write(std::string piece, Reply<void> taken) override {
    below_->write(std::move(piece), std::move(taken));
  }
  void finish(Reply<HttpResponse> reply) override {
    below_->finish(with_blob_errors(home_, std::move(head_), std::move(reply)));
  }

 private:
  Executor& home_;
  HttpRequest head_;
  std::unique_ptr<RequestBodySink> below_;
};

}  // namespace

bool BlobEndpoint::owns(const HttpRequest& request) const {
  const auto& storage = services_.uploads.storage();
  return storage && storage->blobs && request.segments.size() >= 2 &&
         request.segments.front() == storage->account.container;
}

Result<void> BlobEndpoint::admit(const HttpRequest& head) const {
  const BlobOperation operation = operation_of(head);
  const bool reads = operation == BlobOperation::get || operation == BlobOperation::properties;
  const bool asks = head.verb == HttpVerb::get || head.verb == HttpVerb::head;
  const char right = asks ? 'r' : head.verb == HttpVerb::del ? 'd' : 'w';
  const auto allowed = check_blob_sas(services_.uploads.storage()->account, blob_name_of(head),
                                      blob_sas_of(head), right, services_.executor.wall_now());
  if (!allowed) return allowed;
  if (operation == BlobOperation::none) return Error(Errc::method_not_allowed);
  if (reads || operation == BlobOperation::erase) return {};
  if (services_.stores.pressure() == StorePressure::disk_low) {
    return Error(Errc::busy, "less free space than storage.freeBytesFloor");
  }
  if (operation == BlobOperation::put_blob) {
    const std::string_view type = last_header(head, "x-ms-blob-type");
    if (!equals_ignoring_case(type, "BlockBlob")) {
      return Error(Errc::argument_invalid, "InvalidHeaderValue: x-ms-blob-type must be BlockBlob");
    }
  }
  if (operation == BlobOperation::put_block) {
    if (const auto id = block_id_of(head); !id) return id.error();
  }
  const auto blob = blob_write_of(head, {}, operation == BlobOperation::put_block_list);
  return blob ? Result<void>() : blob.error();
}

std::uint64_t BlobEndpoint::body_bytes_max(const HttpRequest& head) const {
  if (operation_of(head) == BlobOperation::put_block_list) return limits::kBlockListBytesMax;
  return services_.settings.file_upload.blob_bytes_max;
}

std::unique_ptr<RequestBodySink> BlobEndpoint::open(const HttpRequest& head) const {
  const BlobOperation operation = operation_of(head);
  if (operation != BlobOperation::put_blob && operation != BlobOperation::put_block) return nullptr;
  Result<BlobWrite> blob = blob_write_of(head, blob_name_of(head), false);
  std::optional<std::string> block_id;
  if (operation == BlobOperation::put_block) {
    auto id = block_id_of(head);
    if (id) block_id = std::move(*id);
  }
  if (!blob || (operation == BlobOperation::put_block && !block_id))
    return nullptr;  // admit() has refused it
  auto sink = std::make_unique<BlobSink>(services_.executor, *services_.uploads.storage()->blobs, head,
                                         std::move(*blob), std::move(block_id));
  return std::make_unique<ErrorMappingSink>(services_.executor, head, std::move(sink));
}

void BlobEndpoint::handle(const HttpRequest& request, Reply<HttpResponse> reply) const {
  BlobStore& store = *services_.uploads.storage()->blobs;
  Executor& home = services_.executor;
  HttpRequest head = request;
  head.body.clear();
  Reply<HttpResponse> answer = with_blob_errors(home, head, std::move(reply));
  const BlobOperation operation = operation_of(request);
  if (operation == BlobOperation::put_block_list) {
    Result<std::vector<std::string>> ids = parse_block_list(request.body);
    if (!ids) return answer(ids.error());
    Result<BlobWrite> blob = blob_write_of(request, blob_name_of(request), true);
    if (!blob) return answer(blob.error());
    return store.put_block_list(
        std::move(*blob), std::move(*ids),
        answer_with<BlobInfo>(home, std::move(answer), [head = std::move(head)](const BlobInfo& info) {
          return created(head, info);
        }));
  }
  if (operation == BlobOperation::erase) {
    return store.erase(blob_name_of(request), parse_if_match(request.header("if-match")),
                       answer_with<void>(home, std::move(answer), [head = std::move(head)] {
                         HttpResponse response;
                         response.status = 202;
                         response.content_type.clear();
                         put_blob_headers(response, head);
                         response.headers.emplace_back("x-ms-delete-type-permanent", "true");
                         return response;
                       }));
  }
  if (operation == BlobOperation::put_blob || operation == BlobOperation::put_block) {  // of no bytes
    const std::shared_ptr<RequestBodySink> sink = open(request);
    if (!sink) return answer(Error(Errc::argument_invalid, "InvalidInput: the request has no meaning"));
    return sink->finish(std::move(answer));
  }
  store.find(blob_name_of(request),
             answer_with<BlobInfo>(
                 home, std::move(answer),
                 [&home, &store, head = std::move(head), operation](BlobInfo info) -> HttpResponse {
                   const auto range = byte_range_of(head, info.bytes);
                   if (!range) {
                     return blob_error_response(
                         Error(Errc::argument_invalid, "InvalidRange: the blob has no such bytes"), head,
                         home.wall_now());
                   }
                   HttpResponse response = described(head, info, *range);
                   if (operation == BlobOperation::get && range->count > 0) {
                     response.stream = std::make_unique<BlobStream>(home, store, std::move(info), *range);
                   }
                   return response;
                 }));
}

HttpResponse BlobEndpoint::refusal(const HttpRequest& request, const Error& error) const {
  return blob_error_response(error, request, services_.executor.wall_now());
}

}  // namespace kyanite
