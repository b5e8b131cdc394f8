// SPDX-License-Identifier: Apache-2.0

#include "controller/metrics/process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

namespace saspd::metrics {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::optional<double> cpu_seconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Stat {
  Duration started{};  // since boot
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

// proc_pid_stat(5). The name of the program is in parentheses and may contain any character, so
// fields are counted after the last parenthesis: 22 is the start, 23 and 24 the memory.
std::optional<Stat> read_stat() {
  std::ifstream file("/proc/self/stat");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field)
    fields >> skipped;
  long long start_ticks = 0;
  Stat stat;
  double resident_pages = 0;
  if (!(fields >> start_ticks >> stat.virtual_bytes >> resident_pages)) return std::nullopt;
  stat.started = std::chrono::milliseconds(start_ticks * 1000 / ::sysconf(_SC_CLK_TCK));
  stat.resident_bytes = resident_pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return stat;
}

std::optional<double> open_descriptors() {
  std::error_code ec;
  const std::filesystem::directory_iterator entries("/proc/self/fd", ec);
  if (ec) return std::nullopt;
  // Without the one that counts.
  return static_cast<double>(std::distance(begin(entries), end(entries)) - 1);
}

std::optional<double> max_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

void add_one(Families& families, Family family, std::optional<double> value) {
  if (!value) return;
  add(family, *value);
  families.push_back(std::move(family));
}

}  // namespace

double unix_seconds(WallTime time) {
  const auto since = std::chrono::round<std::chrono::milliseconds>(time.time_since_epoch());
  return static_cast<double>(since.count()) / 1e3;
}

Families tls_families(std::string ends_name, std::string files_name,
                      const std::vector<std::pair<std::string, std::chrono::sys_seconds>>& ends,
                      bool files_ok) {
  Families families;
  Family first_ends =
      gauge(std::move(ends_name),
            "When the first certificate of this role expires, in seconds since 1970.");
  for (const auto& [role, end] : ends)
    add(first_ends, unix_seconds(end), {{"role", role}});
  families.push_back(std::move(first_ends));
  add_one(families, gauge(std::move(files_name), "1 if the TLS files could be read last time."),
          files_ok ? 1 : 0);
  return families;
}

Families reload_families(std::string successful_name, std::string time_name, bool successful,
                         WallTime last) {
  Families families;
  add_one(families,
          gauge(std::move(successful_name),
                "1 if the last reload was taken over, 0 if it was refused."),
          successful ? 1 : 0);
  add_one(families,
          gauge(std::move(time_name),
                "When the configuration was last taken over, in seconds since 1970."),
          unix_seconds(last));
  return families;
}

Families process_families(TimePoint now, WallTime wall) {
  Families families;
  add_one(families,
          counter("process_cpu_seconds_total", "CPU time in user and kernel mode, in seconds."),
          cpu_seconds());
  add_one(families, gauge("process_open_fds", "Open file descriptors."), open_descriptors());
  add_one(families, gauge("process_max_fds", "The most file descriptors that may be open."),
          max_descriptors());
  if (const auto stat = read_stat()) {
    const auto age = now.time_since_epoch() - stat->started;
    add_one(families,
            gauge("process_start_time_seconds", "When the process started, in seconds since 1970."),
            unix_seconds(wall - std::chrono::duration_cast<WallTime::duration>(age)));
    add_one(families, gauge("process_virtual_memory_bytes", "Size of the address space in use."),
            stat->virtual_bytes);
    add_one(families, gauge("process_resident_memory_bytes", "Memory that is in RAM."),
            stat->resident_bytes);
  }
  return families;
}

}  // namespace saspd::metrics
