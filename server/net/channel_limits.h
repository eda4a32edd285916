#pragma once

#include <cstddef>

// What every channel over TLS keeps to, with or without a WebSocket on top.
namespace kyanite {

// An output buffer of up to this many bytes is kept when it runs empty: an idle connection pays for it.
constexpr std::size_t kOutputKeptBytes = 64;
// What a peer may still send after we closed our side before we stop listening to it, in bytes.
constexpr std::size_t kLingerBytesMax = 1024 * 1024;

}  // namespace kyanite
