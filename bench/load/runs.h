#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "bench/load/fleet.h"
#include "bench/load/options.h"
#include "bench/load/tls_client.h"

namespace kyanite::load {

// What a run found out: the figures in the order they are printed, and the program's exit status (0 all went
// well, 1 something failed, 3 connections were lost while publishing).
struct Report {
  nlohmann::ordered_json figures;
  int exit_status = 0;
};

Report run_connect(const Options& options, const TlsClient& tls, std::span<Device> devices);
Report run_publish(const Options& options, const TlsClient& tls, std::span<Device> devices);
Report run_idle(const Options& options, const TlsClient& tls, std::span<Device> devices);
Report run_methods(const Options& options, const TlsClient& tls, std::span<Device> devices);
Report run_c2d(const Options& options, const TlsClient& tls, std::span<Device> devices);
Report run_demo(const Options& options, const TlsClient& tls, std::span<Device> devices);

}  // namespace kyanite::load
