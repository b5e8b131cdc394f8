// SPDX-License-Identifier: Apache-2.0
// Probes targets over the network: connects, asks, and keeps their Health.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "controller/gwm/probe_schedule.hpp"
#include "controller/net/loop.hpp"

namespace saspd::programs {

class Prober {
 public:
  // Called after each probe of a target. It may call set_targets() and stop().
  using OnResult = std::function<void(const gwm::ProbeTarget&, const gwm::Health&)>;

  // The prober outlives the run of the io_context.
  Prober(boost::asio::io_context& io, gwm::ProbeConfig config, OnResult on_result);
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  ~Prober();

  // See ProbeSchedule::recall.
  void recall(std::map<gwm::ProbeTarget, gwm::Health> known) { schedule_.recall(std::move(known)); }
  // See ProbeSchedule. A probe that runs ends by the old rules.
  void reconfigure(gwm::ProbeConfig config);
  // Sets all targets to probe from now on. What is known about those that stay is kept; a running
  // probe of another one is discarded.
  void set_targets(const std::set<gwm::ProbeTarget>& targets);

  // Ends everything, so that the io_context runs out of work. No result follows.
  void stop();

  // What is known about a target; nullptr if it is not one. Valid until the io_context continues.
  const gwm::Health* health(const gwm::ProbeTarget& target) const {
    return schedule_.health(target);
  }
  const gwm::ProbeCounts& counts() const { return counts_; }
  std::size_t running() const { return schedule_.running(); }
  // The last reason of a local error; empty: none yet.
  const std::string& last_local_error() const { return last_local_error_; }

 private:
  class Attempt;

  void start_due();

  boost::asio::io_context& io_;
  gwm::ProbeConfig config_;
  OnResult on_result_;
  gwm::ProbeSchedule schedule_;
  std::unordered_set<std::shared_ptr<Attempt>> attempts_;  // that run
  net::Timer next_;
  std::optional<TimePoint> awaited_;  // by it
  bool stopped_ = false;
  gwm::ProbeCounts counts_;
  std::string last_local_error_;
};

}  // namespace saspd::programs
