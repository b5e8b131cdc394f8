// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/probe_schedule.hpp"

#include <array>
#include <numeric>

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using Targets = std::set<ProbeTarget>;

const TimePoint start{std::chrono::hours{1}};

ProbeTarget target(unsigned n) {
  const std::array<std::uint8_t, 4> address{10, 0, static_cast<std::uint8_t>(n >> 8U),
                                            static_cast<std::uint8_t>(n & 0xFFU)};
  return {{}, {IpAddress::v4(address), 80}};
}

Targets targets(unsigned count) {
  Targets result;
  for (unsigned n = 0; n < count; ++n)
    result.insert(target(n));
  return result;
}

Sample success() {
  return {true, "", {}, {}, {}};
}
Sample failure() {
  return {false, "", {}, {}, {}};
}

// Within the jitter of `expected`.
testing::AssertionResult is_about(Duration delay, Duration expected) {
  if (delay >= expected * 95 / 100 && delay <= expected * 105 / 100) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << delay.count() << " ns, expected " << expected.count();
}

// Time stands still but for advance(); probes take no time but where a test says so.
class ProbeScheduleTest : public testing::Test {
 protected:
  void given(ProbeConfig config) { schedule.emplace(config); }
  void wants(const Targets& all) { schedule->set_targets(all, now); }
  std::vector<ProbeTarget> takes() { return schedule->take_due(now); }
  // The delay until the next probe of the only target, after one with this sample.
  Duration delay_after(Sample sample) {
    now = *schedule->next_due();
    const TimePoint begin = now;
    const auto due = takes();
    EXPECT_EQ(due.size(), 1U);
    schedule->finished(due[0], std::move(sample), now);
    return *schedule->next_due() - begin;
  }

  TimePoint now = start;
  std::optional<ProbeSchedule> schedule{ProbeConfig{}};
};

TEST_F(ProbeScheduleTest, HasNothingToDoAtFirst) {
  EXPECT_FALSE(schedule->next_due());
  EXPECT_TRUE(takes().empty());
  EXPECT_EQ(schedule->health(target(1)), nullptr);
}

TEST_F(ProbeScheduleTest, ProbesASingleNewTargetAtOnce) {
  wants({target(1)});
  EXPECT_EQ(schedule->next_due(), now);
  EXPECT_EQ(takes(), std::vector{target(1)});
  wants({target(1), target(2)});
  EXPECT_EQ(takes(), std::vector{target(2)});
  EXPECT_EQ(schedule->running(), 2U);
}

TEST_F(ProbeScheduleTest, SpreadsManyNewTargetsOverAnInterval) {
  given({.concurrency = 1000});
  wants(targets(1000));
  for (std::size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(schedule->next_due(), start + Duration{2s} * i / 1000);
    now = *schedule->next_due();
    ASSERT_EQ(takes().size(), 1U);
  }
}

TEST_F(ProbeScheduleTest, LooksAgainAfterAnIntervalAndSoonerInDoubt) {
  wants({target(1)});
  EXPECT_TRUE(is_about(delay_after(success()), 1s)) << "unknown";
  EXPECT_TRUE(is_about(delay_after(success()), 2s)) << "up";
  EXPECT_TRUE(is_about(delay_after(success()), 2s));
  EXPECT_TRUE(is_about(delay_after(failure()), 1s)) << "is it down?";
  EXPECT_TRUE(is_about(delay_after(failure()), 1s));
  EXPECT_TRUE(is_about(delay_after(failure()), 2s)) << "it is: no reason to hurry";
  EXPECT_TRUE(is_about(delay_after(failure()), 2s));
  EXPECT_TRUE(is_about(delay_after(success()), 1s)) << "is it up?";
  EXPECT_TRUE(is_about(delay_after(success()), 2s));
  EXPECT_EQ(schedule->health(target(1))->state(), Health::State::up);
}

