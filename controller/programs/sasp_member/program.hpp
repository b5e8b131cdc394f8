// SPDX-License-Identifier: Apache-2.0
// The running sasp-member: what the host says, and the GWMs, handed to a Machine, and what it wants
// done.
#pragma once

#include "controller/cli/limited_log.hpp"
#include "controller/host/configured.hpp"
#include "controller/member/machine.hpp"
#include "controller/net/loop.hpp"
#include "controller/programs/gwm_links.hpp"

namespace saspd::programs {

class SaspMember final : public host::Configured<member::Options> {
 public:
  // All of these outlive the program.
  SaspMember(host::Host& host, member::Options& options, ReadOptions read_again,
             member::Machine& machine, cli::Log& log);

 private:
  host::Refused start() override;
  bool is_ready() const override { return machine_.is_ready(); }
  metrics::Families metrics(TimePoint) override { return machine_.metrics(); }
  std::string status_line() const override { return machine_.status_line(); }
  void certificates_replaced() override { links_.check_certificates_again(); }
  void prepare(const member::Options& next, cli::Errors& errors) override;
  void take_over(const member::Options& before) override;
  void stop() override;
  std::chrono::seconds farewell() const override { return options().drain; }
  ExitCode outcome() override;

  net::LinkSettings link_to(const cli::HostPort& gwm) const;
  void report_load();
  void settle();
  void work_soon();

  cli::Log& log_;
  cli::LimitedLog limited_log_;
  member::Machine& machine_;
  GwmLinks<member::Machine> links_;
  net::Timer load_timer_;
  net::Timer timer_;
  bool work_posted_ = false;
};

}  // namespace saspd::programs
