// SPDX-License-Identifier: Apache-2.0
// The commands of sasp-member that do one thing at every GWM and exit.
#pragma once

#include "controller/net/loop.hpp"
#include "controller/programs/sasp_member/gwms.hpp"

namespace saspd::programs {

class OneShot final : public host::Program {
 public:
  // Options and log outlive it.
  OneShot(host::Host& host, const member::Options& options, cli::Log& log);

 private:
  // Only deregister with --drain goes through the first two.
  enum class Phase { quiescing, draining, acting };

  host::Refused start() override;
  void stop() override;
  ExitCode outcome() override;  // prints a line for each GWM

  static sasp::MemberGoal first_goal(const member::Options& options);
  bool is_settled(const Gwms::Standing& gwm) const;
  void changed();
  void settle();
  void drain();
  void act();
  std::chrono::seconds patience() const;
  void expire_after(std::chrono::seconds patience, void (OneShot::*then)());
  ExitCode report(const Gwms::Standing& gwm) const;

  const member::Options& options_;
  net::Timer timer_;
  Phase phase_;
  Gwms gwms_;
};

}  // namespace saspd::programs
