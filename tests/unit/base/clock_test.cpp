#include "controller/base/clock.hpp"

#include <ctime>

#include <gtest/gtest.h>

namespace saspd {
namespace {

TEST(Clock, CountsSinceBootWithTheTimeSpentAsleep) {
  std::timespec before{};
  ::clock_gettime(CLOCK_BOOTTIME, &before);
  const TimePoint now = Clock::now();
  std::timespec after{};
  ::clock_gettime(CLOCK_BOOTTIME, &after);
  const auto since_boot = [](const std::timespec& time) {
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
  };
  EXPECT_GE(now.time_since_epoch(), since_boot(before));
  EXPECT_LE(now.time_since_epoch(), since_boot(after));
}

}  // namespace
}  // namespace saspd
