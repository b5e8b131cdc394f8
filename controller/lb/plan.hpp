// What has to be written so that the kernel becomes what is desired.
#pragma once

#include <vector>

#include "controller/lb/service.hpp"

namespace saspd::lb {

enum class Action : std::uint8_t {
  add_service,
  set_service,
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
  // Of the others: as it shall be. With set_weight every attribute that is not to change is what
  // the kernel reported, because a kernel write replaces them all (IPVS SET_DEST).
  Destination destination;
  std::uint32_t old_weight = 0;  // of set_weight and remove_destination

  std::string text() const;  // "tcp:192.0.2.10:80 192.0.2.1:8080 weight 10 -> 40"
  bool operator==(const Change&) const = default;
};

// In the order of writing: services first; then every addition and raise stands before every
// lowering and removal, so that no moment in between has less capacity than both ends.
using Plan = std::vector<Change>;

// What becomes of services that only the actual table has.
enum class Surplus { keep, remove };

// What makes the services in `desired` what they are there. Of a destination that both tables have
// only weight and forwarding are compared.
Plan diff(const Table& actual, const Table& desired, Surplus surplus = Surplus::keep);

// What `table` is after `change` was written.
void apply(const Change& change, Table& table);

}  // namespace saspd::lb
