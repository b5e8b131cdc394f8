// What an operator has to change about a group, as found in the kernel's table. Pure.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controller/lb/service.hpp"
#include "controller/saspd/settings.hpp"
#include "controller/saspd/zeros.hpp"

namespace saspd {

// `urgent`: connections are lost, or advice is not followed.
struct Alarm {
  // no_fallback, many_servers, mixed_kinds, many_members, unclear_zero, no_room
  std::string_view name;
  bool urgent = false;
  std::string service;  // empty: of the whole group
  std::string detail;
  auto operator<=>(const Alarm&) const = default;
};

struct AlarmInput {
  const GroupSettings& group;
  const lb::Table& actual;   // the kernel's
  const HeldZeros& zeros;    // of all groups
  std::size_t left_out = 0;  // members that registered themselves and are not taken
};
std::vector<Alarm> find_alarms(const AlarmInput& input);

}  // namespace saspd
