// SPDX-License-Identifier: Apache-2.0
// sasp-member run: keeps the members registered until a signal ends it.
#pragma once

#include "controller/net/loop.hpp"
#include "controller/programs/sasp_member/gwms.hpp"

namespace saspd::programs {

class Agent final : public host::Program {
 public:
  // Options and log outlive the agent.
  Agent(host::Host& host, const member::Options& options, cli::Log& log);

 private:
  enum class Phase { serving, draining, leaving };

  host::Refused start() override;
  bool is_ready() const override { return ever_registered_ || !options_.ready_when_registered; }
  metrics::Families metrics(TimePoint now) override;
  std::string status_line() const override;
  void certificates_replaced() override { gwms_.check_certificates_again(); }
  void stop() override;
  std::chrono::seconds farewell() const override { return options_.drain; }

  void drain();
  void leave();
  void changed();
  void report_load();

  const member::Options& options_;
  cli::Log& log_;
  net::Timer load_timer_;
  net::Timer end_timer_;

  Phase phase_ = Phase::serving;
  sasp::MemberGoal goal_;
  Gwms gwms_;
  bool ever_registered_ = false;
};

}  // namespace saspd::programs
