// SPDX-License-Identifier: Apache-2.0
// What must hold of every table, on random members. A failure prints the seed that made them.
#include "bpf/maglev.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace saspd::bpf {
namespace {

Endpoint endpoint(std::uint32_t i) {
  const std::array<std::uint8_t, 4> address = {10, static_cast<std::uint8_t>(i >> 16U),
                                               static_cast<std::uint8_t>(i >> 8U),
                                               static_cast<std::uint8_t>(i)};
  return {IpAddress::v4(address), 80};
}

std::vector<Member> members_of(const std::vector<std::uint32_t>& weights) {
  std::vector<Member> members;
  for (const std::uint32_t weight : weights) {
    const auto number = static_cast<std::uint16_t>(members.size() + 1);
    members.push_back({endpoint(number), number, weight});
  }
  return members;
}

std::uint64_t total_of(const std::vector<Member>& members) {
  std::uint64_t total = 0;
  for (const Member& member : members)
    total += member.weight;
  return total;
}

// 1..2000 members whose weights are equal, small, of the whole range of the protocol, or one huge
// beside tiny ones; some of them zero.
class RandomMembers : public ::testing::TestWithParam<unsigned> {
 protected:
  RandomMembers() : random_(GetParam()) {
    const std::size_t count = pick({1, 2, 3, 10, 100, 999, 2000});
    const std::uint32_t highest = pick({1, 10, 100, 65535, 0x7FFFFFFF});
    const bool skewed = uniform(0, 3) == 0;
    const bool with_zeros = uniform(0, 1) == 0;
    std::vector<std::uint32_t> weights(count);
    for (auto& weight : weights)
      weight = skewed ? 1 : uniform(with_zeros ? 0 : 1, highest);
    if (skewed) weights[uniform(0, static_cast<std::uint32_t>(count - 1))] = highest;
    members_ = members_of(weights);
  }

  // One of the things that happen to members between two reports.
  void change_something() {
    Member& one = members_[uniform(0, static_cast<std::uint32_t>(members_.size() - 1))];
    switch (uniform(0, 5)) {
      case 0: one.weight /= 2; break;
      case 1: one.weight = 0; break;
      case 2: one.weight = one.weight * 9 / 10 + 1; break;
      case 3:
        for (Member& member : members_)
          member.weight = member.weight / 10 * uniform(9, 11) + 1;
        break;
      case 4:
        if (members_.size() > 1) members_.erase(members_.begin());
        break;
      default:
        one.endpoint = endpoint(0x010000U + uniform(0, 0xFFFF));  // another has its number
        one.weight = uniform(1, 100);
    }
  }

  std::uint32_t uniform(std::uint32_t low, std::uint32_t high) {
    return std::uniform_int_distribution<std::uint32_t>(low, high)(random_);
  }
  std::uint32_t pick(std::initializer_list<std::uint32_t> choices) {
    return std::data(choices)[uniform(0, static_cast<std::uint32_t>(choices.size() - 1))];
  }

  std::mt19937 random_;
  std::vector<Member> members_;
};

std::vector<std::uint32_t> shares(const SlotTable& table, const std::vector<Member>& members) {
  std::map<std::uint16_t, std::uint32_t> of_number;
  for (const std::uint16_t owner : table)
    ++of_number[owner];
  std::vector<std::uint32_t> shares;
  for (const Member& member : members)
    shares.push_back(of_number[member.number]);
  return shares;
}

// The exact shares in slots, in long double and by the definition: as long as somebody is due less
// than one slot it gets one, and the others share the rest.
std::vector<long double> exact_shares(const std::vector<Member>& members, std::uint32_t slots) {
  std::vector<long double> exact(members.size(), 0);
  const auto positive = std::ranges::count_if(members, [](auto& m) { return m.weight > 0; });
  const bool at_least_one = positive <= slots;
  long double left = slots;
  auto weights = static_cast<long double>(total_of(members));
  for (bool settled = false; !settled;) {
    settled = true;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (members[i].weight == 0 || exact[i] == 1) continue;
      if (!at_least_one || members[i].weight * left >= weights) continue;
      exact[i] = 1;
      left -= 1;
      weights -= members[i].weight;
      settled = false;
    }
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (exact[i] == 0) exact[i] = weights > 0 ? members[i].weight * left / weights : 0;
  }
  return exact;
}

