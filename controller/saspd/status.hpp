// The answers to saspctl, as JSON. Keys are relied upon by scripts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "controller/base/clock.hpp"
#include "controller/lb/dataplane.hpp"
#include "controller/saspd/reconciler.hpp"

namespace saspd {

struct GwmStatus {
  std::string endpoint;
  std::string state;
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
  std::string tls_error;         // why the TLS files could not be read again; empty: they could
  std::string backend = "ipvs";
  std::vector<lb::Problem> problems;  // of the data plane
  std::string attach_request;         // what was done for those that attaching again mends; empty
  std::uint64_t attach_requests = 0;  // ever
  std::vector<std::pair<std::string, std::uint64_t>> packets;  // by what became of them
  lb::KernelSettings kernel_settings;  // that decide what becomes of connections
  std::vector<GwmStatus> gwms;
  std::vector<Reconciler::GroupView> groups;
};

boost::json::object trace_json(const lb::Trace& trace);

boost::json::object status_json(const Status& status, TimePoint now);

// Parts of the status: the GWMs; the groups, with the number of their members; the members of one
// group or of all. An error if there is no such group.
boost::json::object gwms_json(const Status& status, TimePoint now);
boost::json::object groups_json(const Status& status, TimePoint now);
Result<boost::json::object> members_json(const Status& status,
                                         const std::optional<std::string>& wanted, TimePoint now);

// One text per GWM, group and member: whoever compares two answers sees what has happened.
boost::json::object watch_json(const Status& status);

// `member` is ADDR:PORT, or ADDR alone for a system member, or one of both after "GROUP/". Errors:
// not in that form, or no such member.
Result<boost::json::object> why_json(const Status& status, std::string_view member, TimePoint now);

// The rules of ipvsadm_rules(), as "rules".
boost::json::object export_json(const lb::Table& table);

// The changes as "plan". What does not apply to the action of a change is null there.
boost::json::object plan_json(const lb::Plan& plan);

// What undrain has done: in how many services the zero of the member is given back to the advice.
boost::json::object undrain_json(std::string_view member, std::size_t services);

// "written" and "failures" tell what `done` did, "remaining" how many writes are left to be done
// after it. In a dry run nothing is written, and "plan" tells what would be.
boost::json::object reconcile_json(const Work& done, bool dry_run, std::size_t remaining);

}  // namespace saspd
