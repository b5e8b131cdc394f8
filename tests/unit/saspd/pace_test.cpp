// SPDX-License-Identifier: Apache-2.0
// --min-change and --max-step: where weights come to rest, and how they get there.
#include "controller/saspd/pace.hpp"

#include <random>

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

using std::chrono::seconds;

// --- the grid

std::set<std::uint32_t> grid(std::uint32_t percent) {
  std::set<std::uint32_t> values;
  for (std::uint32_t weight = 1; weight <= 65535; ++weight)
    values.insert(on_grid(weight, percent));
  return values;
}

TEST(Grid, HasAllWeightsWhenOff) {
  EXPECT_EQ(grid(0).size(), 65535U);
  EXPECT_EQ(on_grid(0, 0), 0U);
}

TEST(Grid, KeepsZeroAndOnlyZeroAtZero) {
  for (std::uint32_t percent = 1; percent <= 100; ++percent) {
    EXPECT_EQ(on_grid(0, percent), 0U);
    EXPECT_EQ(*grid(percent).begin(), 1U);
  }
}

TEST(Grid, HasValuesFurtherApartThanAsked) {
  for (const std::uint32_t percent : {1U, 5U, 10U, 33U, 99U, 100U}) {
    const auto values = grid(percent);
    EXPECT_EQ(*values.rbegin(), 65535U) << "the largest stays the largest";
    for (auto value = values.begin(); std::next(value) != std::prev(values.end()); ++value)
      EXPECT_GT((*std::next(value) - *value) * 100, *value * percent) << percent;
  }
}

TEST(Grid, RoundsToTheNearestOfItsValues) {
  for (const std::uint32_t percent : {1U, 5U, 10U, 33U, 100U}) {
    const auto values = grid(percent);
    for (std::uint32_t weight = 1; weight <= 65535; weight += 7) {
      const std::uint32_t rounded = on_grid(weight, percent);
      EXPECT_EQ(on_grid(rounded, percent), rounded);
      const auto above = values.lower_bound(weight);
      const std::uint32_t up = *above - weight;
      const std::uint32_t down = above != values.begin() ? weight - *std::prev(above) : weight;
      EXPECT_EQ(rounded, up <= down ? *above : *std::prev(above)) << percent << " " << weight;
    }
  }
}

// --- with a kernel

class Paced : public ReconcilerTest {
 protected:
  Paced() {
    settings_.pace.between_writes = seconds{1};
    now_ = TimePoint{std::chrono::hours{1}};
  }
  void given(const std::vector<std::uint16_t>& weights) {
    pass();
    advise(weights);
    pass();
    rest();
    ASSERT_EQ(kernel(), text(weights));
  }
  // Until nothing follows from time any more.
  void rest() {
    for (unsigned limit = 1000; limit > 0; --limit) {
      const auto next = reconciler().next_decision();
      if (!next || *next > now_ + seconds{100}) break;
      now_ = *next;
      pass();
    }
    now_ += seconds{10};
  }
  // The weights that the kernel has one after the other until it comes to rest.
  std::string way_of(unsigned n) {
    std::string way = std::to_string(kernel(n));
    for (unsigned limit = 1000; limit > 0; --limit) {
      const auto next = reconciler().next_decision();
      if (!next || *next > now_ + seconds{100}) break;
      now_ = *next;
      const auto before = kernel(n);
      pass();
      if (kernel(n) != before) way += " " + std::to_string(kernel(n));
    }
    return way;
  }
  std::optional<Pending> pending(unsigned n) {
    const auto groups = reconciler().view();
    for (const auto& member : groups.front().members) {
      if (member.endpoint == server(n)) return member.pending;
    }
    return std::nullopt;
  }
  static std::string text(const std::vector<std::uint16_t>& weights) {
    std::string text;
    for (const auto weight : weights)
      text += (text.empty() ? "" : " ") + std::to_string(weight);
    return text;
  }
};

