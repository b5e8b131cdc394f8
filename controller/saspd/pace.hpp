// SPDX-License-Identifier: Apache-2.0
// How fast weights may move: restless advice does not make a restless kernel. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "controller/base/clock.hpp"
#include "controller/lb/service.hpp"
#include "controller/saspd/projection.hpp"

namespace saspd::director {

struct Pace {
  Duration between_passes{};   // that follow from advice
  Duration between_writes{};   // of the weight of one destination
  std::uint32_t max_step = 0;  // --max-step: percent of the largest weight of the service; 0: off
  bool operator==(const Pace&) const = default;
};

// What we wrote of a destination last.
struct Written {
  TimePoint when;
  std::uint32_t weight = 0;
  std::uint32_t target = 0;  // that it was on the way to
};
using LastWrites = std::map<Endpoint, Written>;

// Keeps weights in `decision` nearer to the kernel's where they would move too soon or too far, and
// notes why (Decision::pending). Newer advice takes the place of what is put off, so nothing queues.
// A weight of 0 is never put off. Nor, except for --max-step, is the one that serves when no other
// destination does, and what is written over the weight of another program. Returns when time alone
// makes a difference, if it does.
std::optional<TimePoint> keep_pace(ServiceDecision& decision, const lb::Pool& kernel,
                                   const LastWrites& last, const Pace& pace, TimePoint now);

// The nearest of the fixed values 1, 2, 3, … of which each is more than `percent` above the one
// before, up to 65535: what is written follows from the advice alone, and not from what was written
// before. 0 stays 0.
std::uint32_t on_grid(std::uint32_t weight, std::uint32_t percent);

}  // namespace saspd::director
