// SPDX-License-Identifier: Apache-2.0
// The running saspd: what the host and the kernel say, handed to the Controller, and what it wants
// done.
#pragma once

#include <optional>
#include <string>

#include "controller/base/kept_file.hpp"
#include "controller/cli/limited_log.hpp"
#include "controller/host/configured.hpp"
#include "controller/host/event_file.hpp"
#include "controller/lb/backend.hpp"
#include "controller/net/loop.hpp"
#include "controller/programs/gwm_links.hpp"
#include "controller/saspd/attach_request.hpp"
#include "controller/saspd/control.hpp"
#include "controller/saspd/controller.hpp"
#include "controller/saspd/ledger_file.hpp"
#include "controller/saspd/metrics.hpp"
#include "controller/saspd/options.hpp"

namespace saspd::programs {

class Saspd final : public host::Configured<director::Options> {
 public:
  // Options, plane and log outlive the program. What is not among `needs` is given up at the start.
  Saspd(host::Host& host, director::Options& options, ReadOptions read_again,
        lb::ObservedDataplane& plane, cli::Needs needs, cli::Log& log);

 private:
  cli::Needs needs() const override { return needs_; }
  host::Refused start() override;
  boost::json::object answer(const boost::json::object& request,
                             const net::ControlPeer& peer) override;
  metrics::Families metrics(TimePoint now) override;
  std::optional<report::Health> health() override;
  ExitCode outcome() override;
  std::string status_line() const override { return controller_.status_line(); }
  void take_over(const director::Options& before) override;
  void certificates_replaced() override { links_.check_certificates_again(); }

  void open_history();
  void open_overrides();
  void keep_overrides();
  void open_ledger();
  void start_links();
  net::LinkSettings link_to(const cli::HostPort& gwm) const;
  void reconcile_later();
  void wait_for_plane();
  void hear_keepalived();
  void wait_for_keepalived();
  director::Work work();
  void work_soon();
  void decide_in_time();
  void ask_to_attach();
  void settle();
  void look_around();
  director::Surroundings surroundings();

  cli::Log& log_;
  cli::LimitedLog limited_log_;
  lb::ObservedDataplane& plane_;
  const cli::Needs needs_;
  director::Controller controller_;
  GwmLinks<director::Controller> links_;

  net::Timer decision_timer_;
  net::Timer reconcile_timer_;
  std::optional<net::ReadWatch> plane_events_;
  director::MetricCounters counters_;
  std::optional<director::LedgerFile> ledger_;  // nothing: none is kept
  std::optional<KeptFile> overrides_;           // likewise
  std::optional<host::EventFile> history_;      // likewise
  std::optional<director::KeepalivedFifo> keepalived_;
  std::optional<net::ReadWatch> keepalived_events_;
  unsigned keepalived_waited_for_ = 0;  // its generation
  std::optional<director::AttachRequest> attach_request_;
  bool work_posted_ = false;
};

}  // namespace saspd::programs
