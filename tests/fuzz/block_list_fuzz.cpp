#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/base/limits.h"
#include "server/api/blob_request.h"

// Whatever is accepted as a list of blocks has ids that can be names of files.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kyanite;
  const auto ids = parse_block_list(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!ids) return 0;
  KYANITE_ASSERT(ids->size() <= limits::kBlocksPerBlobMax);
  for (const std::string& id : *ids) KYANITE_ASSERT(!id.empty() && id.size() <= limits::kBlockIdBytesMax);
  return 0;
}
