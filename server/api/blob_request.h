#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/auth/blob_sas.h"
#include "protocol/base/result.h"
#include "protocol/http/request.h"
#include "protocol/http/response.h"
#include "server/hub/blob_store.h"

// Requests of Azure storage clients for blobs, and what they read in answers.
namespace kyanite {

// The signature in a request's query.
BlobSas blob_sas_of(const HttpRequest& request);

// The id in the query, decoded. Errors: argument_invalid.
Result<std::string> block_id_of(const HttpRequest& request);

// The ids of <BlockList> with <Latest>, <Uncommitted> or <Committed> entries, decoded, in order. An entry is
// looked for among the uploaded blocks whatever it is called: the blocks of a blob that is there already are
// not kept. Errors: format_error, argument_invalid ("InvalidBlockId: …"), request_too_large.
Result<std::vector<std::string>> parse_block_list(std::string_view xml);

// Conditions, content type and MD5 of a PUT. `for_list`: Content-MD5 is that of the XML, not of the content.
// Errors: argument_invalid ("InvalidHeaderValue: …").
Result<BlobWrite> blob_write_of(const HttpRequest& request, std::string name, bool for_list);

// The bytes asked for by x-ms-range or Range, of a blob of this size: first and count. All of them when none
// are asked for; nothing when there are none of those asked for.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  bool is_part = false;
};
std::optional<ByteRange> byte_range_of(const HttpRequest& request, std::uint64_t size);

// <?xml version="1.0" encoding="utf-8"?><Error><Code>…</Code><Message>…</Message></Error> with the code in
// x-ms-error-code as well.
HttpResponse blob_error_response(const Error& error, const HttpRequest& request, WallTime now);

}  // namespace kyanite
