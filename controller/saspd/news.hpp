// SPDX-License-Identifier: Apache-2.0
// What happens to the kernel, the advice and what goes with them, as events: each trouble once when
// it begins, and once when it ends. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "controller/cli/log_lines.hpp"
#include "controller/events/journal.hpp"
#include "controller/lb/observer.hpp"
#include "controller/lb/plan.hpp"
#include "controller/saspd/alarms.hpp"
#include "controller/saspd/reconciler.hpp"
#include "controller/saspd/zeros.hpp"

namespace saspd::director {

class News {
 public:
  struct Settings {
    bool dry_run = false;
    std::chrono::seconds reconcile_interval{5};
    std::string ledger;           // its path
    std::string keepalived_fifo;  // likewise
    bool own_table = false;       // no zero in it is anybody else's
  };

  // `log` and `journal` must outlive it.
  News(Settings settings, cli::LogLines& log, events::Journal& journal)
      : settings_(std::move(settings)), log_(log), journal_(journal) {}
  void reconfigure(Settings settings) { settings_ = std::move(settings); }

  // Each says how it is now; what is no news is not logged. Empty texts: all is well.
  void work(const Work& work, const Reconciler& reconciler);
  void kernel(const std::string& error);
  void problems(std::vector<lb::Problem> problems);
  // The alarms of the groups whose alarms may have changed, also of those without any.
  void alarms(AlarmsByGroup of_changed);
  void zeros(const Work& work, const lb::Table& actual);
  void ledger(const std::string& error);
  void keepalived(const std::string& error);

  // As last reported.
  const std::string& kernel_error() const { return kernel_error_; }
  const std::vector<lb::Problem>& problems() const { return problems_; }
  const std::string& keepalived_error() const { return keepalived_error_; }

 private:
  void appeared(const std::vector<lb::ServiceKey>& services, const Reconciler& reconciler);
  void drifts(const std::vector<Drift>& drifts, const Reconciler& reconciler);
  void applied(const lb::Plan& changes, const Reconciler& reconciler);
  void kernel(std::string error, const std::string& trouble);
  void planned(const lb::Plan& plan);
  void alarm(const AlarmChange& change, bool logged);

  Settings settings_;
  cli::LogLines& log_;
  events::Journal& journal_;

  std::string kernel_error_;
  std::string kernel_trouble_;         // what of it makes it another one
  std::vector<lb::Problem> problems_;  // of the data plane
  lb::Plan planned_;                   // with --dry-run
  AlarmsByGroup alarms_;
  std::string ledger_error_;
  std::string keepalived_error_;
};

}  // namespace saspd::director