void expect_exact(const std::vector<std::uint32_t>& shares, const std::vector<Member>& members,
                  std::uint32_t slots = LB_SLOTS) {
  const auto exact = exact_shares(members, slots);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    total += shares[i];
    EXPECT_LT(std::abs(shares[i] - exact[i]), 1 - 1e-9L)
        << shares[i] << " of " << exact[i] << " slots at weight " << members[i].weight;
    EXPECT_TRUE(members[i].weight > 0 || shares[i] == 0);
  }
  EXPECT_EQ(total, total_of(members) > 0 ? slots : 0U);
}

std::size_t moved(const SlotTable& before, const SlotTable& after) {
  std::size_t moved = 0;
  for (std::size_t slot = 0; slot < before.size(); ++slot)
    moved += before[slot] != after[slot] ? 1U : 0U;
  return moved;
}

// The fewest slots that any table moves in which everybody is less than one slot off. What each has
// to gain at least, and of those who are to be rounded up besides, all who gain by it.
std::size_t unavoidable(const SlotTable& before, const std::vector<Member>& members) {
  if (total_of(members) == 0)
    return LB_SLOTS - static_cast<std::size_t>(std::ranges::count(before, 0));
  const auto held = shares(before, members);
  const auto exact = exact_shares(members, LB_SLOTS);
  long double gained = 0;
  long double to_round_up = LB_SLOTS;
  long double round_up_for_free = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto whole = std::floor(exact[i] + 1e-9L);
    const bool may_round_up = exact[i] - whole > 1e-9L;
    gained += std::max(0.0L, whole - held[i]);
    to_round_up -= whole;
    round_up_for_free += may_round_up && held[i] > whole ? 1 : 0;
  }
  return static_cast<std::size_t>(
      std::llround(gained + std::max(0.0L, to_round_up - round_up_for_free)));
}

TEST_P(RandomMembers, GetTheirExactShareToOneSlot) {
  expect_exact(quotas(members_), members_);
  expect_exact(shares(minimal({}, members_), members_), members_);
  expect_exact(shares(independent(members_), members_), members_);
}

TEST_P(RandomMembers, MoveNoMoreSlotsThanTheyMust) {
  SlotTable table = minimal({}, members_);
  for (int i = 0; i < 5; ++i) {
    change_something();
    const SlotTable next = minimal(table, members_);
    expect_exact(shares(next, members_), members_);
    EXPECT_EQ(moved(table, next), unavoidable(table, members_));
    table = next;
  }
}

TEST_P(RandomMembers, HaveTheSameTablesInAnyOrder) {
  const SlotTable before = minimal({}, members_);
  change_something();
  auto shuffled = members_;
  std::ranges::shuffle(shuffled, random_);
  EXPECT_EQ(shares(minimal(before, shuffled), members_),
            shares(minimal(before, members_), members_));
  EXPECT_EQ(independent(shuffled), independent(members_));
}

TEST_P(RandomMembers, HaveTheSameIndependentTableByWhateverNumbers) {
  auto renumbered = members_;
  for (Member& member : renumbered)
    member.number = static_cast<std::uint16_t>(60000 - member.number);
  SlotTable expected = independent(members_);
  for (auto& owner : expected)
    owner = static_cast<std::uint16_t>(owner == 0 ? 0 : 60000 - owner);
  EXPECT_EQ(independent(renumbered), expected);
}

TEST_P(RandomMembers, ShareFewSlotsToo) {
  for (const std::uint32_t slots : {1U, 2U, 7U, 100U, 1999U})
    expect_exact(quotas(members_, {}, slots), members_, slots);
}

INSTANTIATE_TEST_SUITE_P(Seed, RandomMembers, ::testing::Range(1U, 17U));

TEST(Quotas, GiveTheOddSlotToTheSameMemberInAnyOrder) {
  auto members = members_of({1, 1, 1, 1});  // 65537 = 4 * 16384 + 1
  EXPECT_EQ(quotas(members), (std::vector<std::uint32_t>{16385, 16384, 16384, 16384}));
  std::ranges::reverse(members);
  EXPECT_EQ(quotas(members), (std::vector<std::uint32_t>{16384, 16384, 16384, 16385}));
}

TEST(Quotas, GiveTheOddSlotToOneWhoHasItAlready) {
  const auto members = members_of({1, 1, 1, 1});
  EXPECT_EQ(quotas(members, std::vector<std::uint32_t>{16384, 16384, 16385, 16384}),
            (std::vector<std::uint32_t>{16384, 16384, 16385, 16384}));
}

TEST(Quotas, GiveASlotToEveryPositiveWeight) {
  auto members = members_of(std::vector<std::uint32_t>(1000, 1));
  members[500].weight = 65535 * 1000;
  const auto quota = quotas(members);
  EXPECT_EQ(std::ranges::count(quota, 1U), 999);
  EXPECT_EQ(quota[500], LB_SLOTS - 999U);
}

