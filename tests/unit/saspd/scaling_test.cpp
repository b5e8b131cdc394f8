// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/scaling.hpp"

#include <algorithm>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/sasp_samples.hpp"

namespace saspd::director {
namespace {

using Weights = std::vector<std::uint32_t>;

Weights scaled(const Weights& weights, std::string_view scheduler) {
  return Scale().scale(weights, limits_of(scheduler));
}
Weights scaled_to(const Weights& weights, std::uint32_t largest) {
  return Scale().scale(weights, {largest, {}});
}

TEST(LimitsOf, LimitOnlySchedulersThatNeedIt) {
  EXPECT_EQ(limits_of("wrr"), (Limits{100, {}}));
  EXPECT_EQ(limits_of("twos"), (Limits{100, {}}));
  EXPECT_EQ(limits_of("mh"), (Limits{63, {}}));
  EXPECT_EQ(limits_of("sh"), (Limits{{}, 256}));
  for (const char* raw : {"wlc", "sed", "nq", "rr", "lc", "ovf", "lblc", "fo"}) {
    EXPECT_EQ(limits_of(raw), Limits{}) << raw;
  }
}

TEST(LimitsOf, TakeTheOperatorsMaximumIfItIsTheSmallerOne) {
  EXPECT_EQ(limits_of("ovf", 500), (Limits{500, {}}));
  EXPECT_EQ(limits_of("wrr", 500), (Limits{100, {}}));
  EXPECT_EQ(limits_of("wrr", 10), (Limits{10, {}}));
}

TEST(Scale, LeavesSmallWeightsAsTheyAre) {
  EXPECT_EQ(scaled_to({40, 20, 0, 100}, 100), (Weights{40, 20, 0, 100}));
  EXPECT_EQ(scaled_to({}, 100), Weights{});
  EXPECT_EQ(scaled_to({0, 0}, 100), (Weights{0, 0}));
}

TEST(Scale, LeavesLargeWeightsRawWhereThereIsNoLimit) {
  EXPECT_EQ(scaled({60001, 1}, "wlc"), (Weights{60001, 1}));
}

TEST(Scale, KeepsRatiosExactlyWhereACommonDivisorAllowsIt) {
  EXPECT_EQ(scaled_to({60000, 40000, 0, 10000}, 100), (Weights{96, 64, 0, 16}));
}

TEST(Scale, RoundsWhatHasNoCommonDivisor) {
  EXPECT_EQ(scaled_to({60001, 40003, 20011, 10007}, 100), (Weights{100, 67, 33, 17}));
}

TEST(Scale, KeepsEveryPositiveWeightPositive) {
  EXPECT_EQ(scaled_to({65535, 1, 0}, 100), (Weights{100, 1, 0}));
}

TEST(Scale, KeepsRatiosAsFarAsTheRangeAllows) {
  const auto seed = testing::random_seed();  // SASPD_TEST_SEED gives it back
  SCOPED_TRACE(seed);
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  for (int round = 0; round < 1000; ++round) {
    Weights weights(1 + random() % 20);
    for (auto& weight : weights)
      weight = random() % 65536;
    const Weights scaled = scaled_to(weights, 100);
    const auto largest = *std::max_element(weights.begin(), weights.end());
    const auto largest_scaled = *std::max_element(scaled.begin(), scaled.end());
    EXPECT_LE(largest_scaled, 100U);
    EXPECT_GT(largest_scaled, largest > 100 ? 50U : 0U);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_EQ(weights[i] == 0, scaled[i] == 0);
      EXPECT_LE(scaled[i], weights[i]) << "never scaled up";
      if (largest == 0) continue;
      const double exact = static_cast<double>(weights[i]) * largest_scaled / largest;
      EXPECT_NEAR(scaled[i], exact, exact < 1 ? 1.0 : 1.0001);
    }
  }
}

std::size_t differences(const Weights& a, const Weights& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    count += a[i] != b[i] ? 1 : 0;
  return count;
}

TEST(Scale, TouchesOneMemberWhenOnlyTheLargestMoves) {
  for (const char* scheduler : {"wrr", "mh", "twos"}) {
    Scale scale;
    Weights weights{60001, 40003, 20011, 10007, 333, 0};
    Weights before = scale.scale(weights, limits_of(scheduler));
    for (const std::uint32_t largest : {59000U, 55500U, 41000U, 44444U, 60001U}) {
      weights[0] = largest;
      const Weights now = scale.scale(weights, limits_of(scheduler));
      EXPECT_LE(differences(before, now), 1U) << scheduler << " " << largest;
      before = now;
    }
  }
}

TEST(Scale, IsSetAnewWhenTheOldOneNoLongerFits) {
  Scale scale;
  EXPECT_EQ(scale.scale(Weights{1000, 500}, {100, {}}), (Weights{100, 50}));
  EXPECT_EQ(scale.scale(Weights{2001, 500}, {100, {}}), (Weights{100, 25})) << "too large";
  EXPECT_EQ(scale.scale(Weights{99, 50}, {100, {}}), (Weights{99, 50})) << "too coarse";
  EXPECT_EQ(scale.scale(Weights{99, 50}, {10, {}}), (Weights{10, 5})) << "another limit";
  EXPECT_EQ(scale.scale(Weights{99, 50}, {}), (Weights{99, 50})) << "no limit";
}

// ip_vs_sh_reassign: slot after slot, as many for each server as its weight, until all are filled.
std::vector<double> shares_of_slots(const Weights& weights) {
  std::vector<double> shares(weights.size());
  for (std::size_t slot = 0, server = 0; slot < 256; ++server) {
    const std::uint32_t count = std::max(1U, weights[server % weights.size()]);
    for (std::uint32_t i = 0; i < count && slot < 256; ++i, ++slot) {
      shares[server % weights.size()] += 1.0 / 256;
    }
  }
  return shares;
}

TEST(Scale, FillsTheSlotsOfShInProportion) {
  std::mt19937 random(4678);
  for (const std::uint32_t range : {10U, 64U, 65535U}) {
    for (int round = 0; round < 200; ++round) {
      Weights weights(1 + random() % 8);
      for (auto& weight : weights)
        weight = static_cast<std::uint32_t>(1 + random() % range);
      const Weights slots = scaled(weights, "sh");
      const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
      ASSERT_LE(std::accumulate(slots.begin(), slots.end(), 0U), 256U);
      const auto shares = shares_of_slots(slots);
      for (std::size_t i = 0; i < weights.size(); ++i) {
        ASSERT_LE(slots[i], weights[i]) << "never scaled up";
        ASSERT_NEAR(shares[i], weights[i] / sum, range > 10 ? 0.03 : 0.08) << range;
      }
    }
  }
}

TEST(Scale, LeavesServersOfWeightZeroFewOfTheSlotsOfSh) {
  const Weights slots = scaled({10, 0, 10, 10, 0}, "sh");
  EXPECT_EQ(slots, (Weights{10, 0, 10, 10, 0})) << "smaller ones would give the two a larger part";
  const auto shares = shares_of_slots(scaled({60000, 0, 30000}, "sh"));
  EXPECT_LT(shares[1], 0.01);
  EXPECT_NEAR(shares[0], 0.667, 0.01);
}

TEST(Scale, LeavesShAloneWhileTheSharesAreNearEnough) {
  Scale scale;
  const Limits sh = limits_of("sh");
  Weights weights{6000, 4000, 2000, 1000};
  const Weights before = scale.scale(weights, sh);
  weights[0] = 5990;
  EXPECT_LE(differences(scale.scale(weights, sh), before), 1U);
}

TEST(Scale, GivesEachServerASlotWhenThereAreMoreThanSlots) {
  EXPECT_EQ(scaled(Weights(300, 9), "sh"), Weights(300, 1));
}

}  // namespace
}  // namespace saspd::director
