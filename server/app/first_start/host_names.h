#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace kyanite {

inline constexpr std::string_view kNiceHostName = "kyanite.localhost";
inline constexpr std::string_view kPlainHostName = "127.0.0.1";

// The names the hub answers to, its own first: those configured, then what always reaches a hub on this
// machine. Without a configured name the one chosen at an earlier start (`remembered`) stays when it was a
// default of ours, so that connection strings given out keep working; else kyanite.localhost where that
// resolves (C and Java need a dot in the name, device-mqtt.md 12.1), else 127.0.0.1.
std::vector<std::string> choose_host_names(const std::vector<std::string>& configured,
                                           std::string_view remembered, std::string_view machine_name,
                                           const std::function<bool(const std::string&)>& resolves);

// Whether the system resolves the name to a loopback address, asked for at most half a second.
bool resolves_to_loopback(const std::string& name);
std::string machine_name();

}  // namespace kyanite
