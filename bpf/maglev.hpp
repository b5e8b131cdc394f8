// SPDX-License-Identifier: Apache-2.0
// Slot tables: the backend to which the flows of each slot go. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bpf/lb.h"
#include "controller/base/address.hpp"

namespace saspd::bpf {

// LB_SLOTS numbers of backends, by slot; 0 is no backend. With either builder, a backend has slots
// only if its weight is positive, and every slot is 0 if no weight is positive.
using SlotTable = std::vector<std::uint16_t>;

// A backend of a service, in which endpoints and numbers are unique.
struct Member {
  Endpoint endpoint;         // its identity, the same on every balancer; breaks ties between shares
  std::uint16_t number = 0;  // its number in the slots; 1 or more
  std::uint32_t weight = 0;
  bool operator==(const Member&) const = default;
};

// How many slots each member gets, in the order of `members`. A positive weight gets at least one
// as long as there are enough: a member that is due less than one gets one, and the others share
// the rest exactly. By largest remainder, every member is less than one slot off its exact share.
// `held` (empty, or one for each) is what the members have now: those that would lose a slot by
// being rounded down are then rounded up first, so that as few slots as possible move.
std::vector<std::uint32_t> quotas(std::span<const Member> members,
                                  std::span<const std::uint32_t> held = {},
                                  std::uint32_t slots = LB_SLOTS);

// The table for a single balancer: moves as few slots as the shares allow. `previous` has LB_SLOTS
// numbers, or is empty if there was no table; its slots of backends that are not in `members` are
// free. A number that was reassigned to another backend counts as the same owner.
SlotTable minimal(std::span<const std::uint16_t> previous, std::span<const Member> members);

// The table for several balancers behind one router, which must agree without communicating: a
// function of endpoints and weights, whatever the order, the numbers and the past. A change moves
// more slots than in the minimal table. The result is part of the interface: balancers of different
// versions run side by side during an upgrade.
SlotTable independent(std::span<const Member> members);

// A number for the LB_SLOTS of a table, which distinguishes tables that differ by accident.
std::uint64_t digest(std::span<const std::uint16_t> table);

}  // namespace saspd::bpf
