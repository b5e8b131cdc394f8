// SPDX-License-Identifier: Apache-2.0
// What a load balancer is sent without asking, and what No-Change leaves out (RFC 4678 7.4, 7.6.1;
// sasp-interop rows 11, 20, 32).
#include <algorithm>

#include "tests/conformance/gwm/registry_fixture.hpp"
#include "tests/support/pushed.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;

constexpr ConnectionId lb = 1;

MemberData web(int n) {
  return tcp(fmt::format("192.0.2.{}", n));
}
const Endpoint first = *Endpoint::parse("192.0.2.1:80");

ProbePlan agents() {
  ProbePlan plan;
  EXPECT_TRUE(plan.add("agent:9777"));
  return plan;
}

class Push : public testing::Test, protected RegistryFixture {
 protected:
  Push() : RegistryFixture({}, agents()) {}

  void agent_says(int n, const Reading& reading) {
    manager.learn({{ProbeSpec::Kind::agent, {}, 9777}, {web(n).key().address, 9777}}, reading, now);
  }
  void advise(std::initializer_list<std::uint16_t> weights) {
    std::map<MemberKey, Advice> advice;
    int n = 0;
    for (const auto weight : weights)
      advice[web(++n).key()] = {.confident = true, .weight = weight};
    manager.use({{"web", advice}}, now);
  }
  void given_lb(std::uint8_t flags, int members = 2) {
    given(lb_state("lb1", flags), lb);
    std::vector<MemberData> all;
    for (int n = 1; n <= members; ++n)
      all.push_back(web(n));
    given(registers({group("lb1", "web", all)}), lb);
  }
  // "web: 1=40 2=20q", a line per message, of all that is due by then.
  std::string sent_after(Duration time) {
    std::string text;
    const TimePoint end = now + time;
    for (;;) {
      const auto next = manager.deadline();
      if (!next || *next > end) break;
      now = std::max(now, *next);
      for (const auto& push : manager.due(now, [this](ConnectionId) { return ready; })) {
        EXPECT_EQ(push.connection, lb);
        for (const auto& message : messages_in(push))
          text += written(message.groups);
      }
    }
    now = end;
    return text;
  }
  static std::string written(const std::vector<GroupOfWeightEntries>& groups) {
    std::string text;
    for (const auto& each : groups) {
      text += (text.empty() ? "" : " ") + each.group.name + ":";
      for (const auto& entry : each.items) {
        const auto address = entry.member.key().address.text();
        text += fmt::format(" {}={}{}", address.substr(address.rfind('.') + 1), entry.weight,
                            (entry.flags & weight_flag::quiesce) != 0   ? "q"
                            : (entry.flags & weight_flag::contact) == 0 ? "-"
                                                                        : "");
      }
    }
    return text + "\n";
  }
  std::string polled() {
    return written(std::get<GetWeightsReply>(handle(asks({{"lb1", ""}}), lb).reply).groups);
  }
  void quiesce(int n, bool on) { given(sets({states("lb1", "web", {state(web(n), on)})}), lb); }

  bool ready = true;
};

TEST_F(Push, IsNotForThoseWhoPoll) {
  given_lb(0);
  advise({40, 20});
  EXPECT_EQ(sent_after(60s), "");
  EXPECT_FALSE(manager.deadline());
}

TEST_F(Push, TellsNewsAtTheInterval) {
  advise({40, 20});
  given_lb(lb_flag::push);
  EXPECT_EQ(sent_after(9s), "web: 1=40 2=20\n") << "registered: at once";
  EXPECT_EQ(sent_after(60s), "") << "no news";
}

// An agent's percentage is no event; what it says of up, down and drain is.
TEST_F(Push, WaitsForTheIntervalWithWeightsThatMove) {
  given_lb(lb_flag::push, 3);
  agent_says(1, {.state = Reading::State::passing});
  agent_says(2, {.state = Reading::State::passing});
  EXPECT_EQ(sent_after(150ms), "web: 1=64 2=64 3=0\n");
  agent_says(1, {.state = Reading::State::passing, .percent = 50});
  EXPECT_EQ(sent_after(5s), "");
  agent_says(1, {.state = Reading::State::passing, .percent = 25});
  EXPECT_EQ(sent_after(6s), "web: 1=16 2=64 3=0\n") << "only what is true at the interval";
  agent_says(1, {.state = Reading::State::passing, .drain = true, .percent = 25});
  EXPECT_EQ(sent_after(150ms), "web: 1=0q 2=64 3=0\n");
  agent_says(2, {.state = Reading::State::passing, .up = false});
  EXPECT_EQ(sent_after(150ms), "web: 1=0q 2=0- 3=1\n");
}

TEST_F(Push, TellsEventsThatComeTogetherAtOnceAndTogether) {
  advise({40, 20});
  given_lb(lb_flag::push);
  sent_after(60s);
  quiesce(1, true);
  quiesce(2, true);
  quiesce(2, false);
  EXPECT_EQ(sent_after(99ms), "");
  EXPECT_EQ(sent_after(1ms), "web: 1=0q 2=20\n");
  EXPECT_EQ(sent_after(60s), "");
  quiesce(1, false);
  EXPECT_EQ(sent_after(100ms), "web: 1=40 2=20\n");
  EXPECT_EQ(manager.drain({std::nullopt, first}, now), 1U);
  EXPECT_EQ(sent_after(100ms), "web: 1=0q 2=20\n");
  EXPECT_TRUE(manager.undrain({std::nullopt, first}, now));
  EXPECT_EQ(sent_after(100ms), "web: 1=40 2=20\n");
}

