// SPDX-License-Identifier: Apache-2.0
// saspd's metrics for Prometheus: decisions, and how the work goes. Pure. IPVS traffic is left to
// node_exporter, whose labels the members have here, so that both can be joined.
#pragma once

#include <map>
#include <string>

#include <prometheus/histogram.h>

#include "controller/metrics/process.hpp"
#include "controller/saspd/status.hpp"

namespace saspd::director {

// Counts of events that are kept nowhere else. Errors are counted by name (metrics::error_name).
struct MetricCounters {
  std::map<std::string, std::uint64_t> apply_errors;
  std::map<std::string, std::uint64_t> list_errors;
  std::uint64_t repairs = 0;  // of services for which the data plane did not follow the weights
  prometheus::Histogram write_passes{{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                      0.5, 1.0}};  // seconds of each pass that wrote
  Duration loop_lag{0};                            // how late the last periodic pass began

  // `took`: the duration of the pass.
  void count(const Work& work, Duration took);
};

// `with_members`: includes the metrics of members, which are most of them in a big farm.
metrics::Families metric_families(const Status& status, const MetricCounters& counters,
                                  bool with_members, TimePoint now, metrics::WallTime wall);

}  // namespace saspd::director
