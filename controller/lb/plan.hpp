// What has to be written so that the kernel becomes what is desired.
#pragma once

#include <vector>

#include "controller/lb/service.hpp"

namespace saspd::lb {

// One write: the destination as it shall be, and the weight it has. Every attribute but the weight is
// what the kernel reported, because a kernel write replaces them all (IPVS SET_DEST).
struct WeightChange {
  ServiceKey service;
  Destination destination;
  std::uint32_t old_weight = 0;

  std::string text() const;  // "tcp:192.0.2.10:80 192.0.2.1:8080 weight 10 -> 40"
  bool operator==(const WeightChange&) const = default;
};

// In the order of writing: every raise stands before every lowering, so that no moment in between has
// less capacity than both ends.
using Plan = std::vector<WeightChange>;

// Destinations that stand in both tables with another weight; nothing for those that are the same.
Plan diff(const Table& actual, const Table& desired);

// What `table` is after `change` was written.
void apply(const WeightChange& change, Table& table);

}  // namespace saspd::lb
