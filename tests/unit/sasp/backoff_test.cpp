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
      const Duration delay = backoff.next({}).delay;
      EXPECT_GE(delay, seconds{20});
      EXPECT_LE(delay, std::min<Duration>(previous_ceiling, seconds{300}));
      previous_ceiling = std::min<Duration>(previous_ceiling * 2, seconds{300});
    }
  }
}

TEST(Backoff, GrowsToTheUpperHalfOfTheCap) {
  Backoff backoff(seconds{20}, 1);
  for (int attempt = 0; attempt < 5; ++attempt)
    backoff.next({}).delay;
  for (int attempt = 0; attempt < 100; ++attempt)
    EXPECT_GE(backoff.next({}).delay, seconds{150});
}

TEST(Backoff, StartsAnewOnlyAfterAUsefulConnection) {
  Backoff backoff(seconds{20}, 1);
  for (int attempt = 0; attempt < 5; ++attempt)
    backoff.next({}).delay;
  EXPECT_GE(backoff.next({seconds{59}, false}).delay, seconds{150})
      << "a flapping gwm is no success";
  EXPECT_LE(backoff.next({seconds{60}, false}).delay, seconds{30});
}

TEST(Backoff, SpreadsDirectorsOverTime) {
  std::set<Duration> delays;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    delays.insert(Backoff(seconds{20}, seed).next({}).delay);
  EXPECT_GT(delays.size(), 95U);
}

// sasp-interop row 36
TEST(Backoff, SuspectsADuplicateAfterBeingThrownOutThreeTimesInARow) {
  const Backoff::End thrown_out{seconds{2}, true};
  Backoff backoff(seconds{20}, 1);
  EXPECT_FALSE(backoff.next(thrown_out).duplicate_suspected);
  EXPECT_FALSE(backoff.next(thrown_out).duplicate_suspected);
  const auto third = backoff.next(thrown_out);
  EXPECT_TRUE(third.duplicate_suspected);
  EXPECT_GE(third.delay, seconds{60}) << "not a tight loop";
  EXPECT_TRUE(backoff.next({}).duplicate_suspected)
      << "a refused attempt is no proof of the contrary";
  EXPECT_FALSE(backoff.next({seconds{60}, true}).duplicate_suspected) << "it lived";
}

TEST(Backoff, DoesNotTakeAFailingNetworkForADuplicate) {
  Backoff backoff(seconds{20}, 1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(backoff.next({seconds{2}, false}).duplicate_suspected);
  }
}

}  // namespace
}  // namespace saspd::sasp
