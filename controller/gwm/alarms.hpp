// What is wrong with the advice, though every message of it is right: for the log, saspctl,
// Prometheus and `saspctl status --check`. Pure.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/gwm/weights_book.hpp"
#include "controller/gwm/workload_manager.hpp"

namespace saspd::gwm {

namespace alarm {
// Some members of a group are known and others are not: load balancers stop sending to those
// (RFC 4678 5.3). One that a probe has not looked at twice yet does not count.
inline constexpr std::string_view partly_known = "partly_known";
// Nothing is known of any member of a group that is not given --probe GROUP=none.
inline constexpr std::string_view not_known = "not_known";
// All members of a group are quiesced or out of contact.
inline constexpr std::string_view none_available = "none_available";
// The agent of a member says more than ten times what the median of its group says.
inline constexpr std::string_view large_share = "large_share";
// The weights file lost most of its members and is held back.
inline constexpr std::string_view weights_shrunk = "weights_shrunk";
// The weights file names what nobody has registered, and something registered is nearly called so.
inline constexpr std::string_view unregistered = "unregistered";
// Two living load balancers have one LB UID.
inline constexpr std::string_view duplicate_uid = "duplicate_uid";
// A request without right to it, within the last hour.
inline constexpr std::string_view unauthorized = "unauthorized";

inline constexpr std::array all{partly_known,   not_known,    none_available, large_share,
                                weights_shrunk, unregistered, duplicate_uid,  unauthorized};
}  // namespace alarm

struct Alarm {
  std::string_view name;
  bool urgent = false;  // traffic is lost, or about to be
  std::string lb_uid;   // empty: of none
  std::string group;
  std::string member;
  std::string detail;

  // Is it the same one, whatever its detail says by now?
  bool is(const Alarm& other) const;
};

// `book` may be nullptr: no weights file.
std::vector<Alarm> alarms_of(const WorkloadManager& manager, const WeightsBook* book,
                             TimePoint now);

// Those of `a` that are not among `b`.
std::vector<Alarm> alarms_only_in(const std::vector<Alarm>& a, const std::vector<Alarm>& b);

// What the weights file names, and no load balancer has.
struct Stray {
  std::string group;
  std::optional<sasp::MemberKey> member;  // nothing: all of the group
  std::string nearest;                    // what was probably meant; empty: nobody knows
  std::string text() const;               // in words
};
// Nothing before the first load balancer has registered a group.
std::vector<Stray> strays_of(const WorkloadManager& manager);

}  // namespace saspd::gwm
