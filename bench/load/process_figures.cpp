#include "bench/load/process_figures.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace kyanite::load {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

std::optional<ProcessFigures> read_process(int pid) {
  if (pid == 0) return std::nullopt;
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream stat(folder + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  // The command's name stands in brackets and may hold blanks: fields are counted after the last bracket.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // state to cmajflt
  double user = 0;
  double system = 0;
  fields >> user >> system;
  ProcessFigures figures;
  figures.cpu_seconds = (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));

  std::ifstream status(folder + "/status");
  while (std::getline(status, line)) {
    if (line.rfind("VmRSS:", 0) != 0) continue;
    figures.resident_bytes = std::stoull(line.substr(6)) * 1024;
    break;
  }
  return figures;
}

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

}  // namespace kyanite::load