// Two directors that have lived through other things are one when the advice is the same.
TEST_F(Paced, WhatIsWrittenFollowsFromTheAdviceAlone) {
  std::mt19937 dice(7);
  const auto any = [&dice](unsigned most) { return static_cast<std::uint16_t>(dice() % most); };
  settings_.policy.min_change = 15;
  std::string first;
  for (unsigned history = 0; history < 1000; ++history) {
    restart();
    plane_.table.clear();
    ledger_.reset();
    add_service(web, {1U + any(60), 1U + any(60), 1U + any(60), 1U + any(60)});
    pass();
    for (unsigned times = any(6); times > 0; --times) {
      advise({any(60), any(60), any(60), any(60)}, any(5) == 0 ? good & ~1 : good);
      pass();
      now_ += seconds{any(20)};
      if (any(8) == 0) restart();
      pass();
      if (any(4) == 0) reconcile();
    }
    advise({40, 41, 44, 12});
    pass();
    rest();
    if (first.empty()) first = kernel();
    ASSERT_EQ(kernel(), first) << history;
  }
}

TEST_F(Paced, AWeightMovesByOneStepPerWrite) {
  settings_.pace.max_step = 20;
  settings_.groups.front().members = {};
  given({10, 10, 10, 10});
  advise({100, 10, 10, 10});
  pass();
  EXPECT_EQ(way_of(1), "30 50 70 90 100");
  now_ += seconds{10};
  advise({10, 100, 10, 10});
  pass();
  EXPECT_EQ(way_of(1), "80 60 40 20 10");
}

TEST_F(Paced, TheStepsAreASecondApart) {
  settings_.pace.max_step = 50;
  given({10, 10, 10, 10});
  advise({100, 10, 10, 10});
  pass();
  const TimePoint start = now_;
  ASSERT_EQ(kernel(1), 60U);
  const auto waits = pending(1);
  ASSERT_TRUE(waits);
  EXPECT_EQ(waits->rule, PaceRule::max_step);
  EXPECT_EQ(waits->until, start + seconds{1});
  now_ = start + seconds{1} - Duration{1};
  pass();
  EXPECT_EQ(kernel(1), 60U);
  now_ = start + seconds{1};
  pass();
  EXPECT_EQ(kernel(1), 100U);
  EXPECT_FALSE(pending(1));
}

TEST_F(Paced, WhenItArrivesIsKnownFromTheBeginning) {
  settings_.pace.max_step = 7;
  given({10, 10, 10, 10});
  advise({100, 10, 10, 10});
  pass();
  const auto waits = pending(1);
  ASSERT_TRUE(waits);
  while (kernel(1) != 100 && now_ <= waits->until) {
    now_ = reconciler().next_decision().value_or(TimePoint::max());
    pass();
  }
  EXPECT_EQ(kernel(1), 100U);
  EXPECT_EQ(now_, waits->until);
}

TEST_F(Paced, AZeroIsNeverDelayedByIt) {
  settings_.pace.max_step = 1;
  given({10, 10, 10, 10});
  advise({0, 10, 10, 10});
  pass();
  EXPECT_EQ(kernel(1), 0U);
  advise({10, 10, 10, 10}, good | sasp::weight_flag::quiesce);
  pass();
  EXPECT_EQ(kernel(), "0 0 0 0");
}

TEST_F(Paced, AServerThatReturnsBeginsWithOneStep) {
  settings_.pace.max_step = 25;
  given({0, 80, 80, 80});
  advise({80, 80, 80, 80});
  pass();
  EXPECT_EQ(way_of(1), "20 40 60 80");
}

TEST_F(Paced, NewerAdviceTurnsItOnItsWay) {
  settings_.pace.max_step = 20;
  given({10, 100, 10, 10});
  advise({100, 100, 10, 10});
  pass();
  ASSERT_EQ(kernel(1), 30U);
  now_ += seconds{1};
  advise({20, 100, 10, 10});
  pass();
  EXPECT_EQ(kernel(1), 20U);
}

// --drift report: a foreign weight stands until other advice comes, not until the next step.
TEST_F(Paced, AForeignWeightStandsOnTheWay) {
  settings_.pace.max_step = 20;
  settings_.drift = DriftPolicy::report;
  given({10, 100, 10, 10});
  advise({100, 100, 10, 10});
  pass();
  ASSERT_EQ(kernel(1), 30U);
  set(web, 1, 5);
  now_ += seconds{5};
  reconcile();
  rest();
  EXPECT_EQ(kernel(1), 5U);
  EXPECT_EQ(reason(1), Reason::foreign_weight);
}

}  // namespace
}  // namespace saspd::director
