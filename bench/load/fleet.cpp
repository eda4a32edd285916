#include "bench/load/fleet.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "bench/load/registry_client.h"
#include "protocol/auth/sas_token.h"

namespace kyanite::load {
namespace {

constexpr std::int64_t kTokenSeconds = 24 * 3600;

std::string numbered(const std::string& prefix, std::uint32_t number) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%05u", number);
  return prefix + digits;
}

Result<std::vector<Device>> read_list(const FleetOptions& options) {
  std::ifstream in(options.list_file);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return Error{Errc::io_failed, "cannot read " + options.list_file};
  return parse_device_list(text.str(), options.count);
}

Result<std::vector<Device>> create(const Options& options) {
  std::vector<std::string> ids;
  if (options.mode == Mode::demo) {
    ids.push_back(options.demo_device);
  } else {
    for (std::uint32_t i = 0; i < options.fleet.count; ++i) ids.push_back(numbered(options.fleet.prefix, i));
  }
  Result<std::vector<std::string>> keys = create_devices(options.target, ids);
  if (!keys) return keys.error();
  std::vector<Device> devices(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    devices[i].id = ids[i];
    devices[i].key = (*keys)[i];
  }
  return devices;
}

bool save(const std::vector<Device>& devices, const std::string& file) {
  std::ofstream out(file, std::ios::trunc);
  for (const Device& device : devices) out << device.id << ',' << device.key << '\n';
  return static_cast<bool>(out.flush());
}

}  // namespace

Result<std::vector<Device>> parse_device_list(std::string_view text, std::size_t count_max) {
  std::vector<Device> devices;
  std::size_t line_number = 0;
  while (!text.empty() && devices.size() < count_max) {
    ++line_number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t comma = line.rfind(',');  // a device id may hold a comma, base64 does not
    if (comma == std::string_view::npos || comma == 0 || comma + 1 == line.size()) {
      return Error{Errc::format_error,
                   "device list, line " + std::to_string(line_number) + ": not deviceId,key"};
    }
    Device device;
    device.id = line.substr(0, comma);
    device.key = line.substr(comma + 1);
    devices.push_back(std::move(device));
  }
  if (devices.empty()) return Error{Errc::format_error, "device list: no devices"};
  return devices;
}

Result<std::vector<Device>> load_fleet(const Options& options) {
  Result<std::vector<Device>> devices =
      options.fleet.list_file.empty() ? create(options) : read_list(options.fleet);
  if (!devices) return devices.error();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t expiry = std::chrono::duration_cast<std::chrono::seconds>(now).count() + kTokenSeconds;
  for (Device& device : *devices) {
    device.token = make_sas_token(options.target.host_name + "/devices/" + device.id, device.key, expiry);
    device.topic = options.mode == Mode::twin ? "$iothub/twin/PATCH/properties/reported/?$rid=1"
                                              : "devices/" + device.id + "/messages/events/";
  }
  if (!options.fleet.save_file.empty() && !save(*devices, options.fleet.save_file)) {
    return Error{Errc::io_failed, "cannot write " + options.fleet.save_file};
  }
  return devices;
}

}  // namespace kyanite::load
