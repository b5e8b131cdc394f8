// SPDX-License-Identifier: Apache-2.0
// What is wrong with the advice although each of its messages is right: for the log, saspctl,
// Prometheus and `saspctl status --check`. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/gwm/weights_book.hpp"
#include "controller/gwm/workload_manager.hpp"

namespace saspd::gwm {

namespace alarm {
// Some members of a group are known and others are not: load balancers stop sending to the others
// (RFC 4678 5.3). A member that has not been probed twice yet does not count.
inline constexpr std::string_view partly_known = "partly_known";
// No member is known of a group without --probe GROUP=none.
inline constexpr std::string_view not_known = "not_known";
// All members of a group are quiesced or out of contact.
inline constexpr std::string_view none_available = "none_available";
// A member's agent reports more than ten times the median of its group.
inline constexpr std::string_view large_share = "large_share";
// The weights file lost most of its members and is held back.
inline constexpr std::string_view weights_shrunk = "weights_shrunk";
// The weights file names something that is not registered, and something registered has almost the
// same name.
inline constexpr std::string_view unregistered = "unregistered";
// Two live load balancers have the same LB UID.
inline constexpr std::string_view duplicate_uid = "duplicate_uid";
// A peer made a request that it is not authorized for, within the last hour.
inline constexpr std::string_view unauthorized = "unauthorized";

inline constexpr std::array all{partly_known,   not_known,    none_available, large_share,
                                weights_shrunk, unregistered, duplicate_uid,  unauthorized};
}  // namespace alarm

struct Alarm {
  std::string_view name;
  bool urgent = false;  // traffic is lost, or is about to be
  std::string lb_uid;   // empty: of none
  std::string group;
  std::string member;
  std::string detail;

  // Whether it is the same one, whatever its current detail.
  bool is(const Alarm& other) const;
};

// Weighs all groups only if an alarm of one may be different from the last time.
class AlarmWatch {
 public:
  // The current alarms. `book` is nullptr without a weights file.
  std::vector<Alarm> look(const WorkloadManager& manager, const WeightsBook* book, TimePoint now);

 private:
  void look_at_groups(const WorkloadManager& manager, TimePoint now);

  std::vector<Alarm> of_groups_;
  std::optional<std::uint64_t> seen_;  // the manager's revision, if they stay until the next one
};

// The alarms in `a` that are not in `b`.
std::vector<Alarm> alarms_only_in(const std::vector<Alarm>& a, const std::vector<Alarm>& b);

// What the weights file names but no load balancer has.
struct Stray {
  std::string group;
  std::optional<sasp::MemberKey> member;  // empty: the whole group
  std::string nearest;                    // what was probably meant; empty if unknown
  std::string text() const;               // in words
};
// Empty before the first load balancer has registered a group.
std::vector<Stray> strays_of(const WorkloadManager& manager);

}  // namespace saspd::gwm
