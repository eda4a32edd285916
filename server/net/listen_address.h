#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string_view>

#include "protocol/base/result.h"

namespace kyanite {

// Parses where to listen: "0.0.0.0:8883", "127.0.0.1:0", "[::]:443" ([::] takes IPv4 too). Names are not
// resolved. Errc::config_invalid with a sentence that says what is wrong.
Result<boost::asio::ip::tcp::endpoint> parse_listen_address(std::string_view text);

}  // namespace kyanite
