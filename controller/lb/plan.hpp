// SPDX-License-Identifier: Apache-2.0
// What must be written to bring the kernel to the desired state.
#pragma once

#include <cstddef>
#include <vector>

#include "controller/lb/service.hpp"

namespace saspd::lb {

enum class Action : std::uint8_t {
  add_service,
  set_service,
  repair_service,  // writes a service again that is not intact
  add_destination,
  set_destination,
  remove_destination,
  remove_service,
};
// As scripts know it: the enumerator's name, but "set_weight" for set_destination.
std::string_view name(Action action);

// One write.
struct Change {
  Action action = Action::set_destination;
  ServiceKey service;
  Service attributes;  // for add_service and set_service: the new values
  // For changes of a destination: the new values; for remove_destination, its endpoint counts. What
  // set_destination means to change is what differs from `listed` (weight, forward, lost).
  Destination destination;
  // For set_destination and remove_destination: what the decision was based on.
  ListedDestination listed{};
  Service old_attributes{};  // for set_service, as listed

  // Changes of a destination.
  bool writes_weight() const {
    return action == Action::add_destination || action == Action::set_destination;
  }
  std::string text() const;  // "tcp:192.0.2.10:80 192.0.2.1:8080 weight 10 -> 40"
  bool operator==(const Change&) const = default;
};

// Changes in the order of writing, service by service: the service itself; then every addition and
// raise before every lowering and removal, so that it never has less capacity in between than at
// both ends. Services that are removed come last.
using Plan = std::vector<Change>;

// What happens to services that only the actual table has.
enum class Surplus { keep, remove };

// The changes that bring the services in `desired` to their desired state. Of a destination in both
// tables, only weight, forward and lost are compared; all else stays as the kernel has it.
Plan diff(const Table& actual, const Table& desired, Surplus surplus = Surplus::keep);
// Those of one service. `actual`: nothing if it does not exist.
Plan diff(const ServiceKey& service, const Pool* actual, const Pool& desired);

// How many of these changes of one service, which the kernel has as `now`, have to be acknowledged
// before the rest may be written: those that leave it servers, if the rest takes some, and no server
// is left alone. They may be refused, or another program may have taken those servers, and it would
// have none. 0: all may be written together.
std::size_t before_the_last_goes(const Pool& now, const Plan& changes);

// Applies to `table` what writing `change` does.
void apply(const Change& change, Table& table);

// A change follows from a listing, but other programs may write before we do. `now` is what the
// kernel has when the change is about to be written.

// Whether the change may still be written: the weight is the listed one; of a zero that is raised,
// so is everything else; and a destination that was listed without connections still has none when
// it is removed. If not, a new listing decides.
bool still_follows(const Change& change, const ListedDestination& now);
// What set_destination and set_service write: `now`, except for what the change means to change.
// Each flag of a service counts on its own.
Destination rebased(const Change& change, Destination now);
Service rebased(const Change& change, Service now);

}  // namespace saspd::lb
