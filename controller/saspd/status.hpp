// SPDX-License-Identifier: Apache-2.0
// The answers to saspctl.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/lb/observer.hpp"
#include "controller/report/saspd.hpp"
#include "controller/saspd/reconciler.hpp"

namespace saspd::director {

struct GwmStatus {
  std::string endpoint;
  report::LinkState state = report::LinkState::trying;
  TimePoint state_since;
  std::optional<TimePoint> last_message;
  std::chrono::seconds interval{0};
  std::string last_error;
  std::uint64_t protocol_errors = 0;
  sasp::ToleranceCounts tolerances;
  bool duplicate_suspected = false;  // another load balancer seems to have our LB UID
};

struct Status {
  std::string lb_uid;
  bool dry_run = false;
  std::string kernel_error;  // why the kernel could not be read or written last; empty: it could
  std::string ledger_error;  // why the ledger is known in memory alone; empty: it is on disk
  std::string keepalived_error;  // why its FIFO cannot be read; empty: it can, or none is wanted
  std::string config_error;      // why the last reload was refused; empty: it was not
  std::string tls_error;         // why the TLS files could not be read again; empty: they could
  std::string backend;           // its name
  std::vector<lb::Problem> problems;  // of the data plane
  std::string attach_request;         // what was done for those that attaching again mends; empty
  std::uint64_t attach_requests = 0;  // ever
  std::vector<std::pair<std::string, std::uint64_t>> packets;  // by what became of them
  lb::KernelSettings kernel_settings;  // that decide what becomes of connections
  report::Health health;
  std::vector<report::Override> overrides;
  std::map<report::EventKind, std::uint64_t> event_counts;  // since the start
  std::vector<GwmStatus> gwms;
  std::vector<Reconciler::GroupView> groups;
};

report::Trace trace_answer(const lb::Trace& trace);

report::Status status_answer(const Status& status, TimePoint now);

// Parts of the status: the GWMs; the groups, with the number of their members; the members of one
// group or of all. An error if there is no such group.
report::Gwms gwms_answer(const Status& status, TimePoint now);
report::Groups groups_answer(const Status& status, TimePoint now);
Result<report::Members> members_answer(const Status& status,
                                       const std::optional<std::string>& wanted, TimePoint now);

report::Watch watch_answer(const Status& status);

// `member` is ADDR:PORT, or ADDR alone for a system member, or one of both after "GROUP/". Errors:
// not in that form, or no such member.
Result<report::Why> why_answer(const Status& status, std::string_view member, TimePoint now);

report::Export export_answer(std::vector<std::string> rules);

report::Plan plan_answer(const lb::Plan& plan);

// What undrain has done: in how many services the zero of the member is given back to the advice.
report::Undrain undrain_answer(std::string_view member, std::size_t services);

report::GwmRetry gwm_retry_answer(std::string_view gwm);

// What `done` did, and how many writes are left to be done after it. In a dry run nothing is
// written: `done` shows what would be.
report::Reconcile reconcile_answer(const Work& done, bool dry_run, std::size_t remaining);

}  // namespace saspd::director
