// SPDX-License-Identifier: Apache-2.0
// What the advisors say together, and what that is as weights: tables.
#include "controller/gwm/weigher.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using namespace sasp;
using std::chrono::seconds;
using State = Reading::State;

const TimePoint start{std::chrono::hours{1}};

MemberKey member(int n) {
  return {*IpAddress::parse("192.0.2." + std::to_string(n)), 6, 80};
}
Group members(int n) {
  Group group;
  for (int i = 1; i <= n; ++i)
    group[member(i)].data = MemberData::of(member(i));
  return group;
}
ProbePlan plan(std::initializer_list<std::string_view> probes) {
  ProbePlan plan;
  for (const auto probe : probes)
    EXPECT_TRUE(plan.add(probe)) << probe;
  return plan;
}
const ProbeSpec tcp{ProbeSpec::Kind::tcp, {}, 0};
const ProbeSpec agent{ProbeSpec::Kind::agent, {}, 9777};
const Reading passing{.state = State::passing};
const Reading failing{.state = State::failing};
Reading says(unsigned percent) {
  return {.state = State::passing, .percent = percent};
}

constexpr std::uint8_t known = 0b1101;    // contact, registered by the LB, confident
constexpr std::uint8_t unknown = 0b0101;  // not confident
constexpr std::uint8_t down = 0b1100;
constexpr std::uint8_t quiesced = 0b1111;

struct Row {
  std::uint8_t flags;
  std::uint16_t weight;
  bool operator==(const Row&) const = default;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << std::to_string(row.flags) << "/" << row.weight;
}

class WeigherTest : public testing::Test {
 protected:
  // Readings of members 1, 2, ...
  void tells(const ProbeSpec& spec, std::initializer_list<Reading> readings) {
    int n = 0;
    for (const Reading& reading : readings)
      weigher.learn(*target_of(spec, member(++n)), reading, now);
  }
  std::vector<Row> rows(int n) const {
    std::vector<Row> rows;
    for (const auto& entry : weigher.weigh("web", members(n), now))
      rows.push_back({entry.flags, entry.weight});
    return rows;
  }

  TimePoint now = start;
  Weigher weigher;
};

// RFC 4678 5.3 and the GWM column of sasp-interop rows 6 and 43.
TEST(WeightEntry, FollowsFromAdviceAndWhoRegisteredAndQuiesced) {
  struct Case {
    const char* name;
    Advice advice;
    bool by_lb;
    bool by_member;
    bool registered_by_lb;
    std::uint8_t flags;
    std::uint16_t weight;
  };
  const Case cases[] = {
      {"weight", {.confident = true, .weight = 40}, false, false, true, 0b1101, 40},
      {"self registered", {.confident = true, .weight = 40}, false, false, false, 0b1001, 40},
      {"quiesced by the lb", {.confident = true, .weight = 40}, true, false, true, 0b1111, 0},
      {"quiesced by itself", {.confident = true, .weight = 40}, false, true, true, 0b1111, 0},
      {"quiesced by the gwm",
       {.confident = true, .quiesce = true, .weight = 40},
       false,
       false,
       true,
       0b1111,
       0},
      {"down", {.contact = false, .confident = true, .weight = 40}, false, false, true, 0b1100, 0},
      {"unknown", {}, false, false, true, 0b0101, 0},
  };
  for (const Case& c : cases) {
    Member member;
    member.state = 0x32;
    member.registered_by_lb = c.registered_by_lb;
    member.quiesced_by_lb = c.by_lb;
    member.quiesced_by_member = c.by_member;
    const WeightEntry got = weight_entry(member, c.advice);
    EXPECT_EQ(got.flags, c.flags) << c.name;
    EXPECT_EQ(got.weight, c.weight) << c.name;
    EXPECT_EQ(got.state, 0x32) << c.name;
  }
}

TEST_F(WeigherTest, KnowsNothingOfAMemberThatNobodySpeaksOf) {
  EXPECT_EQ(rows(1), (std::vector<Row>{{unknown, 1}})) << "row 44: available, so 1";
  weigher.use({{"web", {{member(1), {.confident = true, .weight = 7}}}},
               {"other", {{member(2), {.confident = true, .weight = 9}}}}});
  EXPECT_EQ(rows(2), (std::vector<Row>{{known, 7}, {unknown, 0}}));
}

