// SPDX-License-Identifier: Apache-2.0
// sasp-member run: keeps the members registered until a signal ends it.
#pragma once

#include "controller/member/machine.hpp"

namespace saspd::member {

class Agent final : public Machine {
 public:
  // Options outlive the agent. `seed`: see Gwms.
  Agent(const Options& options, std::uint64_t seed, TimePoint now);

  void start(TimePoint now) override;
  void work(TimePoint now) override;
  void expire(TimePoint now) override;
  // A second signal ends the drain, and a third one everything.
  void stop(TimePoint now) override;
  bool wants_load() const override { return !options_.state && phase_ == Phase::serving; }
  void load(std::uint8_t load, TimePoint now) override;

  bool is_ready() const override { return ever_registered_ || !options_.ready_when_registered; }
  std::string status_line() const override;
  metrics::Families metrics() const override;

 private:
  enum class Phase { serving, draining, leaving };

  void options_changed(TimePoint now) override;
  void drain(TimePoint now);
  void leave(TimePoint now);

  Phase phase_ = Phase::serving;
  sasp::MemberGoal goal_;
  bool ever_registered_ = false;
};

}  // namespace saspd::member
