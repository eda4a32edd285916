#include "server/app/process_metrics.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace kyanite {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  statm >> pages >> resident;
  return statm ? resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

// Linux 6.2 and later say it as the size of the directory; before that it has to be walked.
double open_descriptors() {
  struct stat status {};
  if (::stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return static_cast<double>(status.st_size);
  std::error_code error;
  const std::filesystem::directory_iterator entries("/proc/self/fd", error);
  if (error) return 0;
  const auto count = std::distance(begin(entries), end(entries));
  return static_cast<double>(count - 1);  // one is this walk's
}

double seconds_by(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// The process began so many clock ticks after the system did. When that was is not read from /proc/stat,
// which a service is not shown where it sees processes only (ProcSubset=pid).
double start_time() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // The name in brackets may hold anything; what follows it are numbers, the start is the 20th of them.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 0; i < 20 && fields; ++i) fields >> field;
  double ticks = 0;
  if (!(std::istringstream(field) >> ticks)) return 0;
  const double system_start = seconds_by(CLOCK_REALTIME) - seconds_by(CLOCK_BOOTTIME);
  return system_start + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessMetrics read_process_metrics() {
  ProcessMetrics out;
  out.resident_bytes = resident_bytes();
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0)
    out.cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
  out.open_descriptors = open_descriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.descriptors_max = static_cast<double>(limit.rlim_cur);
  static const double started = start_time();
  out.start_time_seconds = started;
  return out;
}

}  // namespace kyanite
