#include "server/net/listen_address.h"

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <string>

namespace kyanite {

Result<boost::asio::ip::tcp::endpoint> parse_listen_address(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return Error(Errc::config_invalid, "'" + std::string(text) + "' " + std::string(why) +
                                           "; expected ADDRESS:PORT such as 0.0.0.0:8883 or [::]:8883");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse("has no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);

  std::uint16_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto parsed = std::from_chars(port_text.data(), end, port);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return refuse("has no port between 0 and 65535");

  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  if (error) return refuse("has no numeric IP address");
  if (address.is_v6() != bracketed) return refuse("must have an IPv6 address in brackets, and only that");
  return boost::asio::ip::tcp::endpoint(address, port);
}

}  // namespace kyanite
