// SPDX-License-Identifier: Apache-2.0
// What must be written to bring the kernel to the desired state.
#pragma once

#include <vector>

#include "controller/lb/service.hpp"

namespace saspd::lb {

enum class Action : std::uint8_t {
  add_service,
  set_service,
  repair_service,  // writes a service again that is not intact
  add_destination,
  set_weight,
  remove_destination,
  remove_service,
};
std::string_view name(Action action);  // the enumerator's name

// One write.
struct Change {
  Action action = Action::set_weight;
  ServiceKey service;
  Service attributes;  // for add_service and set_service: the new values
  // For the others: the new values. set_weight changes the weight, and forward only with
  // sets_forward; for remove_destination, the values as listed.
  Destination destination;
  // For set_weight and remove_destination: the listed weight, on which the decision was based.
  std::uint32_t old_weight = 0;
  bool sets_forward = false;
  Service old_attributes{};  // for set_service, as listed

  // Changes of a destination.
  bool writes_weight() const {
    return action == Action::add_destination || action == Action::set_weight;
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

// The changes that bring the services in `desired` to their desired state. For a destination in
// both tables, only weight and forwarding are compared.
Plan diff(const Table& actual, const Table& desired, Surplus surplus = Surplus::keep);

// Applies to `table` what writing `change` does.
void apply(const Change& change, Table& table);

// A change follows from a listing, but other programs may write before we do. `now` is what the
// kernel has when the change is about to be written.

// Whether the change may still be written: the weight is the listed one, and a destination that was
// listed without connections still has none when it is removed. If not, a new listing decides.
bool still_follows(const Change& change, const Destination& now);
// What set_weight and set_service write: `now`, except for what the change means to change. Each
// flag of a service counts on its own.
Destination rebased(const Change& change, Destination now);
Service rebased(const Change& change, Service now);

}  // namespace saspd::lb
