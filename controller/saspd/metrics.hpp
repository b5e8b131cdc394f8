// What saspd shows to Prometheus: decisions, and how the work goes. Pure. Traffic of IPVS is left
// to node_exporter, whose labels the members have here, so that both can be joined.
#pragma once

#include <map>
#include <string>

#include <prometheus/histogram.h>

#include "controller/metrics/process.hpp"
#include "controller/saspd/status.hpp"

namespace saspd {

// What happened and nobody else remembers. Errors are counted by name (metrics::error_name).
struct MetricCounters {
  std::map<std::string, std::uint64_t> apply_errors;
  std::map<std::string, std::uint64_t> list_errors;
  std::uint64_t repairs = 0;  // of services that the data plane did not treat as their weights say
  prometheus::Histogram write_passes{{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                      0.5, 1.0}};  // seconds of each pass that wrote
  Duration loop_lag{0};                            // how late the last periodic pass began

  // `took`: as long as the pass took.
  void count(const Work& work, Duration took);
};

// `with_members`: also what there is per member, most of it on a big farm.
metrics::Families metric_families(const Status& status, const MetricCounters& counters,
                                  bool with_members, TimePoint now, metrics::WallTime wall);

}  // namespace saspd
