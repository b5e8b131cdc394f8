// What `saspctl status` and `saspctl why` show, as JSON. Keys are relied upon by scripts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "controller/base/clock.hpp"
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
};

struct Status {
  std::string lb_uid;
  bool dry_run = false;
  std::string kernel_error;  // why the kernel could not be read or written last; empty: it could
  std::vector<GwmStatus> gwms;
  std::vector<Reconciler::GroupView> groups;
};

boost::json::object status_json(const Status& status, TimePoint now);

// `member` is ADDR:PORT or GROUP/ADDR:PORT. Errors: not in that form, or no such member.
Result<boost::json::object> why_json(const Status& status, std::string_view member, TimePoint now);

}  // namespace saspd
