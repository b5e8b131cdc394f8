// SPDX-License-Identifier: Apache-2.0
// sasp-gwm: connects the workload manager with its peers, probes and files, and answers for
// it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/gwm/options.hpp"
#include "controller/host/configured.hpp"
#include "controller/net/loop.hpp"
#include "controller/programs/sasp_gwm/connections.hpp"
#include "controller/programs/sasp_gwm/drains_source.hpp"
#include "controller/programs/sasp_gwm/prober.hpp"
#include "controller/programs/sasp_gwm/state_keeper.hpp"
#include "controller/programs/sasp_gwm/weights_source.hpp"

namespace saspd::programs {

class SaspGwm final : public host::Configured<gwm::Options> {
 public:
  // All of these outlive the program.
  SaspGwm(host::Host& host, gwm::Options& options, ReadOptions read_again, cli::Log& log);

 private:
  host::Refused read_files() override;
  host::Refused listen() override;
  cli::Needs needs() const override;
  host::Refused start() override;
  boost::json::object answer(const boost::json::object& request,
                             const net::ControlPeer& peer) override;
  metrics::Families metrics(TimePoint now) override;
  std::string status_line() const override;
  void prepare(const gwm::Options& next, cli::Errors& errors) override;
  void give_up() override;
  void take_over(const gwm::Options& before) override;
  void read_files_again(cli::Errors& errors) override;
  void certificates_replaced() override { connections_.check_certificates_again(); }
  void stop() override;

  void recall();
  Result<void> read_authority();
  void say_what_stays_unknown() const;
  void poll_files();
  void work();
  void wait_until(std::optional<TimePoint> next);
  void watch_members();
  void look_at_alarms();
  void watch_alarms();
  void probed(const gwm::ProbeTarget& target, const gwm::Health& health);
  gwm::Surroundings surroundings();

  cli::Log& log_;
  cli::LimitedLog limited_log_;
  gwm::WorkloadManager manager_;
  Connections connections_;
  Prober prober_;
  WeightsSource weights_;
  DrainsSource drains_;
  WatchedFiles authority_;
  StateKeeper state_;
  net::Timer files_timer_;
  net::Timer work_timer_;
  std::optional<TimePoint> awaited_;  // by it
  net::Timer members_timer_;
  net::Timer alarms_timer_;
  std::uint64_t probed_generation_ = 0;
  gwm::AlarmWatch alarm_watch_;
  std::vector<gwm::Alarm> alarms_;  // as the log has them
  std::vector<Endpoint> opened_;    // for options that are checked
  bool watches_members_ = false;
};

}  // namespace saspd::programs
