// SPDX-License-Identifier: Apache-2.0
// Whether a packet can miss its service while tables flip at full rate; as root:
//
//   cmake --build --preset release --target bench-flip-race && sudo
//   build/release/tests/bench-flip-race
//
// Ends with status 1 when one did.
#include <fmt/format.h>

#include "tests/support/flip_race.hpp"

int main() {
  constexpr std::uint64_t packets = 35'000'000;
  saspd::kernel::FlipRaceScene scene;
  const auto race = scene.run(packets);
  fmt::print("{} packets, {} flips: {} passed to the host, {} astray\n", race.packets, race.flips,
             race.passed, race.astray);
  return race.passed + race.astray == 0 ? 0 : 1;
}