// The whole table of one probe and the file.
TEST_F(WeigherTest, PutsWhatAdvisorsSayTogether) {
  struct Case {
    const char* name;
    std::initializer_list<std::string_view> probes;
    std::optional<Advice> file;
    std::optional<Reading> tcp;
    std::optional<Reading> agent;
    Row row;
  };
  const Advice forty{.confident = true, .weight = 40};
  const Advice file_quiesce{.confident = true, .quiesce = true};
  const Advice file_down{.contact = false, .confident = true};
  const Reading agent_down{.state = State::passing, .up = false};
  const Reading agent_drain{.state = State::passing, .drain = true};
  const Reading unsure{};
  const Case cases[] = {
      {"nobody", {}, {}, {}, {}, {unknown, 1}},
      {"file", {}, forty, {}, {}, {known, 40}},
      {"file: unknown", {}, Advice{}, {}, {}, {unknown, 1}},
      {"file: quiesce", {}, file_quiesce, {}, {}, {quiesced, 0}},
      {"file: down", {}, file_down, {}, {}, {down, 0}},

      {"tcp never asked", {"tcp"}, {}, {}, {}, {unknown, 1}},
      {"tcp warms up", {"tcp"}, {}, unsure, {}, {unknown, 1}},
      {"tcp passes", {"tcp"}, {}, passing, {}, {known, 64}},
      {"tcp fails", {"tcp"}, {}, failing, {}, {down, 0}},
      {"tcp warms up, file", {"tcp"}, forty, unsure, {}, {unknown, 40}},
      {"tcp passes, file", {"tcp"}, forty, passing, {}, {known, 40}},
      {"tcp passes, file does not know", {"tcp"}, Advice{}, passing, {}, {known, 64}},
      {"tcp fails, file", {"tcp"}, forty, failing, {}, {down, 0}},
      {"tcp passes, file: down", {"tcp"}, file_down, passing, {}, {down, 0}},
      {"tcp passes, file: quiesce", {"tcp"}, file_quiesce, passing, {}, {quiesced, 0}},

      {"agent warms up", {"agent:9777"}, {}, {}, unsure, {unknown, 1}},
      {"agent says 50%", {"agent:9777"}, {}, {}, says(50), {known, 64}},
      {"agent says 0%", {"agent:9777"}, {}, {}, says(0), {known, 1}},
      {"agent is dead", {"agent:9777"}, {}, {}, failing, {unknown, 1}},
      {"agent says down", {"agent:9777"}, {}, {}, agent_down, {down, 0}},
      {"agent says drain", {"agent:9777"}, {}, {}, agent_drain, {quiesced, 0}},
      {"agent says 50%, file", {"agent:9777"}, forty, {}, says(50), {known, 40}},

      {"both well", {"tcp", "agent:9777"}, {}, passing, says(10), {known, 64}},
      {"tcp fails", {"tcp", "agent:9777"}, {}, failing, says(100), {down, 0}},
      {"tcp fails, agent is dead: down is known",
       {"tcp", "agent:9777"},
       {},
       failing,
       failing,
       {down, 0}},
      {"agent is dead", {"tcp", "agent:9777"}, {}, passing, failing, {unknown, 1}},
      {"one of two warms up", {"tcp", "agent:9777"}, {}, passing, unsure, {unknown, 1}},
  };
  for (const Case& c : cases) {
    weigher = Weigher({}, plan(c.probes));
    if (c.file) weigher.use({{"web", {{member(1), *c.file}}}});
    if (c.tcp) tells(tcp, {*c.tcp});
    if (c.agent) tells(agent, {*c.agent});
    EXPECT_EQ(rows(1), std::vector<Row>{c.row}) << c.name;
  }
}

