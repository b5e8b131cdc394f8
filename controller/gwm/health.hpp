// SPDX-License-Identifier: Apache-2.0
// What is known about a target from its probes: rise and fall. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "controller/base/clock.hpp"
#include "controller/gwm/agent_check.hpp"
#include "controller/report/words.hpp"

namespace saspd::gwm {

// One probe.
struct Sample {
  bool ok = false;
  std::string detail;  // in words: "HTTP status 200", "connection refused"
  TimePoint at{};      // when it ended
  Duration duration{};
  std::optional<AgentReport> report;  // from an agent that answered
};

struct HealthRules {
  unsigned rise = 2;  // successes in a row that bring a target up
  unsigned fall = 3;  // failures in a row that bring it down
};

// For an agent, `up` means that it answers; what it says about its server is agent().
class Health {
 public:
  using State = report::ProbeState;

  explicit Health(TimePoint now) : since_(now), changed_at_(now) {}
  // As an earlier life knew it, not unknown: rise and fall go on from there.
  Health(State state, AgentState agent, TimePoint now)
      : state_(state), since_(now), changed_at_(now), agent_(std::move(agent)) {}

  // Unknown until there are two samples, the second of which decides; from then on, and if an
  // earlier life knew it, the rules do.
  // An agent's word counts at once, as in HAProxy: damping is up to the agent.
  void add(Sample sample, const HealthRules& rules);

  State state() const { return state_; }
  TimePoint since() const { return since_; }  // of the state
  // When the state, or the agent's report, last changed.
  TimePoint changed_at() const { return changed_at_; }
  bool changed_by_last() const { return changed_by_last_; }  // sample
  const AgentState& agent() const { return agent_; }

  // The last sample; empty before the first.
  const std::optional<Sample>& last() const { return last_; }
  // How many samples in a row were like the last one.
  unsigned run() const { return run_; }
  std::uint64_t samples() const { return samples_; }
  std::uint64_t failures() const { return failures_; }
  // Whether the state is unknown, or contradicted by the last sample: worth an early probe.
  bool in_doubt() const;

 private:
  State state_after(const HealthRules& rules) const;

  State state_ = State::unknown;
  TimePoint since_;
  TimePoint changed_at_;
  bool changed_by_last_ = false;
  AgentState agent_;
  std::optional<Sample> last_;
  unsigned run_ = 0;
  std::uint64_t samples_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace saspd::gwm
