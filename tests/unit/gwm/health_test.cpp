// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/health.hpp"

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using std::chrono::seconds;
using State = Health::State;

const TimePoint start{std::chrono::hours{1}};

// '+' is a success, '-' a failure, one a second.
Health after(std::string_view samples, HealthRules rules = {}) {
  Health health(start);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    health.add({samples[i] == '+', "", start + seconds{i + 1}, {}, {}}, rules);
  }
  return health;
}

TEST(Health, RisesAndFalls) {
  struct Case {
    std::string samples;
    State state;
    int since;  // the sample, 0: the start
    bool in_doubt;
  };
  const std::vector<Case> cases = {
      // Two samples are needed, the second decides.
      {"", State::unknown, 0, true},
      {"+", State::unknown, 0, true},
      {"-", State::unknown, 0, true},
      {"++", State::up, 2, false},
      {"-+", State::up, 2, false},
      {"+-", State::down, 2, false},
      {"--", State::down, 2, false},
      // Then three failures in a row bring down what is up,
      {"++-", State::up, 2, true},
      {"++--", State::up, 2, true},
      {"++---", State::down, 5, false},
      {"++--+", State::up, 2, false},
      {"++--+--", State::up, 2, true},
      {"++--+---", State::down, 8, false},
      {"-+--", State::up, 2, true},
      {"-+---", State::down, 5, false},
      // and two successes bring up what is down.
      {"--+", State::down, 2, true},
      {"--++", State::up, 4, false},
      {"--+-+", State::down, 2, true},
      {"--+-++", State::up, 6, false},
      {"+-+", State::down, 2, true},
      {"+-++", State::up, 4, false},
      {"++---++", State::up, 7, false},
      {"++++++++", State::up, 2, false},
      {"--------", State::down, 2, false},
  };
  for (const auto& [samples, state, since, in_doubt] : cases) {
    const Health health = after(samples);
    EXPECT_EQ(health.state(), state) << samples;
    EXPECT_EQ(health.since(), start + seconds{since}) << samples;
    EXPECT_EQ(health.changed_at(), start + seconds{since}) << samples;
    EXPECT_EQ(health.in_doubt(), in_doubt) << samples;
    EXPECT_EQ(health.changed_by_last(), since > 0 && since == static_cast<int>(samples.size()))
        << samples;
  }
}

TEST(Health, FollowsOtherRules) {
  EXPECT_EQ(after("++-", {.rise = 1, .fall = 1}).state(), State::down);
  EXPECT_EQ(after("--+", {.rise = 1, .fall = 1}).state(), State::up);
  EXPECT_EQ(after("-", {.rise = 1, .fall = 1}).state(), State::unknown) << "warm-up stays";
  EXPECT_EQ(after("++----", {.rise = 1, .fall = 5}).state(), State::up);
  EXPECT_EQ(after("++-----", {.rise = 1, .fall = 5}).state(), State::down);
  EXPECT_EQ(after("--++++", {.rise = 5, .fall = 1}).state(), State::down);
  EXPECT_EQ(after("--+++++", {.rise = 5, .fall = 1}).state(), State::up);
}

TEST(Health, CountsAndRemembersTheLastSample) {
  Health health = after("+--");
  EXPECT_EQ(health.samples(), 3U);
  EXPECT_EQ(health.failures(), 2U);
  EXPECT_EQ(health.run(), 2U);
  health.add({true, "HTTP status 200", start + seconds{9}, std::chrono::milliseconds{3}, {}}, {});
  EXPECT_EQ(health.samples(), 4U);
  EXPECT_EQ(health.failures(), 2U);
  EXPECT_EQ(health.run(), 1U);
  ASSERT_TRUE(health.last());
  EXPECT_EQ(health.last()->detail, "HTTP status 200");
  EXPECT_EQ(health.last()->at, start + seconds{9});
  EXPECT_EQ(health.last()->duration, std::chrono::milliseconds{3});
  EXPECT_FALSE(Health(start).last());
}

class HealthOfAgent : public testing::Test {
 protected:
  void hears(std::string_view answer) {
    now += seconds{1};
    const auto report = parse_agent_answer(answer);
    health.add({report.has_value(),
                std::string(answer),
                now,
                {},
                report ? std::optional(*report) : std::nullopt},
               {});
  }
  TimePoint now = start;
  Health health{start};
};

TEST_F(HealthOfAgent, TakesItsWordAtOnce) {
  hears("down 50%");
  EXPECT_EQ(health.state(), State::unknown) << "an agent has to answer twice, too";
  EXPECT_FALSE(health.agent().health.up());
  EXPECT_TRUE(health.changed_by_last());
  hears("down");
  EXPECT_EQ(health.state(), State::up) << "it answers";
  EXPECT_FALSE(health.agent().health.up());
  hears("down");
  EXPECT_FALSE(health.changed_by_last());
  hears("up drain");
  EXPECT_TRUE(health.changed_by_last());
  EXPECT_EQ(health.changed_at(), now);
  EXPECT_EQ(health.since(), start + seconds{2});
  EXPECT_EQ(health.agent(), (AgentState{50, {}, AgentAdmin::drain}));
}

TEST_F(HealthOfAgent, KeepsItsLastWordWhenItIsGone) {
  hears("25% drain");
  hears("25%");
  for (const auto* answer : {"nonsense", "", "75% nonsense"}) {
    EXPECT_EQ(health.state(), State::up);
    hears(answer);
  }
  EXPECT_EQ(health.state(), State::down) << "three bad answers";
  EXPECT_EQ(health.agent(), (AgentState{25, {}, AgentAdmin::drain}));
}

TEST(HealthNames, AreForPeople) {
  EXPECT_EQ(name(State::unknown), "unknown");
  EXPECT_EQ(name(State::up), "up");
  EXPECT_EQ(name(State::down), "down");
}

}  // namespace
}  // namespace saspd::gwm