TEST_F(WeigherTest, GivesTheBestOfAGroupTheMaximumAndTheOthersInProportion) {
  struct Case {
    std::uint16_t max;
    std::initializer_list<Reading> readings;
    std::vector<Row> rows;
  };
  const Reading drains{.state = State::passing, .drain = true, .percent = 100};
  const Case cases[] = {
      {64, {says(100), says(50), says(25)}, {{known, 64}, {known, 32}, {known, 16}}},
      {64, {says(50), says(25)}, {{known, 64}, {known, 32}}},
      {64, {says(200), says(100)}, {{known, 64}, {known, 64}}},  // --agent-max
      {64, {says(100), says(1), says(0)}, {{known, 64}, {known, 1}, {known, 0}}},
      {64, {says(25600), says(1)}, {{known, 64}, {known, 1}}},
      {64, {says(0), says(0)}, {{known, 1}, {known, 1}}},
      {64, {says(0), failing}, {{known, 1}, {unknown, 1}}},
      {1000, {says(30), says(60)}, {{known, 500}, {known, 1000}}},
      {1, {says(30), says(60)}, {{known, 1}, {known, 1}}},
      {65535, {says(100), says(50)}, {{known, 65535}, {known, 32768}}},
      // Who gets no work does not count.
      {64, {drains, says(50), says(25)}, {{quiesced, 0}, {known, 64}, {known, 32}}},
      {64, {says(50), Reading{.state = State::passing, .up = false}}, {{known, 64}, {down, 0}}},
  };
  for (const Case& c : cases) {
    weigher = Weigher({.max_weight = c.max}, plan({"agent:9777"}));
    tells(agent, c.readings);
    EXPECT_EQ(rows(static_cast<int>(c.readings.size())), c.rows);
  }
}

// A weight of the file is what its author wrote, whatever else is in the group; the others are on
// the same scale, so that nobody gets less for being named.
TEST_F(WeigherTest, PutsProbesOnTheScaleOfTheFile) {
  const auto weight = [](std::uint16_t n) { return Advice{.confident = true, .weight = n}; };
  struct Case {
    const char* name;
    const char* probe;
    std::map<MemberKey, Advice> file;
    std::initializer_list<Reading> readings;
    std::vector<Row> rows;
  };
  const Advice file_quiesce{.confident = true, .quiesce = true};
  const Case cases[] = {
      {"one is named",
       "tcp",
       {{member(1), weight(40)}},
       {passing, passing},
       {{known, 40}, {known, 40}}},
      {"above --max-weight",
       "tcp",
       {{member(1), weight(60001)}},
       {passing, passing},
       {{known, 60001}, {known, 60001}}},
      {"the largest counts",
       "tcp",
       {{member(1), weight(40)}, {member(2), weight(20)}},
       {passing, passing, passing},
       {{known, 40}, {known, 20}, {known, 40}}},
      {"also while it is down",
       "tcp",
       {{member(1), weight(40)}, {member(2), weight(20)}},
       {failing, passing, passing},
       {{down, 0}, {known, 20}, {known, 40}}},
      {"an agent's part is one of it",
       "agent:9777",
       {{member(1), weight(40)}},
       {says(100), says(50), says(25)},
       {{known, 40}, {known, 20}, {known, 10}}},
      {"whatever the best agent says",
       "agent:9777",
       {{member(1), weight(40)}},
       {says(100), says(50)},
       {{known, 40}, {known, 20}}},
      {"of a stranger to the group",
       "tcp",
       {{member(9), weight(40)}},
       {passing, passing},
       {{known, 64}, {known, 64}}},
      {"no weight", "tcp", {{member(1), weight(0)}}, {passing, passing}, {{known, 0}, {known, 64}}},
      {"quiesce is none",
       "tcp",
       {{member(1), file_quiesce}},
       {passing, passing},
       {{quiesced, 0}, {known, 64}}},
  };
  for (const Case& c : cases) {
    weigher = Weigher({}, plan({c.probe}));
    weigher.use({{"web", c.file}});
    tells(c.probe == std::string("tcp") ? tcp : agent, c.readings);
    EXPECT_EQ(rows(static_cast<int>(c.readings.size())), c.rows) << c.name;
  }
  EXPECT_EQ(weigher.file_scale("web", members(2)), 0);
  weigher.use({{"web", {{member(1), weight(40)}}}});
  EXPECT_EQ(weigher.file_scale("web", members(2)), 40);
}

