// SPDX-License-Identifier: Apache-2.0
// Tables that flip while packets run: the flip is one byte in an array, never an entry of a hash.
#include <gtest/gtest.h>

#include "tests/support/flip_race.hpp"

namespace saspd::kernel {
namespace {

TEST(Flip, NoPacketMissesItsService) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "two CPUs are needed";
  FlipRaceScene scene;
  const auto race = scene.run(20'000'000);
  EXPECT_GT(race.flips, 100'000U) << "too few flips to show anything";
  EXPECT_EQ(race.passed, 0U) << "of " << race.packets;
  EXPECT_EQ(race.astray, 0U) << "of " << race.packets;
}

}  // namespace
}  // namespace saspd::kernel
