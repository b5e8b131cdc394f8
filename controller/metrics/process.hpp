// SPDX-License-Identifier: Apache-2.0
// What every exporter reports about its own process, under the names that dashboards know.
#pragma once

#include <chrono>

#include "controller/base/clock.hpp"
#include "controller/metrics/families.hpp"

namespace saspd::metrics {

using WallTime = std::chrono::system_clock::time_point;

// Seconds since 1970, to the millisecond.
double unix_seconds(WallTime time);

// Expiry of certificates by role, and whether the TLS files could be read last time.
Families tls_families(std::string ends_name, std::string files_name,
                      const std::vector<std::pair<std::string, std::chrono::sys_seconds>>& ends,
                      bool files_ok);

// Whether the last reload was taken over, and when one was last; the start counts as one.
Families reload_families(std::string successful_name, std::string time_name, bool successful,
                         WallTime last);

// process_*, without what the kernel does not report. Reads only /proc/self, which a sandbox leaves
// visible.
Families process_families(TimePoint now, WallTime wall);

}  // namespace saspd::metrics