TEST_F(ProbeScheduleTest, MeasuresFromTheStartOfAProbe) {
  wants({target(1)});
  takes();
  now += 900ms;
  schedule->finished(target(1), failure(), now);
  EXPECT_TRUE(is_about(*schedule->next_due() - start, 1s));

  now = *schedule->next_due();
  takes();
  now += 30s;
  schedule->finished(target(1), failure(), now);
  EXPECT_EQ(schedule->next_due(), now) << "never in the past";
}

// A dead target may not keep another one waiting, nor itself be probed twice at once.
TEST_F(ProbeScheduleTest, NeverProbesATargetTwiceAtOnce) {
  wants({target(1)});
  takes();
  now += 1h;
  EXPECT_FALSE(schedule->next_due());
  EXPECT_TRUE(takes().empty());
  wants({target(1)});
  EXPECT_TRUE(takes().empty());
  wants({});
  wants({target(1)});
  EXPECT_TRUE(takes().empty()) << "gone and back";
}

TEST_F(ProbeScheduleTest, ScattersTheNextProbes) {
  given({.concurrency = 5000});
  wants(targets(1000));
  now += 2s;
  std::vector<Duration> delays;
  for (const auto& one : takes()) {
    schedule->finished(one, success(), now);
  }
  while (const auto due = schedule->next_due()) {
    delays.push_back(*due - (start + 2s));
    schedule->take_due(*due);
  }
  ASSERT_GT(delays.size(), 950U) << "hardly two at the same nanosecond";
  EXPECT_TRUE(is_about(delays.front(), 1s));
  EXPECT_TRUE(is_about(delays.back(), 1s));
  EXPECT_LT(delays.front(), 955ms);
  EXPECT_GT(delays.back(), 1045ms);
  const Duration mean =
      std::accumulate(delays.begin(), delays.end(), Duration{}) / std::ssize(delays);
  EXPECT_GT(mean, 995ms);
  EXPECT_LT(mean, 1005ms);
}

TEST_F(ProbeScheduleTest, ScattersTheProbesOfOneTarget) {
  wants({target(1)});
  delay_after(success());
  std::set<Duration> delays;
  for (int i = 0; i < 20; ++i)
    delays.insert(delay_after(success()));
  EXPECT_GE(delays.size(), 15U) << "two targets in step do not stay in step";
}

TEST_F(ProbeScheduleTest, KeepsTheLimitAndStartsAnotherWhenOneEnds) {
  given({.concurrency = 3});
  wants(targets(10));
  now += 2s;
  const auto first = takes();
  EXPECT_EQ(first, (std::vector{target(0), target(1), target(2)}));
  EXPECT_FALSE(schedule->next_due()) << "no place is free";
  EXPECT_TRUE(takes().empty());
  schedule->finished(first[1], success(), now);
  EXPECT_EQ(schedule->next_due(), start + 600ms);
  EXPECT_EQ(takes(), std::vector{target(3)});
  schedule->not_probed(target(0), now);
  EXPECT_EQ(takes(), std::vector{target(4)});
}

// Far more work than places, for a long time: all have had their turn equally often.
TEST_F(ProbeScheduleTest, StarvesNobodyWhenThereAreTooMany) {
  given({.interval = 1s, .concurrency = 4});
  wants(targets(100));
  std::map<ProbeTarget, int> probes;
  now += 1s;
  for (int round = 0; round < 1000; ++round) {
    const auto due = takes();
    ASSERT_EQ(due.size(), 4U);
    now += 100ms;
    for (const auto& one : due) {
      ++probes[one];
      // Some are in doubt all the time, which makes them eager.
      schedule->finished(one, one == target(7) ? failure() : success(), now);
    }
  }
  ASSERT_EQ(probes.size(), 100U);
  for (const auto& [one, count] : probes) {
    EXPECT_NEAR(count, 40, 2) << one.text();
  }
}

