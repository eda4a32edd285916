#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "protocol/base/reply.h"

// Where import and export jobs read and write: blobs of a container (service-rest.md 4.11). A container is
// named by its address with the shared access signature in it, or by a folder as file://; its text is a
// secret, which is neither shown nor logged nor kept.
namespace kyanite {

// A blob that is written piece by piece and there as a whole when finish() is answered. Destroyed before
// that, nothing of it is left but what create() put there.
class BlobOutput {
 public:
  virtual ~BlobOutput() = default;
  // One call at a time. Errors: Errc::io_failed with a sentence that names no container.
  virtual void append(std::string bytes, Reply<void> reply) = 0;
  virtual void finish(Reply<void> reply) = 0;
};

// A blob that is read piece by piece.
class BlobInput {
 public:
  virtual ~BlobInput() = default;
  virtual std::uint64_t size() const = 0;
  // The next bytes, at most kBlobPieceBytes; none at the end. One call at a time.
  virtual void read(Reply<std::string> reply) = 0;
};

inline constexpr std::size_t kBlobPieceBytes = 256 * 1024;

// Owner: the application, for which it works on a thread of its own; nothing here blocks its caller. What
// was begun ends with an error when the hub stops. Errors: Errc::blob_container_invalid with a sentence for
// whoever asked for the job, which names no container.
class BlobExchange {
 public:
  virtual ~BlobExchange() = default;
  // Proves that the container can be written by putting an empty blob of that name.
  virtual void create(std::string container, std::string name, Reply<std::shared_ptr<BlobOutput>> reply) = 0;
  // Proves that the blob can be read, without reading it.
  virtual void probe(std::string container, std::string name, Reply<void> reply) = 0;
  virtual void open(std::string container, std::string name, Reply<std::shared_ptr<BlobInput>> reply) = 0;
  // Nobody waits any more for what was asked for so far.
  virtual void break_off() = 0;
};

}  // namespace kyanite
