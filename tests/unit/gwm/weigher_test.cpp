#include "controller/gwm/weigher.hpp"

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using namespace sasp;

WeightEntry entry(const Advice& advice, bool quiesced = false, bool registered_by_lb = true) {
  return weight_entry({}, 0, quiesced, registered_by_lb, advice);
}

// RFC 4678 5.3 and the GWM column of sasp-interop rows 6 and 43.
TEST(WeightEntry, FollowsFromAdviceAndWhoRegisteredAndQuiesced) {
  struct Case {
    const char* name;
    Advice advice;
    bool quiesced;
    bool registered_by_lb;
    std::uint8_t flags;
    std::uint16_t weight;
  };
  const Case cases[] = {
      {"weight", {.confident = true, .weight = 40}, false, true, 0b1101, 40},
      {"self registered", {.confident = true, .weight = 40}, false, false, 0b1001, 40},
      {"quiesced", {.confident = true, .weight = 40}, true, true, 0b1111, 0},
      {"quiesced by the gwm",
       {.confident = true, .quiesce = true, .weight = 40},
       false,
       true,
       0b1111,
       0},
      {"down", {.contact = false, .confident = true, .weight = 40}, false, true, 0b1100, 0},
      {"unknown", {}, false, true, 0b0101, 0},
  };
  for (const Case& c : cases) {
    const WeightEntry got = weight_entry({}, 0x32, c.quiesced, c.registered_by_lb, c.advice);
    EXPECT_EQ(got.flags, c.flags) << c.name;
    EXPECT_EQ(got.weight, c.weight) << c.name;
    EXPECT_EQ(got.state, 0x32) << c.name;
  }
}

TEST(Weigher, KnowsNothingOfAMemberThatIsNotListed) {
  const MemberKey member{*IpAddress::parse("192.0.2.1"), 6, 80};
  Weigher weigher;
  EXPECT_EQ(weigher.advice("web", member), Advice{});
  weigher.use({{"web", {{member, {.confident = true, .weight = 7}}}}});
  EXPECT_EQ(weigher.advice("web", member).weight, 7);
  EXPECT_EQ(weigher.advice("other", member), Advice{});
  MemberKey another = member;
  another.port = 81;
  EXPECT_EQ(weigher.advice("web", another), Advice{});
}

// sasp-interop row 44.
TEST(SpreadIfAllZero, GivesOneToEachAvailableMember) {
  std::vector<WeightEntry> group = {entry({.confident = true}), entry({}),
                                    entry({.confident = true}, true),
                                    entry({.contact = false, .confident = true})};
  spread_if_all_zero(group);
  EXPECT_EQ(group[0].weight, 1);
  EXPECT_EQ(group[1].weight, 1);
  EXPECT_EQ(group[2].weight, 0);
  EXPECT_EQ(group[3].weight, 0);
}

TEST(SpreadIfAllZero, LeavesAGroupWithAnyWeightAlone) {
  std::vector<WeightEntry> group = {entry({.confident = true}),
                                    entry({.confident = true, .weight = 3})};
  const auto before = group;
  spread_if_all_zero(group);
  EXPECT_EQ(group, before);
}

}  // namespace
}  // namespace saspd::gwm