// A server that was broken into says that it can take 256 times what the others can.
TEST_F(WeigherTest, LimitsWhatAnAgentMaySay) {
  struct Case {
    const char* name;
    unsigned agent_max;
    unsigned max_share;
    std::initializer_list<Reading> readings;
    std::vector<std::uint16_t> weights;
  };
  const Case cases[] = {
      {"100 unless given",
       100,
       100,
       {says(100), says(100), says(100), says(25600)},
       {64, 64, 64, 64}},
      {"more where it is wanted",
       200,
       100,
       {says(100), says(100), says(100), says(25600)},
       {32, 32, 32, 64}},
      {"no share unless given",
       100,
       100,
       {says(1), says(1), says(1), says(1), says(100)},
       {1, 1, 1, 1, 64}},
      {"half of the group",
       100,
       50,
       {says(1), says(1), says(1), says(1), says(100)},
       {16, 16, 16, 16, 64}},
      {"twice an equal part at least",
       100,
       1,
       {says(1), says(1), says(1), says(1), says(100)},
       {24, 24, 24, 24, 64}},
      {"nobody of two", 100, 10, {says(1), says(100)}, {1, 64}},
      {"two of them",
       100,
       25,
       {says(100), says(100), says(1), says(1), says(1), says(1), says(1), says(1), says(1),
        says(1)},
       {64, 64, 16, 16, 16, 16, 16, 16, 16, 16}},
      {"who has no more stays",
       100,
       50,
       {says(100), says(90), says(80), says(10)},
       {64, 58, 51, 6}},
  };
  for (const Case& c : cases) {
    weigher = Weigher({.agent_max = c.agent_max, .max_share = c.max_share}, plan({"agent:9777"}));
    tells(agent, c.readings);
    std::vector<std::uint16_t> weights;
    for (const Row& row : rows(static_cast<int>(c.readings.size())))
      weights.push_back(row.weight);
    EXPECT_EQ(weights, c.weights) << c.name;
  }
}

// After a restart the members become known one after the other.
TEST_F(WeigherTest, WaitsForAWholeGroupThatNobodyKnewYet) {
  weigher = Weigher({.settle = seconds{5}}, plan({"tcp"}));
  tells(tcp, {passing});
  EXPECT_EQ(rows(3), (std::vector<Row>{{unknown, 64}, {unknown, 0}, {unknown, 0}}));
  tells(tcp, {passing, failing});
  EXPECT_EQ(rows(3)[0].flags, unknown);
  tells(tcp, {passing, failing, passing});
  EXPECT_EQ(rows(3), (std::vector<Row>{{known, 64}, {down, 0}, {known, 64}}));
  now += seconds{5};
  EXPECT_EQ(rows(4), (std::vector<Row>{{known, 64}, {down, 0}, {known, 64}, {unknown, 0}}))
      << "a new one waits alone";
}

TEST_F(WeigherTest, DoesNotWaitForEverForOneThatIsNeverKnown) {
  weigher = Weigher({.settle = seconds{5}}, plan({"tcp"}));
  tells(tcp, {passing});
  now += seconds{5};
  EXPECT_EQ(rows(2), (std::vector<Row>{{known, 64}, {unknown, 0}}));
}

TEST_F(WeigherTest, LetsAMemberThatComesBackStartSlowly) {
  weigher = Weigher({.slow_start = seconds{100}}, plan({"tcp"}));
  tells(tcp, {passing, passing});
  EXPECT_EQ(rows(2), (std::vector<Row>{{known, 64}, {known, 64}})) << "none comes back";
  tells(tcp, {failing});
  EXPECT_EQ(rows(2), (std::vector<Row>{{down, 0}, {known, 64}}));
  tells(tcp, {passing});
  const std::pair<int, std::uint16_t> steps[] = {{0, 6},   {10, 6},   {25, 16},
                                                 {50, 32}, {100, 64}, {1000, 64}};
  for (const auto& [after, weight] : steps) {
    now = start + seconds{after};
    EXPECT_EQ(rows(2), (std::vector<Row>{{known, weight}, {known, 64}})) << after;
  }
  now = start;
  tells(tcp, {failing, failing});
  tells(tcp, {passing, passing});
  EXPECT_EQ(rows(2), (std::vector<Row>{{known, 64}, {known, 64}}))
      << "both alike: nothing to spare";
}

