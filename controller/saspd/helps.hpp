// SPDX-License-Identifier: Apache-2.0
// What is wrong with a group, as states of the journal: what each makes of the health, and the
// command that helps. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>

#include "controller/events/journal.hpp"
#include "controller/saspd/alarms.hpp"
#include "controller/saspd/zeros.hpp"

namespace saspd::director {

events::State state_of(const Alarm& alarm, const std::string& group);

// What the kernel has of a group, where that is a fault of its own.
struct GroupStanding {
  bool bound = false;           // a service of it is in the kernel
  std::size_t servers = 0;      // of its services
  std::size_t serving = 0;      // of them, with a weight
  std::size_t unreachable = 0;  // of these, without a next hop that answers
  std::string first;            // the first of these
};
GroupStanding standing_of(const GroupSettings& group, const lb::Table& actual,
                          const std::set<IpAddress>& unreachable);
// Begins and ends the states of the group that follow from it; nothing: there is no such group.
void note_standing(const std::string& group, const std::optional<GroupStanding>& standing,
                   events::Journal& journal);

// A zero that is not ours. It has no say in the health: what it costs its service has an alarm.
events::StateKey zero_key(const HeldZeros::key_type& of, const HeldZero& zero);
events::State zero_state(const HeldZeros::key_type& of, const HeldZero& zero);

}  // namespace saspd::director
