// SPDX-License-Identifier: Apache-2.0
// sasp-gwm's metrics for Prometheus. Pure. The labels of members are those of saspd's metrics.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "controller/gwm/probe_schedule.hpp"
#include "controller/gwm/status.hpp"
#include "controller/metrics/families.hpp"

namespace saspd::gwm {

// Counts of events that are kept nowhere else.
struct MetricCounters {
  std::map<std::pair<std::string_view, sasp::ReturnCode>, std::uint64_t> requests;  // by answer
  std::uint64_t not_understood = 0;
  std::uint64_t pushed = 0;    // messages
  std::uint64_t rejected = 0;  // connections

  void count(const sasp::Message& request, const sasp::Message& reply);
};

// `with_members`: includes the metrics of the first max_members_shown members.
metrics::Families metric_families(const WorkloadManager& manager, const Surroundings& around,
                                  const MetricCounters& counters, const ProbeCounts& probes,
                                  bool with_members, TimePoint now);

}  // namespace saspd::gwm
