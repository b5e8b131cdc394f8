// What has to be written so that the kernel becomes what is desired.
#pragma once

#include <vector>

#include "controller/lb/service.hpp"

namespace saspd::lb {

enum class Action : std::uint8_t {
  add_service,
  set_service,
  repair_service,  // one that is not intact is written anew
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
  Service attributes;  // of add_service and set_service: as they shall be
  // Of the others: as it shall be. set_weight means its weight, and its forward only with
  // sets_forward; remove_destination has it as it was listed.
  Destination destination;
  // Of set_weight and remove_destination: the weight that was listed, on which they were decided.
  std::uint32_t old_weight = 0;
  bool sets_forward = false;
  Service old_attributes{};  // of set_service, as they were listed

  // Of a destination.
  bool writes_weight() const {
    return action == Action::add_destination || action == Action::set_weight;
  }
  std::string text() const;  // "tcp:192.0.2.10:80 192.0.2.1:8080 weight 10 -> 40"
  bool operator==(const Change&) const = default;
};

// In the order of writing, service by service: the service itself; then every addition and raise
// before every lowering and removal, so that in no moment in between it has less capacity than at
// both ends. Services that go are last.
using Plan = std::vector<Change>;

// What becomes of services that only the actual table has.
enum class Surplus { keep, remove };

// What makes the services in `desired` what they are there. Of a destination that both tables have
// only weight and forwarding are compared.
Plan diff(const Table& actual, const Table& desired, Surplus surplus = Surplus::keep);

// What `table` is after `change` was written.
void apply(const Change& change, Table& table);

// A change follows from a listing, and others write between that and us. What stands in the kernel
// when it is to be written is `now`.

// Whether the change may still be written: the weight is the listed one, and a destination that was
// listed without connections is removed without. If not, a new listing decides.
bool still_follows(const Change& change, const Destination& now);
// What set_weight and set_service write: `now`, but for what the change means to change. Of a
// service's flags each is meant alone.
Destination rebased(const Change& change, Destination now);
Service rebased(const Change& change, Service now);

}  // namespace saspd::lb
