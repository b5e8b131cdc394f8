// Which target is probed when, and what came of it. Pure: no sockets, time is a parameter.
//
// A target is probed every `interval`, measured from the start of its last probe and up to 5 %
// shorter or longer, so that targets which came together do not stay together. While there is a
// doubt about it (Health::in_doubt) it is probed after half of that. The first probes of targets
// that came together are spread over an interval; that of a single one is due at once.
//
// So a server that stops answering is down after at most, with the defaults,
// 1.05 * (interval + (fall - 1) * interval / 2) + timeout = 5.2 s, while `concurrency` suffices:
// each of so many places gives a probe of a dead server in `timeout`. Beyond that everybody waits
// longer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
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
  std::string agent_send{};       // a line that agents are sent first; empty: nothing is sent
};

struct ProbeCounts {
  std::uint64_t probes = 0;
  std::uint64_t failures = 0;  // of these
  // Not probed for a reason of our own (no file descriptor, memory or local port left), no sample;
  // tried again after half an interval.
  std::uint64_t local_errors = 0;
};

class ProbeSchedule {
 public:
  explicit ProbeSchedule(ProbeConfig config) : config_(config) {}

  // All that shall be probed from now on. What is known of those that stay, stays.
  void set_targets(const std::set<ProbeTarget>& targets, TimePoint now);

  // When take_due() has something to give. Nothing: no target waits, or as many probes run as may;
  // then the next one can start when one has ended.
  std::optional<TimePoint> next_due() const;
  // Targets to probe now. Those that have waited longest are first, so that none starves when
  // there are more than can be probed. Each is given back by finished() or not_probed(), and not
  // taken again before.
  std::vector<ProbeTarget> take_due(TimePoint now);

  // What is known of the target with this sample; nullptr if it is no longer wanted.
  const Health* finished(const ProbeTarget& target, Sample sample, TimePoint now);
  // It could not be probed for a reason of our own, which says nothing about it.
  void not_probed(const ProbeTarget& target, TimePoint now);

  // nullptr: no target of ours.
  const Health* health(const ProbeTarget& target) const;
  std::size_t running() const { return running_; }

 private:
  // In order of time, and of arrival where that is the same.
  using Queue = std::multimap<TimePoint, const ProbeTarget*>;
  struct Entry {
    Health health;
    Queue::iterator place;  // while it is not probed
    bool is_running = false;
    bool is_wanted = true;  // false: it goes when its probe has ended
    TimePoint started{};    // its last probe
  };
  using Entries = std::map<ProbeTarget, Entry>;

  void remove_others(const std::set<ProbeTarget>& wanted);
  void queue(Entries::iterator entry, TimePoint due);
  // Takes the end of a probe to the books; end() if the target is gone.
  Entries::iterator end_probe(const ProbeTarget& target);
  Duration delay(const ProbeTarget& target, const Health& health) const;

  ProbeConfig config_;
  Entries entries_;
  Queue queue_;
  std::size_t running_ = 0;
};

}  // namespace saspd::gwm
