#include "controller/saspd/scaling.hpp"

#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace saspd {
namespace {

using Weights = std::vector<std::uint32_t>;

TEST(LargestWeight, LimitsOnlySchedulersThatNeedIt) {
  EXPECT_EQ(largest_weight("wrr"), 100U);
  for (const char* raw : {"wlc", "sed", "nq", "rr", "lc", "ovf", "lblc"}) {
    EXPECT_EQ(largest_weight(raw), std::nullopt) << raw;
  }
}

TEST(ScaleWeights, LeavesSmallWeightsAsTheyAre) {
  EXPECT_EQ(scale_weights(Weights{40, 20, 0, 100}, 100), (Weights{40, 20, 0, 100}));
  EXPECT_EQ(scale_weights(Weights{}, 100), Weights{});
  EXPECT_EQ(scale_weights(Weights{0, 0}, 100), (Weights{0, 0}));
}

TEST(ScaleWeights, LeavesLargeWeightsRawWhereThereIsNoLimit) {
  EXPECT_EQ(scale_weights(Weights{60001, 1}, std::nullopt), (Weights{60001, 1}));
}

TEST(ScaleWeights, DividesByTheCommonDivisorWhenThatIsEnough) {
  EXPECT_EQ(scale_weights(Weights{60000, 40000, 0, 10000}, 100), (Weights{6, 4, 0, 1}));
}

TEST(ScaleWeights, RoundsWhatHasNoCommonDivisor) {
  EXPECT_EQ(scale_weights(Weights{60001, 40003, 20011, 10007}, 100), (Weights{100, 67, 33, 17}));
}

TEST(ScaleWeights, KeepsEveryPositiveWeightPositive) {
  EXPECT_EQ(scale_weights(Weights{65535, 1, 0}, 100), (Weights{100, 1, 0}));
}

TEST(ScaleWeights, KeepsRatiosAsFarAsTheRangeAllows) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 1000; ++round) {
    Weights weights(1 + random() % 20);
    for (auto& weight : weights)
      weight = random() % 65536;
    const Weights scaled = scale_weights(weights, 100);
    const auto largest = *std::max_element(weights.begin(), weights.end());
    const auto largest_scaled = *std::max_element(scaled.begin(), scaled.end());
    EXPECT_LE(largest_scaled, 100U);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_EQ(weights[i] == 0, scaled[i] == 0);
      EXPECT_LE(scaled[i], weights[i]) << "never scaled up";
      if (largest == 0) continue;
      const double exact = static_cast<double>(weights[i]) * largest_scaled / largest;
      EXPECT_NEAR(scaled[i], exact, exact < 1 ? 1.0 : 0.5001);
    }
  }
}

}  // namespace
}  // namespace saspd
