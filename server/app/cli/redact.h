#pragma once

#include <string>
#include <string_view>

namespace kyanite::cli {

// The text with every secret that can be told by its form replaced by "***": keys in connection strings,
// signatures, SAS and bearer tokens, private keys in PEM form, and base64 of the length of a key standing
// alone. It rather takes too much.
std::string redact(std::string_view text);

}  // namespace kyanite::cli