TEST(Quotas, GoToTheHighestWeightsWhenThereAreMoreMembersThanSlots) {
  EXPECT_EQ(quotas(members_of({1, 5, 1, 5, 1}), {}, 2),
            (std::vector<std::uint32_t>{0, 1, 0, 1, 0}));
}

TEST(Tables, LeadToNobodyWithoutAPositiveWeight) {
  const SlotTable nobody(LB_SLOTS, 0);
  const SlotTable full = minimal({}, members_of({1, 2}));
  for (const auto& members : {members_of({}), members_of({0}), members_of({0, 0, 0})}) {
    EXPECT_EQ(minimal({}, members), nobody);
    EXPECT_EQ(minimal(full, members), nobody);
    EXPECT_EQ(independent(members), nobody);
  }
  EXPECT_EQ(shares(minimal(nobody, members_of({1, 2})), members_of({1, 2})),
            (std::vector<std::uint32_t>{21846, 43691}));
}

TEST(Tables, OfEqualWeightsStayWhenNothingChanges) {
  const auto members = members_of(std::vector<std::uint32_t>(999, 7));
  const SlotTable table = minimal({}, members);
  EXPECT_EQ(minimal(table, members), table);
}

// A table made by another builder, or a pinned one of before a restart, is a table like any other.
TEST(MinimalTable, TakesOverAnIndependentOne) {
  auto members = members_of({10, 20, 30});
  const SlotTable before = independent(members);
  members[1].weight = 10;
  const SlotTable after = minimal(before, members);
  expect_exact(shares(after, members), members);
  EXPECT_EQ(moved(before, after), unavoidable(before, members));
}

TEST(MinimalTable, KeepsTheSlotsOfANumberThatAnotherBackendGot) {
  auto members = members_of({10, 20, 30});
  const SlotTable before = minimal({}, members);
  members[1].endpoint = endpoint(99);
  EXPECT_EQ(minimal(before, members), before);
}

TEST(MinimalTable, FillsTheSlotsOfNumbersThatAreGone) {
  auto members = members_of({10, 20, 30});
  const SlotTable before = minimal({}, members);
  members.erase(members.begin());
  const SlotTable after = minimal(before, members);
  EXPECT_EQ(std::ranges::count(after, 1), 0);
  expect_exact(shares(after, members), members);
}

TEST(MinimalTable, MovesSlotsOfEveryRegion) {
  auto members = members_of(std::vector<std::uint32_t>(10, 100));
  SlotTable table = minimal({}, members);
  for (const std::uint32_t weight : {50U, 100U, 20U, 80U}) {
    members[4].weight = weight;
    const SlotTable next = minimal(table, members);
    std::array<std::size_t, 16> of_region{};
    for (std::size_t slot = 0; slot < LB_SLOTS; ++slot)
      of_region[slot * 16 / LB_SLOTS] += table[slot] != next[slot] ? 1U : 0U;
    const auto [fewest, most] = std::ranges::minmax(of_region);
    EXPECT_GT(fewest, 0.8 * static_cast<double>(most)) << "weight " << weight;
    table = next;
  }
}

// Balancers of different versions share the flows of one router: what is computed must not change.
// (FNV-1a over the table's numbers; recomputing it is no way out of a failure here.)
TEST(IndependentTable, IsTheSameInEveryVersion) {
  auto members = members_of({1, 10, 100, 1000, 65535, 0, 50});
  members.push_back({*Endpoint::parse("[2001:db8::1]:443"), 8, 700});
  std::uint32_t hash = 0x811C9DC5;
  for (const std::uint16_t owner : independent(members))
    hash = (hash ^ owner) * 0x01000193;
  EXPECT_EQ(hash, 0xDC585A75U);
}

// The slots whose owner changes, beside those that no table could have kept.
TEST(IndependentTable, KeepsMostSlotsThroughAChange) {
  std::mt19937 random(7);
  for (const std::size_t count : {10U, 100U, 1000U}) {
    std::vector<std::uint32_t> weights(count);
    for (auto& weight : weights)
      weight = std::uniform_int_distribution<std::uint32_t>(1, 100)(random);
    auto members = members_of(weights);
    const SlotTable before = independent(members);
    members[count / 2].weight /= 2;
    EXPECT_LT(moved(before, independent(members)), unavoidable(before, members) + LB_SLOTS / 100);
    members[count / 2].weight = 0;
    EXPECT_LT(moved(before, independent(members)), unavoidable(before, members) + LB_SLOTS / 100);
  }
}

}  // namespace
}  // namespace saspd::bpf
