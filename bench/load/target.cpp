#include "bench/load/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace kyanite::load {
namespace {

Error refused(std::string_view text, std::string_view why) {
  return {Errc::argument_invalid, "address '" + std::string(text) + "': " + std::string(why)};
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  return problem == std::errc{} && end == text.data() + text.size() && port != 0;
}

std::string text_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

int number_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<int>() : 0;
}

}  // namespace

Result<LoopbackAddress> parse_loopback_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refused(text, "expected ADDRESS:PORT");
  LoopbackAddress address;
  if (!parse_port(text.substr(colon + 1), address.port)) return refused(text, "the port must be 1 to 65535");
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  address.host = host == "localhost" ? "127.0.0.1" : std::string(host);

  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) {
    if ((ntohl(v4.sin_addr.s_addr) >> 24) != 127) return refused(text, "only loopback addresses are allowed");
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
    return address;
  }
  if (inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) {
    if (!IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) return refused(text, "only loopback addresses are allowed");
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
    return address;
  }
  return refused(text, "expected a numeric loopback address");
}

Result<Target> read_hub_file(const std::filesystem::path& data_directory) {
  const std::filesystem::path file = data_directory / "hub.json";
  std::ifstream in(file);
  if (!in) return Error{Errc::io_failed, "cannot read " + file.string() + "; is the hub running?"};
  const nlohmann::json hub = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  const auto incomplete = [&](const char* what) {
    return Error{Errc::format_error, file.string() + ": " + what};
  };
  if (!hub.is_object()) return incomplete("not a JSON object");
  Target target;
  target.host_name = text_member(hub, "hostName");
  target.service_connection_string = text_member(hub, "serviceConnectionString");
  target.ca_file = text_member(hub, "caFile");
  target.pid = number_member(hub, "pid");
  const auto ports = hub.find("ports");
  if (ports == hub.end() || !ports->is_object()) return incomplete("no object 'ports'");
  const int mqtts = number_member(*ports, "mqtts");
  if (target.host_name.empty() || target.ca_file.empty() || mqtts == 0) {
    return incomplete("hostName, caFile or ports.mqtts is missing");
  }
  Result<LoopbackAddress> address = parse_loopback_address("127.0.0.1:" + std::to_string(mqtts));
  if (!address) return address.error();
  target.mqtts = *address;
  if (const int amqps = number_member(*ports, "amqps"); amqps != 0) {
    address = parse_loopback_address("127.0.0.1:" + std::to_string(amqps));
    if (!address) return address.error();
    target.amqps = *address;
  }
  if (const int https = number_member(*ports, "https"); https != 0) {
    address = parse_loopback_address("127.0.0.1:" + std::to_string(https));
    if (!address) return address.error();
    target.https = *address;
  }
  return target;
}

}  // namespace kyanite::load
