#pragma once

#include <string>

#include "server/admin/hub_metrics.h"

namespace kyanite {

// The text form that Prometheus scrapes (content type kMetricsType). Labels are protocols, results, reasons
// and the like, all from fixed lists; never what a client chose.
std::string to_metrics_text(const HubMetrics& metrics);
inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace kyanite