TEST_F(Push, TellsOfMembersThatRegisterAndDeregister) {
  advise({40, 20, 10});
  given_lb(lb_flag::push | lb_flag::trust);
  sent_after(60s);
  handle(by_member(registers({group("lb1", "web", {web(3)})})), 9, "192.0.2.3");
  EXPECT_EQ(sent_after(100ms), "web: 1=40 2=20 3=10\n");
  handle(by_member(deregisters({group("lb1", "web", {web(3)})})), 9, "192.0.2.3");
  EXPECT_EQ(sent_after(100ms), "web: 1=40 2=20\n") << "the group without it";
  EXPECT_EQ(sent_after(60s), "");
  given(deregisters({group("lb1", "web", {web(1), web(2)})}), lb);
  EXPECT_EQ(sent_after(100ms), "web:\n");
}

TEST_F(Push, SaysOnlyTheNewsWithNoChange) {
  advise({40, 20});
  given_lb(lb_flag::push | lb_flag::no_change);
  EXPECT_EQ(sent_after(60s), "web: 1=40 2=20\n") << "the first is full";
  advise({40, 30});
  EXPECT_EQ(sent_after(100ms), "web: 2=30\n");
  quiesce(1, true);
  EXPECT_EQ(sent_after(100ms), "web: 1=0q\n");
  advise({50, 30});
  EXPECT_EQ(sent_after(60s), "") << "the weight of a quiesced member is 0";
}

// sasp-interop row 32: for what is asked as for what is sent, and each knows of the other.
TEST_F(Push, AnswersOnlyTheNewsWithNoChange) {
  advise({40, 20});
  given_lb(lb_flag::push | lb_flag::no_change);
  EXPECT_EQ(polled(), "web: 1=40 2=20\n");
  EXPECT_EQ(polled(), "web:\n");
  EXPECT_EQ(sent_after(60s), "");
  advise({41, 20});
  EXPECT_EQ(polled(), "web: 1=41\n");
  EXPECT_EQ(sent_after(60s), "");
}

TEST_F(Push, IsFullAgainAfterASetLbStateAndOnANewConnection) {
  advise({40, 20});
  given_lb(lb_flag::no_change);
  EXPECT_EQ(polled(), "web: 1=40 2=20\n");
  EXPECT_EQ(polled(), "web:\n");
  given(lb_state("lb1", lb_flag::no_change), lb);
  EXPECT_EQ(polled(), "web: 1=40 2=20\n");
  manager.disconnected(lb, now);
  EXPECT_EQ(polled(), "web: 1=40 2=20\n") << "the connection is new";
  given(lb_state("lb1", lb_flag::no_change | lb_flag::push), lb);
  EXPECT_EQ(sent_after(10s), "web: 1=40 2=20\n");
  given(lb_state("lb1", lb_flag::push), lb);
  EXPECT_EQ(sent_after(10s), "web: 1=40 2=20\n");
}

TEST_F(Push, EndsWithTheFlagAndWithTheConnection) {
  advise({40, 20});
  given_lb(lb_flag::push);
  sent_after(10s);
  given(lb_state("lb1", 0), lb);
  quiesce(1, true);
  EXPECT_EQ(sent_after(60s), "");
  given(lb_state("lb1", lb_flag::push), lb);
  manager.disconnected(lb, now);
  EXPECT_EQ(sent_after(60s), "");
}

// What it is told when it can be told is what is true then.
TEST_F(Push, WaitsForAnLbThatDoesNotRead) {
  advise({40, 20});
  given_lb(lb_flag::push);
  sent_after(10s);
  ready = false;
  for (const std::uint16_t weight : std::initializer_list<std::uint16_t>{1, 2, 3}) {
    advise({weight, 20});
    EXPECT_EQ(sent_after(15s), "");
  }
  ready = true;
  EXPECT_EQ(sent_after(60s), "") << "nobody said that it reads again";
  manager.writable(lb, now);
  EXPECT_EQ(sent_after(0s), "web: 1=3 2=20\n");
  advise({4, 20});
  EXPECT_EQ(sent_after(100ms), "web: 1=4 2=20\n");
}

// sasp-interop row 20.
TEST_F(Push, SplitsLargeGroupsAndPutsSmallOnesTogether) {
  given(lb_state("lb1", lb_flag::push), lb);
  std::vector<MemberData> many;
  for (std::uint16_t port = 1; port <= 2500; ++port)
    many.push_back(tcp("192.0.2.1", port));
  given(registers({group("lb1", "a", {web(1)}), group("lb1", "b", many), group("lb1", "c"),
                   group("lb1", "d", {web(1), web(2)})}),
        lb);
  now += 100ms;
  const auto pushes = manager.due(now, [](ConnectionId) { return true; });
  ASSERT_EQ(pushes.size(), 1U);
  std::vector<std::string> messages;
  for (const auto& message : messages_in(pushes[0])) {
    messages.emplace_back();
    for (const auto& each : message.groups)
      messages.back() += fmt::format("{}{} ", each.group.name, each.items.size());
  }
  EXPECT_EQ(messages, (std::vector<std::string>{"a1 ", "b1000 ", "b1000 ", "b500 d2 "}));
}

}  // namespace
}  // namespace saspd::gwm
