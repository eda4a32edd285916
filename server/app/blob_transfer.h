#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

// One blob over HTTP or HTTPS: Put Blob and Get Blob with the container's signature (service-rest.md 4.11).
// Blocking, with limits on time and size; redirects are not followed. Errors: Errc::blob_container_invalid
// with a sentence that names neither address nor signature.
namespace kyanite {

inline constexpr std::uint64_t kBlobBytesMax = std::uint64_t{5000} << 20;  // of one Put Blob

// Whether nobody waits for the transfer any more; asked about once a second at least.
using TransferStop = std::function<bool()>;
// Whether the file may grow by so many bytes.
using FileRoom = std::function<bool(std::size_t)>;

// The blob's address: the container's path with the name behind it, and the container's query. Errors:
// blob_container_invalid for what is no http or https address.
Result<std::string> blob_url(std::string_view container, std::string_view name);

// The first `size` bytes of the file become the blob.
Result<void> put_blob(const std::string& url, int file, std::uint64_t size, const TransferStop& stop);
// The blob is written into the file; answers its size.
Result<std::uint64_t> get_blob(const std::string& url, int file, const FileRoom& room,
                               const TransferStop& stop);
// Whether the blob can be read: begins to, and goes no further.
Result<void> probe_blob(const std::string& url, const TransferStop& stop);

}  // namespace kyanite
