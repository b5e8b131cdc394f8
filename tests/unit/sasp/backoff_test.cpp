#include "controller/sasp/backoff.hpp"

#include <set>

#include <gtest/gtest.h>

namespace saspd::sasp {
namespace {

using std::chrono::seconds;

TEST(Backoff, NeverUndercutsTheMinimumAndNeverExceedsTheCap) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(seconds{20}, seed);
    Duration previous_ceiling = seconds{30};
    for (int attempt = 0; attempt < 100; ++attempt) {
      const Duration delay = backoff.next({});
      EXPECT_GE(delay, seconds{20});
      EXPECT_LE(delay, std::min<Duration>(previous_ceiling, seconds{300}));
      previous_ceiling = std::min<Duration>(previous_ceiling * 2, seconds{300});
    }
  }
}

TEST(Backoff, GrowsToTheUpperHalfOfTheCap) {
  Backoff backoff(seconds{20}, 1);
  for (int attempt = 0; attempt < 5; ++attempt)
    backoff.next({});
  for (int attempt = 0; attempt < 100; ++attempt)
    EXPECT_GE(backoff.next({}), seconds{150});
}

TEST(Backoff, StartsAnewOnlyAfterAUsefulConnection) {
  Backoff backoff(seconds{20}, 1);
  for (int attempt = 0; attempt < 5; ++attempt)
    backoff.next({});
  EXPECT_GE(backoff.next(seconds{59}), seconds{150}) << "a flapping gwm is no success";
  EXPECT_LE(backoff.next(seconds{60}), seconds{30});
}

TEST(Backoff, SpreadsDirectorsOverTime) {
  std::set<Duration> delays;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    delays.insert(Backoff(seconds{20}, seed).next({}));
  EXPECT_GT(delays.size(), 95U);
}

}  // namespace
}  // namespace saspd::sasp
