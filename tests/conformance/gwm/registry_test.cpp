// SPDX-License-Identifier: Apache-2.0
// What the registry answers over time: flows of RFC 4678 section 9, who lifts which quiesce, what
// is kept when a connection ends, what is echoed.
#include <functional>
#include <random>

#include "controller/sasp/codec.hpp"
#include "tests/conformance/gwm/registry_fixture.hpp"

namespace saspd::gwm {
namespace {

using std::chrono::seconds;

constexpr ConnectionId lb = 1;
const TimePoint start{std::chrono::hours{1}};

const MemberData member_a = tcp("192.0.2.1");
const MemberData member_b = tcp("192.0.2.2");
const MemberData member_c = tcp("192.0.2.3");

// As the tables of RFC 4678 9.3 and 9.4: state, flags, weight.
struct Row {
  std::uint8_t state;
  std::uint8_t flags;
  std::uint16_t weight;
  bool operator==(const Row&) const = default;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << fmt::format("{:#04x} {:08b} {}", row.state, row.flags, row.weight);
}

class RegistryTest : public testing::Test, protected RegistryFixture {
 protected:
  void advise(std::map<MemberKey, Advice> members) {
    manager.use({{"GRP1", std::move(members)}}, now);
  }
  void advise_as_the_rfc() {
    advise({{member_a.key(), {.confident = true, .weight = 20}},
            {member_b.key(), {.confident = true, .weight = 40}},
            {member_c.key(), {.confident = true, .weight = 5}}});
  }
  void given_three_members() {
    given(registers({group("LB1", "GRP1", {member_a, member_b, member_c})}), lb);
  }
  std::vector<Row> table() {
    std::vector<Row> rows;
    for (const WeightEntry& entry : weights("LB1", "GRP1", lb)) {
      rows.push_back({entry.state, entry.flags, entry.weight});
    }
    return rows;
  }
  Outcome member_sends(const Message& request, const MemberData& member) {
    return handle(by_member(request), 99, from_wire(member.address).text());
  }
  static Message one_state(const MemberData& member, bool quiesce, std::uint8_t opaque) {
    return sets({states("LB1", "GRP1", {state(member, quiesce, opaque)})});
  }
};

// RFC 4678 9.3. The weight of the quiesced member is 0, against the figure (sasp-interop row 6).
TEST_F(RegistryTest, FollowsExampleFlow1) {
  advise_as_the_rfc();
  given_three_members();
  given(SetLbStateRequest{"LB1", 0, lb_flag::trust}, lb);
  EXPECT_EQ(table(), (std::vector<Row>{{0, 0b1101, 20}, {0, 0b1101, 40}, {0, 0b1101, 5}}));
  EXPECT_EQ(member_sends(one_state(member_a, false, 0x32), member_a).refusal, "");
  EXPECT_EQ(member_sends(one_state(member_c, true, 0x0A), member_c).refusal, "");
  EXPECT_EQ(table(), (std::vector<Row>{{0x32, 0b1101, 20}, {0, 0b1101, 40}, {0x0A, 0b1111, 0}}));
  EXPECT_EQ(member_sends(one_state(member_c, false, 0x0A), member_c).refusal, "");
  EXPECT_EQ(table(), (std::vector<Row>{{0x32, 0b1101, 20}, {0, 0b1101, 40}, {0x0A, 0b1101, 5}}));
}

// RFC 4678 9.4, with Get Weights in place of the pushed weights.
TEST_F(RegistryTest, FollowsExampleFlow2) {
  advise_as_the_rfc();
  given(SetLbStateRequest{"LB1", 0x7F, lb_flag::push | lb_flag::trust}, lb);
  for (const auto& member : {member_a, member_b}) {
    EXPECT_EQ(member_sends(registers({group("LB1", "GRP1", {member})}), member).refusal, "");
  }
  EXPECT_EQ(table(), (std::vector<Row>{{0, 0b1001, 20}, {0, 0b1001, 40}}));
  EXPECT_EQ(member_sends(registers({group("LB1", "GRP1", {member_c})}), member_c).refusal, "");
  EXPECT_EQ(table(), (std::vector<Row>{{0, 0b1001, 20}, {0, 0b1001, 40}, {0, 0b1001, 5}}));
  given(deregisters({group("LB1", "GRP1")}), lb);
  EXPECT_EQ(number(code_of(handle(asks({{"LB1", "GRP1"}}), lb).reply)), 0x42);
}

// sasp-interop row 40.
TEST_F(RegistryTest, LetsNobodyLiftTheQuiesceOfAnother) {
  advise_as_the_rfc();
  given_three_members();
  given(lb_state("LB1", lb_flag::trust), lb);
  const auto first = [&] { return table()[0]; };
  given(one_state(member_a, true, 1), lb);
  EXPECT_EQ(first(), (Row{1, 0b1111, 0}));
  EXPECT_EQ(member_sends(one_state(member_a, false, 2), member_a).refusal, "");
  EXPECT_EQ(first(), (Row{2, 0b1111, 0})) << "the LB's quiesce was lifted by the member";
  EXPECT_EQ(member_sends(one_state(member_a, true, 2), member_a).refusal, "");
  given(one_state(member_a, false, 3), lb);
  EXPECT_EQ(first(), (Row{3, 0b1111, 0})) << "the member's quiesce was lifted by the LB";
  EXPECT_EQ(member_sends(one_state(member_a, false, 4), member_a).refusal, "");
  EXPECT_EQ(first(), (Row{4, 0b1101, 20}));
  advise({{member_a.key(), {.confident = true, .quiesce = true, .weight = 20}}});
  given(one_state(member_a, false, 4), lb);
  EXPECT_EQ(first(), (Row{4, 0b1111, 0})) << "the GWM's own quiesce was lifted by the LB";
}

// sasp-interop rows 2 and 24.
TEST_F(RegistryTest, EchoesLabelAndAddressFormAsRegistered) {
  MemberData member = mapped(tcp("192.0.2.1", 80, "first label"));
  given(registers({group("LB1", "GRP1", {member})}), lb);
  given(one_state(tcp("192.0.2.1", 80, "second label"), true, 0), lb);
  EXPECT_EQ(weights("LB1", "GRP1", lb)[0].member, member);
}

// sasp-interop rows 29 and 30.
TEST_F(RegistryTest, TellsOfGroupsWithoutMembersAndOfNone) {
  given(registers({group("LB1", "GRP1", {member_a}), group("LB1", "GRP2")}), lb);
  given(deregisters({group("LB1", "GRP1", {member_a})}), lb);
  const auto all = [&] { return std::get<GetWeightsReply>(handle(asks({{"LB1", ""}}), lb).reply); };
  EXPECT_EQ(all(),
            (GetWeightsReply{
                ReturnCode::successful, 10, {{{"LB1", "GRP1"}, {}}, {{"LB1", "GRP2"}, {}}}}));
  given(deregisters({group("LB1", "")}), lb);
  EXPECT_EQ(all(), (GetWeightsReply{ReturnCode::successful, 10, {}}));
}

TEST_F(RegistryTest, AnswersInTheOrderAsked) {
  given(registers({group("LB1", "a"), group("LB1", "b")}), lb);
  const auto reply =
      std::get<GetWeightsReply>(handle(asks({{"LB1", "b"}, {"LB1", "a"}}), lb).reply);
  ASSERT_EQ(reply.groups.size(), 2U);
  EXPECT_EQ(reply.groups[0].group.name, "b");
}

// sasp-interop row 44, over one group and not over all.
TEST_F(RegistryTest, GivesAGroupWithoutAnyWeightOneEach) {
  given_three_members();
  given(registers({group("LB1", "GRP2", {member_a})}), lb);
  manager.use({{"GRP1", {{member_a.key(), {.confident = true}}}},
               {"GRP2", {{member_a.key(), {.confident = true, .weight = 9}}}}},
              now);
  EXPECT_EQ(table(), (std::vector<Row>{{0, 0b1101, 1}, {0, 0b0101, 1}, {0, 0b0101, 1}}));
}

// Row 37: whatever its members do, an LB that is limited to groups keeps being told of these, as it
// is, while it is away, and under another authority.
TEST_F(RegistryTest, LetsNoMemberGiveAnLbAGroupThatItMayNotHave) {
  const auto limited_to = [](const std::string& name) {
    return *Authority::parse("* from=198.51.100.1 lb=LB1 group=" + name + "\n* member=own\n");
  };
  const auto joins = [&](const std::string& name) {
    return number(
        code_of(member_sends(registers({group("LB1", name, {member_a})}), member_a).reply));
  };
  const auto has = [&] {
    const auto reply = std::get<GetWeightsReply>(handle(asks({{"LB1", ""}}), lb).reply);
    EXPECT_EQ(number(reply.code), 0);
    return reply.groups.size();
  };
  use(limited_to("web"));
  given(lb_state("LB1", lb_flag::trust), lb);
  EXPECT_EQ(joins("web"), 0);
  EXPECT_EQ(joins("x"), 0x11);
  EXPECT_EQ(has(), 1U);
  manager.disconnected(lb, start);
  EXPECT_EQ(joins("x"), 0x11) << "it is away";
  use(limited_to("w*"));
  EXPECT_EQ(joins("wiki"), 0);
  use(limited_to("*"));
  EXPECT_EQ(joins("x"), 0);
  EXPECT_EQ(has(), 3U);
}

TEST_F(RegistryTest, LetsNoMemberGiveAnLbThatIsAwayAGroupThatWasTakenFromIt) {
  use(*Authority::parse("* from=198.51.100.1 lb=LB1\n* member=own\n"));
  given(lb_state("LB1", lb_flag::trust), lb);
  manager.disconnected(lb, start);
  use(*Authority::parse("* from=198.51.100.1 lb=LB1 group=web\n* member=own\n"));
  EXPECT_NE(member_sends(registers({group("LB1", "x", {member_a})}), member_a).refusal, "");
  EXPECT_EQ(number(code_of(handle(asks({{"LB1", ""}}), lb).reply)), 0);
}

TEST_F(RegistryTest, StopsBelievingMembersWhenTheLbTakesItsTrustBack) {
  given_three_members();
  given(lb_state("LB1", lb_flag::trust), lb);
  EXPECT_EQ(member_sends(one_state(member_a, true, 0), member_a).refusal, "");
  given(lb_state("LB1"), lb);
  EXPECT_EQ(number(code_of(member_sends(one_state(member_a, false, 0), member_a).reply)), 0x11);
}

// RFC 4678 9.1, sasp-interop row 35.
TEST_F(RegistryTest, KeepsALostLbForTheTimeOfRetention) {
  given_three_members();
  EXPECT_FALSE(manager.deadline());
  manager.disconnected(lb, start);
  EXPECT_EQ(manager.deadline(), start + seconds{300});
  EXPECT_TRUE(manager.forget_expired(start + seconds{300} - std::chrono::nanoseconds{1}).empty());
  EXPECT_EQ(written(manager).empty(), false);
  EXPECT_EQ(manager.forget_expired(start + seconds{300}), std::vector<std::string>{"LB1"});
  EXPECT_EQ(written(manager), "");
  EXPECT_FALSE(manager.deadline());
}

TEST_F(RegistryTest, GivesAnLbThatComesBackInTimeAllItHad) {
  given_three_members();
  given(lb_state("LB1", lb_flag::trust), lb);
  const std::string before = written(manager);
  manager.disconnected(lb, start);
  const Outcome outcome = handle(asks({{"LB1", ""}}), 2);
  EXPECT_EQ(outcome.refusal, "");
  EXPECT_EQ(outcome.attached, "LB1");
  EXPECT_FALSE(outcome.replaced);
  EXPECT_FALSE(manager.deadline());
  EXPECT_TRUE(manager.forget_expired(start + seconds{1000}).empty());
  EXPECT_EQ(written(manager), before);
}

// While it is away, its members may go on (sasp-interop row 45).
TEST_F(RegistryTest, ListensToTheMembersOfALostLb) {
  given_three_members();
  given(lb_state("LB1", lb_flag::trust), lb);
  manager.disconnected(lb, start);
  EXPECT_EQ(member_sends(one_state(member_a, true, 0), member_a).refusal, "");
  EXPECT_TRUE(manager.deadline()) << "a member's message does not bring the LB back";
}

TEST_F(RegistryTest, ForgetsAtOnceWithoutRetention) {
  RegistryConfig config;
  config.retention = seconds{0};
  RegistryFixture gwm(config);
  gwm.given(registers({group("LB1", "GRP1")}), lb);
  gwm.manager.disconnected(lb, start);
  EXPECT_EQ(gwm.manager.forget_expired(start).size(), 1U);
}

// RFC 4678 9.1, sasp-interop row 36.
TEST_F(RegistryTest, LetsANewConnectionReplaceTheOld) {
  given_three_members();
  const Outcome outcome = handle(lb_state("LB1", lb_flag::trust), 2);
  EXPECT_EQ(outcome.attached, "LB1");
  EXPECT_EQ(outcome.replaced, lb);
  EXPECT_EQ(manager.load_balancers().at("LB1").replacements, 1U);
  manager.disconnected(lb, start);
  EXPECT_FALSE(manager.deadline()) << "the end of the old one is not the end of the LB";
  EXPECT_EQ(manager.attached_to(lb), nullptr);
  EXPECT_EQ(*manager.attached_to(2), "LB1");
}

TEST_F(RegistryTest, DoesNotReplaceAConnectionByItself) {
  given_three_members();
  const Outcome outcome = handle(asks({{"LB1", ""}}), lb);
  EXPECT_FALSE(outcome.attached);
  EXPECT_FALSE(outcome.replaced);
}

TEST_F(RegistryTest, DoesNotReplaceAConnectionForARefusedRequest) {
  given_three_members();
  EXPECT_FALSE(handle(asks({{"LB1", "none"}}), 2).attached);
  EXPECT_FALSE(handle(registers({group("LB1", "GRP1", {member_a})}), 2).attached);
  EXPECT_EQ(*manager.attached_to(lb), "LB1");
}

TEST_F(RegistryTest, DoesNotTakeAMemberForItsLb) {
  given_three_members();
  given(lb_state("LB1", lb_flag::trust), lb);
  const Outcome outcome = member_sends(one_state(member_a, true, 0), member_a);
  EXPECT_FALSE(outcome.attached);
  EXPECT_EQ(*manager.attached_to(lb), "LB1");
}

// ---- What members may take of everybody's room

class SelfRegistration : public testing::Test {
 protected:
  static RegistryConfig small() {
    RegistryConfig config;
    config.max_self_registered = 3;
    config.max_groups = 10;
    config.max_members = 10;
    return config;
  }
  SelfRegistration() : gwm_(small()) {
    gwm_.given(lb_state("LB1", lb_flag::trust), lb);
    gwm_.given(lb_state("LB2", lb_flag::trust), 2);
  }
  Outcome member(const Message& request, const std::string& address = "192.0.2.1") {
    return gwm_.handle(by_member(request), 99, address);
  }
  // How many of 20 are accepted: the n-th of them.
  int accepted_of_20(const std::function<Message(int)>& request) {
    int accepted = 0;
    for (int n = 1; n <= 20; ++n)
      accepted += code_of(member(request(n)).reply) == ReturnCode::successful ? 1 : 0;
    return accepted;
  }
  // Another member and another LB still have room.
  void expect_room_for_others() {
    EXPECT_EQ(member(registers({group("LB1", "mail", {member_b})}), "192.0.2.2").refusal, "");
    EXPECT_EQ(gwm_.handle(registers({group("LB2", "web", {member_c})}), 2).refusal, "");
  }
  RegistryFixture gwm_;
};

TEST_F(SelfRegistration, OfAllPortsOfAnAddressEnds) {
  EXPECT_EQ(
      accepted_of_20([](int n) {
        const auto port = static_cast<std::uint16_t>(n);
        return registers({group(n % 2 == 0 ? "LB1" : "LB2", "web", {tcp("192.0.2.1", port)})});
      }),
      3);
  EXPECT_EQ(member(registers({group("LB1", "web", {tcp("192.0.2.1", 99)})})).refusal,
            "0x11 not accepted from this sender: limit of 3 members that 192.0.2.1 may register by "
            "itself reached, see --max-self-registered");
  expect_room_for_others();
}

TEST_F(SelfRegistration, InManyGroupsEnds) {
  EXPECT_EQ(accepted_of_20(
                [](int n) { return registers({group("LB1", fmt::format("g{}", n), {member_a})}); }),
            3);
  expect_room_for_others();
}

TEST_F(SelfRegistration, OfAllInOneRequestEnds) {
  std::vector<MemberData> ports;
  std::vector<GroupOfMemberData> groups;
  for (std::uint16_t n = 1; n <= 4; ++n) {
    ports.push_back(tcp("192.0.2.1", n));
    groups.push_back(group("LB1", fmt::format("g{}", n), {member_a}));
  }
  EXPECT_EQ(number(code_of(member(registers({group("LB1", "web", ports)})).reply)), 0x11);
  EXPECT_EQ(number(code_of(member(registers(groups)).reply)), 0x11);
  ports.pop_back();
  EXPECT_EQ(number(code_of(member(registers({group("LB1", "web", ports)})).reply)), 0);
}

// Row 29: groups stay when their last member leaves.
TEST_F(SelfRegistration, OfOneGroupAfterTheOtherEnds) {
  int accepted = 0;
  std::string refusal;
  for (int n = 1; n <= 20; ++n) {
    const auto one = group("LB1", fmt::format("g{}", n), {member_a});
    refusal = member(registers({one})).refusal;
    if (!refusal.empty()) continue;
    ++accepted;
    EXPECT_EQ(member(deregisters({one})).refusal, "");
  }
  EXPECT_EQ(accepted, 3);
  EXPECT_NE(refusal.find("limit of 3 groups that 192.0.2.1 may register by itself reached"),
            std::string::npos)
      << refusal;
  expect_room_for_others();
}

TEST_F(SelfRegistration, CountsWhatIsThere) {
  const auto three = group("LB1", "web", {tcp("192.0.2.1", 1), tcp("192.0.2.1", 2), member_a});
  const auto one_more = [&] {
    return member(registers({group("LB2", "x", {tcp("192.0.2.1", 4)})})).refusal.empty();
  };
  const auto given = [&](const Message& request) { ASSERT_EQ(member(request).refusal, ""); };
  given(registers({three}));
  EXPECT_FALSE(one_more());
  given(deregisters({group("LB1", "web", {member_a})}));
  EXPECT_TRUE(one_more());
  gwm_.given(deregisters({group("LB2", "x")}), 2);
  EXPECT_TRUE(one_more());
  gwm_.given(deregisters({group("LB1", "")}), lb);
  gwm_.manager.disconnected(2, start);
  gwm_.manager.forget_expired(start + seconds{300});
  EXPECT_TRUE(gwm_.manager.self_registered().empty());
  given(registers({three}));
}

TEST_F(SelfRegistration, OfAGroupThatTheLbWantsDoesNotCount) {
  for (int n = 1; n <= 6; ++n) {
    const auto one = group("LB1", fmt::format("g{}", n), {member_a});
    EXPECT_EQ(member(registers({one})).refusal, "");
    gwm_.given(registers({group("LB1", one.group.name)}), lb);
    EXPECT_EQ(member(deregisters({one})).refusal, "");
  }
  EXPECT_TRUE(gwm_.manager.self_registered().empty());
}

// Whoever may choose the address pays itself.
TEST_F(SelfRegistration, ForAnyAddressCountsForThePeer) {
  gwm_.use(Authority(true));
  const auto registers_for = [&](const std::string& peer, int first) {
    int accepted = 0;
    for (int n = first; n < first + 5; ++n) {
      const auto one = group("LB1", "web", {tcp(fmt::format("10.0.0.{}", n))});
      accepted += member(registers({one}), peer).refusal.empty() ? 1 : 0;
    }
    return accepted;
  };
  EXPECT_EQ(registers_for("192.0.2.1", 1), 3);
  EXPECT_EQ(registers_for("192.0.2.2", 11), 3);
}

// Requests of every kind over few names, so that they meet: a refusal changes nothing, and what is
// told of sizes is what the encoder makes of it.
TEST_F(RegistryTest, KeepsItsBooksInAnyOrderOfRequests) {
  std::mt19937 random(4678);
  const auto any = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  const auto uid = [&] { return fmt::format("LB{}", any(3)); };
  const auto name = [&] { return any(8) == 0 ? std::string() : fmt::format("group{}", any(4)); };
  const auto member = [&] {
    return tcp(fmt::format("192.0.2.{}", any(5) + 1), 80,
               std::string(static_cast<std::size_t>(any(4)), 'l'));
  };
  const auto request = [&]() -> Message {
    std::vector<GroupOfMemberData> groups;
    std::vector<GroupOfMemberStates> member_states;
    std::vector<GroupData> names;
    const std::string lb_uid = uid();
    for (int i = any(3); i >= 0; --i) {
      groups.push_back(group(lb_uid, name()));
      member_states.push_back(states(lb_uid, name()));
      names.push_back({lb_uid, name()});
      for (int j = any(3); j > 0; --j) {
        groups.back().items.push_back(member());
        member_states.back().items.push_back(state(member(), any(2) == 0, 7));
      }
    }
    switch (any(5)) {
      case 0: return registers(groups);
      case 1: return deregisters(groups);
      case 2: return sets(member_states);
      case 3: return lb_state(lb_uid, any(2) == 0 ? lb_flag::trust : std::uint8_t{0});
      default: return asks(names);
    }
  };
  // What members registered by themselves, added up anew.
  const auto self_registered = [&] {
    SelfRegistered sums;
    for (const auto& [lb_uid, each] : manager.load_balancers()) {
      for (const auto& [group_name, debtor] : each.self_registered)
        sums[debtor] += {1, 0, 12 + lb_uid.size() + group_name.size()};
      for (const auto& [group_name, members] : each.groups) {
        for (const auto& [key, m] : members) {
          if (!m.registered_by_lb) sums[m.debtor] += {0, 1, 32 + m.data.label.size()};
        }
      }
    }
    return sums;
  };
  int accepted = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string before = written(manager);
    const auto connection = static_cast<ConnectionId>(any(4));
    const bool from_member = any(4) == 0;
    const Message sent = from_member ? by_member(request()) : request();
    const Outcome outcome = handle(sent, connection, fmt::format("192.0.2.{}", any(5) + 1));
    const bool refused = code_of(outcome.reply) != ReturnCode::successful;
    accepted += refused ? 0 : 1;
    if (refused) {
      ASSERT_EQ(written(manager), before) << outcome.refusal;
    }
    if (any(10) == 0) manager.disconnected(connection, start + seconds{i});
    if (any(50) == 0) manager.forget_expired(start + seconds{i});
    ASSERT_EQ(manager.self_registered(), self_registered());
    for (const auto& [lb_uid, each] : manager.load_balancers()) {
      LoadBalancer copy = each;
      const auto groups = Publisher({}, manager.weigher(), manager.total())
                              .answer(copy, lb_uid, {{lb_uid, ""}}, now);
      const Message reply = GetWeightsReply{ReturnCode::successful, 10, groups};
      std::size_t members = 0;
      for (const auto& g : groups)
        members += g.items.size();
      ASSERT_EQ(each.extent, (Extent{groups.size(), members, encode({1, reply})->size() - 22}));
    }
  }
  EXPECT_GT(accepted, 500);
}

}  // namespace
}  // namespace saspd::gwm
