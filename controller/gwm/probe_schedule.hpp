// SPDX-License-Identifier: Apache-2.0
// Which target is probed when, and the outcomes. Pure: no sockets; time is a parameter.
//
// A target is probed every `interval`, measured from the start of its last probe and up to 5 %
// shorter or longer, so that targets that were added together do not stay together. While it is in
// doubt (Health::in_doubt), it is probed after half of that. The first probes of targets that were
// added together are spread over an interval; that of a single one is due at once.
//
// So, with the defaults, a server that stops answering is down after at most 1.05 * (interval +
// (fall - 1) * interval / 2) + timeout = 5.2 s, as long as `concurrency` suffices: a probe of a
// dead server occupies one of these places for `timeout`. Beyond that, every target waits longer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/gwm/health.hpp"
#include "controller/gwm/probe_spec.hpp"

namespace saspd::gwm {

struct ProbeConfig {
  Duration interval = std::chrono::seconds{2};
  Duration timeout = std::chrono::seconds{1};  // of a whole probe
  HealthRules rules{};
  std::size_t concurrency = 256;  // probes at a time
  std::string agent_send{};       // a line that is sent to agents first; empty: none
};

struct ProbeCounts {
  std::uint64_t probes = 0;
  std::uint64_t failures = 0;  // of these
  // Not probed for a local reason (no file descriptor, memory or local port left): no sample, and
  // another attempt after half an interval.
  std::uint64_t local_errors = 0;
};

class ProbeSchedule {
 public:
  explicit ProbeSchedule(ProbeConfig config) : config_(config) {}

  // What an earlier life knew about targets: those among the next ones to be set begin with it.
  void recall(std::map<ProbeTarget, Health> known) { recalled_ = std::move(known); }
  // Other times and rules from now on: no target waits longer than the new interval.
  void reconfigure(ProbeConfig config, TimePoint now);
  // Sets all targets to probe from now on. What is known about those that stay is kept.
  void set_targets(const std::set<ProbeTarget>& targets, TimePoint now);

  // When take_due() will have a target. Empty if no target waits, or if the maximum of probes is
  // running, in which case the next one can start when one has ended.
  std::optional<TimePoint> next_due() const;
  // Targets to probe now, those that have waited longest first, so that none starves when there are
  // more than can be probed. Return each by finished() or not_probed(); it is not due again before.
  std::vector<ProbeTarget> take_due(TimePoint now);

  // What is known about the target after this sample; nullptr if it is no longer wanted.
  const Health* finished(const ProbeTarget& target, Sample sample, TimePoint now);
  // It could not be probed for a local reason, which says nothing about it.
  void not_probed(const ProbeTarget& target, TimePoint now);

  // nullptr if it is not a target.
  const Health* health(const ProbeTarget& target) const;
  std::size_t running() const { return running_; }

 private:
  // In order of time, then of arrival.
  using Queue = std::multimap<TimePoint, const ProbeTarget*>;
  struct Entry {
    Health health;
    Queue::iterator place;  // while no probe of it runs
    bool is_running = false;
    bool is_wanted = true;  // false: removed when its probe has ended
    TimePoint started{};    // its last probe
  };
  using Entries = std::map<ProbeTarget, Entry>;

  void remove_others(const std::set<ProbeTarget>& wanted);
  void queue(Entries::iterator entry, TimePoint due);
  // Records the end of a probe; end() if the target is gone.
  Entries::iterator end_probe(const ProbeTarget& target);
  Duration delay(const ProbeTarget& target, const Health& health) const;

  ProbeConfig config_;
  std::map<ProbeTarget, Health> recalled_;
  Entries entries_;
  Queue queue_;
  std::size_t running_ = 0;
};

}  // namespace saspd::gwm
