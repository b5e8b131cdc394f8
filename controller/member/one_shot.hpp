// SPDX-License-Identifier: Apache-2.0
// The commands of sasp-member that do one thing at every GWM and exit.
#pragma once

#include "controller/member/machine.hpp"

namespace saspd::member {

class OneShot final : public Machine {
 public:
  // Options outlive it. `load` is this machine's, which is reported unless the options have a
  // state. `seed`: see Gwms.
  OneShot(const Options& options, std::uint8_t load, std::uint64_t seed, TimePoint now);

  void start(TimePoint now) override;
  void work(TimePoint now) override;
  void expire(TimePoint now) override;
  // A signal ends the drain, or else all.
  void stop(TimePoint now) override;
  Outcome outcome() const override;

 private:
  // Only deregister with --drain goes through the first two.
  enum class Phase { quiescing, draining, acting };

  bool is_settled(const Gwms::Standing& gwm) const;
  void settle(TimePoint now);
  void drain(TimePoint now);
  void act(TimePoint now);
  std::chrono::seconds patience() const;
  Outcome::Line report(const Gwms::Standing& gwm) const;

  Phase phase_;
  sasp::MemberGoal goal_;
};

}  // namespace saspd::member