TEST_F(WeigherTest, StartsSlowlyAfterAnAgentsDownAndNotAfterItsSilence) {
  weigher = Weigher({.slow_start = seconds{100}}, plan({"agent:9777"}));
  tells(agent, {says(100), says(100)});
  tells(agent, {Reading{.state = State::passing, .up = false}});
  tells(agent, {says(100)});
  EXPECT_EQ(rows(2), (std::vector<Row>{{known, 6}, {known, 64}}));
}

TEST_F(WeigherTest, DampsThePercentageOfAnAgent) {
  weigher = Weigher({.damping = 50}, plan({"agent:9777"}));
  tells(agent, {says(100), says(100)});
  const std::uint16_t steps[] = {32, 16, 8, 4, 2, 1, 1, 0, 0};
  for (const std::uint16_t weight : steps) {
    tells(agent, {says(0)});
    EXPECT_EQ(rows(2)[0], (Row{known, weight}));
  }
  tells(agent, {failing});
  tells(agent, {says(100)});
  EXPECT_EQ(rows(2)[0], (Row{known, 64})) << "what was before a silence is no guide";
}

TEST_F(WeigherTest, TellsWhichReadingsHaveToBeToldAtOnce) {
  weigher = Weigher({}, plan({"agent:9777"}));
  const auto target = *target_of(agent, member(1));
  const auto learns = [&](const Reading& reading) { return weigher.learn(target, reading, now); };
  EXPECT_FALSE(learns({}));
  EXPECT_TRUE(learns(says(100)));
  EXPECT_FALSE(learns(says(100)));
  EXPECT_FALSE(learns(says(10))) << "a weight may wait for the interval";
  EXPECT_TRUE(learns({.state = State::passing, .drain = true, .percent = 10}));
  EXPECT_TRUE(learns({.state = State::passing, .up = false, .drain = true}));
  EXPECT_TRUE(learns(failing));
}

TEST_F(WeigherTest, QuiescesWhomTheOperatorDrains) {
  weigher.use({{"web",
                {{member(1), {.confident = true, .weight = 5}},
                 {member(2), {.confident = true, .weight = 6}}}}});
  const MemberName everywhere{std::nullopt, {member(1).address, 80}};
  const MemberName here{"web", {member(2).address, 80}};
  EXPECT_TRUE(weigher.drain(everywhere));
  EXPECT_FALSE(weigher.drain(everywhere));
  EXPECT_EQ(rows(2), (std::vector<Row>{{quiesced, 0}, {known, 6}}));
  EXPECT_TRUE(weigher.drain({"other", here.endpoint}));
  EXPECT_EQ(rows(2)[1], (Row{known, 6}));
  EXPECT_TRUE(weigher.drain(here));
  EXPECT_EQ(rows(2), (std::vector<Row>{{quiesced, 0}, {quiesced, 0}}));
  EXPECT_TRUE(weigher.undrain(everywhere));
  EXPECT_FALSE(weigher.undrain(everywhere));
  EXPECT_EQ(rows(2), (std::vector<Row>{{known, 5}, {quiesced, 0}}));
}

TEST_F(WeigherTest, ForgetsReadingsOfTargetsThatAreGone) {
  weigher = Weigher({}, plan({"tcp"}));
  tells(tcp, {passing, failing});
  weigher.keep_only({*target_of(tcp, member(1))});
  EXPECT_EQ(rows(2), (std::vector<Row>{{known, 64}, {unknown, 0}}));
}

// sasp-interop row 44.
TEST(SpreadIfAllZero, GivesOneToEachAvailableMember) {
  const auto entry = [](const Advice& advice) { return weight_entry({}, advice); };
  std::vector<WeightEntry> group = {entry({.confident = true}), entry({}),
                                    entry({.confident = true, .quiesce = true}),
                                    entry({.contact = false, .confident = true})};
  spread_if_all_zero(group);
  EXPECT_EQ(group[0].weight, 1);
  EXPECT_EQ(group[1].weight, 1);
  EXPECT_EQ(group[2].weight, 0);
  EXPECT_EQ(group[3].weight, 0);
  group = {entry({.confident = true}), entry({.confident = true, .weight = 3})};
  const auto before = group;
  spread_if_all_zero(group);
  EXPECT_EQ(group, before);
}

}  // namespace
}  // namespace saspd::gwm
