// SPDX-License-Identifier: Apache-2.0
// A data plane with less room than is wanted: what fits is steered, the rest has an alarm.

#include <algorithm>

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

class Room : public ReconcilerTest {
 protected:
  Room() {
    plane_.table.clear();
    ServiceSettings service = plain_service(web);
    service.manage.emplace();
    service.manage->service.scheduler = "minimal";
    settings_.groups = {{"web", {service}, {}}};
    settings_.own_table = true;
    settings_.trust = true;
    settings_.chunk = std::numeric_limits<std::size_t>::max();
  }
  void configure(std::initializer_list<unsigned> servers) {
    for (const unsigned n : servers)
      settings_.groups[0].members[server(n)] = {};
  }
  // What a GWM says of configured ones and of those that registered themselves.
  void tell(const std::map<unsigned, std::uint16_t>& weights) {
    sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
    for (const auto& [n, weight] : weights) {
      const bool ours = settings_.groups[0].members.contains(server(n));
      const auto flags = static_cast<std::uint8_t>(
          ours ? good : sasp::weight_flag::contact | sasp::weight_flag::confident);
      advice.items.push_back(
          {sasp::MemberData::of(member_of(plain_service(web), server(n))), 0, flags, weight});
    }
    reconciler().update(0, {{advice}, 1, true}, now_);
  }
  std::vector<std::string> alarms() {
    std::vector<std::string> details;
    for (const auto& [group, alarms] : reconciler().alarms()) {
      for (const auto& alarm : alarms) {
        if (alarm.name == "no_room" && alarm.urgent) details.push_back(alarm.detail);
      }
    }
    return details;
  }
  bool exists(unsigned n) { return plane_.table.at(web).destinations.contains(server(n)); }
};

TEST_F(Room, IsForTheConfiguredBeforeThoseWhoRegisteredThemselves) {
  configure({7, 8});
  plane_.room = 3;
  tell({{1, 10}, {2, 10}, {3, 10}, {7, 10}, {8, 10}});
  EXPECT_TRUE(pass().empty()) << "to be refused is no failure";
  EXPECT_TRUE(exists(7) && exists(8) && exists(1));
  EXPECT_EQ(alarms(),
            std::vector<std::string>{"10.0.0.2:8080, 10.0.0.3:8080 get no connections: full"});
  EXPECT_EQ(reason(3), Reason::unbound);
}

TEST_F(Room, TheOthersAreSteeredAndNothingIsListedForIt) {
  configure({7, 8});
  plane_.room = 2;
  tell({{1, 10}, {7, 10}, {8, 10}});
  pass();
  const auto lists = plane_.lists;
  tell({{1, 10}, {7, 0}, {8, 10}});
  pass();
  EXPECT_EQ(kernel(), "0 10");
  for (int round = 0; round < 5; ++round)
    EXPECT_TRUE(pass().empty());
  EXPECT_EQ(plane_.lists, lists);
  EXPECT_EQ(alarms().size(), 1U);
}

TEST_F(Room, IsAskedForAgainAndTheAlarmEnds) {
  configure({1, 2});
  plane_.room = 1;
  tell({{1, 10}, {2, 20}});
  pass();
  EXPECT_TRUE(exists(1));
  EXPECT_FALSE(exists(2));
  for (int round = 0; round < 3; ++round) {
    reconcile();
    EXPECT_TRUE(exists(1)) << "who was served stays";
    EXPECT_EQ(alarms().size(), 1U);
  }
  plane_.room = 2;
  reconcile();
  EXPECT_EQ(kernel(), "10 20");
  EXPECT_TRUE(alarms().empty());
}

TEST_F(Room, NamesAFewAndCountsTheRest) {
  plane_.room = 1;
  configure({1, 2, 3, 4, 5, 6, 7, 8, 9});
  tell({{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}, {7, 1}, {8, 1}, {9, 1}});
  pass();
  ASSERT_EQ(alarms().size(), 1U);
  EXPECT_NE(alarms()[0].find("10.0.0.6:8080 and 3 more get no connections"), std::string::npos)
      << alarms()[0];
}

}  // namespace
}  // namespace saspd::director
