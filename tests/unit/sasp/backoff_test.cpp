// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/backoff.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace saspd::sasp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr TimePoint now{std::chrono::hours{1}};

TEST(Backoff, NeverUndercutsTheMinimumAndNeverExceedsTheCap) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(seconds{20}, seed);
    Duration previous_ceiling = seconds{30};
    for (int attempt = 0; attempt < 100; ++attempt) {
      const Duration delay = backoff.next({}, now).delay;
      EXPECT_GE(delay, seconds{20});
      EXPECT_LE(delay, std::min<Duration>(previous_ceiling, seconds{300}));
      previous_ceiling = std::min<Duration>(previous_ceiling * 2, seconds{300});
    }
  }
}

TEST(Backoff, GrowsToTheUpperHalfOfTheCap) {
  Backoff backoff(seconds{20}, 1);
  for (int attempt = 0; attempt < 5; ++attempt)
    backoff.next({}, now).delay;
  for (int attempt = 0; attempt < 100; ++attempt)
    EXPECT_GE(backoff.next({}, now).delay, seconds{150});
}

TEST(Backoff, StartsAnewOnlyAfterAUsefulConnection) {
  Backoff backoff(seconds{20}, 1);
  for (int attempt = 0; attempt < 5; ++attempt)
    backoff.next({}, now).delay;
  EXPECT_GE(backoff.next({seconds{59}, false}, now).delay, seconds{150})
      << "a flapping gwm is no success";
  EXPECT_LE(backoff.next({seconds{60}, false}, now).delay, seconds{30});
}

TEST(Backoff, SpreadsDirectorsOverTime) {
  std::set<Duration> delays;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    delays.insert(Backoff(seconds{20}, seed).next({}, now).delay);
  EXPECT_GT(delays.size(), 95U);
}

// sasp-interop row 36
TEST(Backoff, SuspectsADuplicateAfterBeingThrownOutThreeTimesInARow) {
  const Backoff::End thrown_out{seconds{2}, true};
  Backoff backoff(seconds{20}, 1);
  EXPECT_FALSE(backoff.next(thrown_out, now).duplicate_suspected);
  EXPECT_FALSE(backoff.next(thrown_out, now).duplicate_suspected);
  const auto third = backoff.next(thrown_out, now);
  EXPECT_TRUE(third.duplicate_suspected);
  EXPECT_GE(third.delay, seconds{60}) << "not a tight loop";
  EXPECT_TRUE(backoff.next({}, now).duplicate_suspected)
      << "a refused attempt is no proof of the contrary";
  EXPECT_TRUE(backoff.suspects_duplicate(now)) << "also when it is our turn";
  EXPECT_FALSE(backoff.next({seconds{60}, false}, now).duplicate_suspected) << "lost otherwise";
}

// Two that wait long for each other have connections that were useful meanwhile.
TEST(Backoff, SuspectsADuplicateAlsoWhenConnectionsLiveForMinutes) {
  Backoff backoff(seconds{20}, 1);
  backoff.next({minutes{4}, true}, now);
  backoff.next({minutes{4}, true}, now + minutes{5});
  EXPECT_TRUE(backoff.next({minutes{4}, true}, now + minutes{10}).duplicate_suspected);
  EXPECT_FALSE(backoff.suspects_duplicate(now + minutes{16}));
}

TEST(Backoff, SuspectsNobodyWhenAnOperatorEndsTheConnectionNowAndThen) {
  Backoff backoff(seconds{20}, 1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(backoff.next({minutes{8}, true}, now + i * minutes{8}).duplicate_suspected);
  }
}

TEST(Backoff, DoesNotTakeAFailingNetworkForADuplicate) {
  Backoff backoff(seconds{20}, 1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(backoff.next({seconds{2}, false}, now).duplicate_suspected);
  }
}

}  // namespace
}  // namespace saspd::sasp