TEST_F(ProbeScheduleTest, KeepsWhatIsKnownOfThoseThatStay) {
  wants({target(1), target(2)});
  for (int i = 0; i < 2; ++i) {
    now += 2s;
    for (const auto& one : takes())
      schedule->finished(one, success(), now);
  }
  const auto before = schedule->next_due();
  wants({target(2)});
  EXPECT_EQ(schedule->health(target(1)), nullptr);
  ASSERT_NE(schedule->health(target(2)), nullptr);
  EXPECT_EQ(schedule->health(target(2))->samples(), 2U);
  EXPECT_GE(schedule->next_due(), before) << "nothing of its turn changes";
  now += 4s;
  EXPECT_EQ(takes(), std::vector{target(2)}) << "the other one has no turn any more";
  schedule->finished(target(2), success(), now);
  wants({target(1), target(2)});
  EXPECT_EQ(schedule->health(target(1))->samples(), 0U) << "a new one";
  EXPECT_EQ(schedule->health(target(2))->samples(), 3U);
}

TEST_F(ProbeScheduleTest, ForgetsATargetThatWentDuringItsProbe) {
  wants({target(1)});
  takes();
  wants({});
  EXPECT_EQ(schedule->health(target(1)), nullptr);
  EXPECT_EQ(schedule->running(), 1U) << "it takes its place until then";
  EXPECT_EQ(schedule->finished(target(1), success(), now), nullptr);
  EXPECT_EQ(schedule->running(), 0U);
  EXPECT_FALSE(schedule->next_due());
}

TEST_F(ProbeScheduleTest, BeginsAnewWithATargetThatWentAndCameBackDuringItsProbe) {
  wants({target(1)});
  delay_after(success());
  delay_after(success());
  now = *schedule->next_due();
  takes();
  wants({});
  now += 10ms;
  wants({target(1)});
  ASSERT_NE(schedule->health(target(1)), nullptr);
  EXPECT_EQ(schedule->health(target(1))->state(), Health::State::unknown);
  EXPECT_EQ(schedule->health(target(1))->since(), now);
  const Health* health = schedule->finished(target(1), success(), now);
  ASSERT_NE(health, nullptr);
  EXPECT_EQ(health->samples(), 1U);
  EXPECT_TRUE(schedule->next_due());
}

TEST_F(ProbeScheduleTest, TakesNoSampleFromWhatWasNotProbed) {
  wants({target(1)});
  takes();
  schedule->not_probed(target(1), now);
  EXPECT_EQ(schedule->health(target(1))->samples(), 0U);
  EXPECT_EQ(schedule->next_due(), now + 1s);
  EXPECT_EQ(schedule->running(), 0U);
}

TEST_F(ProbeScheduleTest, IgnoresTheEndOfWhatDoesNotRun) {
  wants({target(1)});
  EXPECT_EQ(schedule->finished(target(1), success(), now), nullptr);
  schedule->not_probed(target(2), now);
  EXPECT_EQ(schedule->running(), 0U);
  EXPECT_EQ(schedule->health(target(1))->samples(), 0U);
  EXPECT_EQ(takes(), std::vector{target(1)});
}

// The header's bound, with every probe of a dead server lasting until its time is over.
TEST_F(ProbeScheduleTest, NoticesADeadServerInTime) {
  given({.concurrency = 1000});
  wants(targets(500));
  std::map<ProbeTarget, TimePoint> ends;
  const TimePoint death = start + 10s;
  while (now < death + 6s) {
    now += 1ms;
    for (auto end = ends.begin(); end != ends.end();) {
      if (end->second > now) {
        ++end;
        continue;
      }
      const bool ok = now <= death;
      schedule->finished(end->first, {ok, "", now, {}, {}}, now);
      end = ends.erase(end);
    }
    for (const auto& one : takes())
      ends[one] = now > death ? now + 1s : now;
  }
  for (const auto& one : targets(500)) {
    const Health& health = *schedule->health(one);
    ASSERT_EQ(health.state(), Health::State::down) << one.text();
    EXPECT_LE(health.since() - death, 5200ms) << one.text();
  }
}

}  // namespace
}  // namespace saspd::gwm
