// Tables of slots: which backend the flows of a slot are led to. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bpf/lb.h"
#include "controller/base/address.hpp"

namespace saspd::bpf {

// LB_SLOTS numbers of backends, by slot; 0 is nobody. Of any builder: nobody has a slot unless its
// weight is positive, and nobody is in every slot if no weight is.
using SlotTable = std::vector<std::uint16_t>;

// A backend of a service. No two of a service have the same endpoint or the same number.
struct Member {
  Endpoint endpoint;         // who it is, to every balancer; decides where shares tie
  std::uint16_t number = 0;  // what a slot says of it; from 1 on
  std::uint32_t weight = 0;
  bool operator==(const Member&) const = default;
};

// How many slots each member gets, in the order of `members`. A positive weight gets at least one
// as long as there are enough; who is due less than that gets one, and the exact shares are of what
// is left. Every member is less than one slot off its exact share, by largest remainder. `held`
// (none, or one for each) is what they have now: then those who would lose a slot by being rounded
// down are rounded up first, so that as few slots as possible move.
std::vector<std::uint32_t> quotas(std::span<const Member> members,
                                  std::span<const std::uint32_t> held = {},
                                  std::uint32_t slots = LB_SLOTS);

// The table for one balancer alone: moves as few slots as these shares allow. `previous` has
// LB_SLOTS numbers, or none if there was no table; what it says of others than `members` is free.
// A number that was given to another backend is the same owner.
SlotTable minimal(std::span<const std::uint16_t> previous, std::span<const Member> members);

// The table for several balancers behind one router, who must agree without talking: a function of
// endpoints and weights, whatever the order, the numbers and the past. A change moves more slots
// than in the minimal table. What it computes is part of the interface: balancers of different
// versions stand side by side during an upgrade.
SlotTable independent(std::span<const Member> members);

// Tells tables apart that differ by accident: a number for the LB_SLOTS of one.
std::uint64_t digest(std::span<const std::uint16_t> table);

}  // namespace saspd::bpf
