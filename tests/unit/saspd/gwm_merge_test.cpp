// SPDX-License-Identifier: Apache-2.0
#include "controller/saspd/gwm_merge.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace saspd::director {
namespace {

using namespace sasp::weight_flag;
constexpr std::uint8_t good = contact | confident | registered_by_lb;

sasp::MemberKey member(unsigned n) {
  return {IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, 0, static_cast<std::uint8_t>(n)}), 6,
          80};
}

// A word for each server: a weight; "q" quiesced, "x" out of contact, "?" not known, "-" nothing.
AdviceByMember advice(const std::string& text) {
  AdviceByMember all;
  unsigned n = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    at = end + 1;
    ++n;
    if (word == "-") continue;
    Advice& of = all[member(n)];
    if (word == "q") {
      of.flags = good | quiesce;
    } else if (word == "x") {
      of.flags = confident;
    } else if (word == "?") {
      of.flags = contact;
      of.weight = 99;
    } else {
      of.flags = good;
      of.weight = static_cast<std::uint16_t>(std::stoul(word));
    }
  }
  return all;
}

std::string text(const AdviceByMember& all, unsigned servers) {
  std::string text;
  for (unsigned n = 1; n <= servers; ++n) {
    const auto found = all.find(member(n));
    text += n == 1 ? "" : " ";
    if (found == all.end())
      text += "-";
    else if (found->second.quiesced())
      text += "q";
    else if (!found->second.contact())
      text += "x";
    else
      text += found->second.confident() ? std::to_string(found->second.weight) : "?";
  }
  return text;
}

std::string merge(const std::vector<AdviceByMember>& gwms, GwmMerge how, unsigned servers) {
  std::vector<GwmWords> words;
  for (const auto& one : gwms)
    words.push_back({&one, true, {}, {}});
  return text(merged(words, how), servers);
}

struct Case {
  std::string name;
  std::vector<std::string> gwms;
  std::string mean, min, max;
};

TEST(Merge, OfEachCase) {
  const std::vector<Case> cases{
      {"one alone", {"40 0 q x ? 7"}, "40 0 q x ? 7", "40 0 q x ? 7", "40 0 q x ? 7"},
      {"the same twice",
       {"40 30 1 65535", "40 30 1 65535"},
       "40 30 1 65535",
       "40 30 1 65535",
       "40 30 1 65535"},
      {"the same on another scale",
       {"10 20 30", "100 200 300"},
       "55 110 165",
       "55 110 165",
       "55 110 165"},
      {"opposite", {"10 30", "30 10"}, "20 20", "10 10", "30 30"},
      {"a zero of one", {"10 0 10", "10 10 10"}, "10 5 10", "10 0 10", "10 10 10"},
      {"a zero of all", {"10 0", "10 0"}, "10 0", "10 0", "10 0"},
      {"out of contact with one", {"10 x 10", "10 10 10"}, "10 5 10", "10 x 10", "10 10 10"},
      {"out of contact with all", {"10 x 10", "10 x 10"}, "10 x 10", "10 x 10", "10 x 10"},
      {"quiesced by one", {"10 q 10", "10 10 10"}, "10 q 10", "10 q 10", "10 q 10"},
      {"quiesced by one, lost by the other", {"10 q", "10 x"}, "10 q", "10 q", "10 q"},
      {"not known to one", {"10 ? 10", "30 30 30"}, "20 20 20", "20 20 20", "20 20 20"},
      {"not known to any", {"10 ?", "10 ?"}, "10 ?", "10 ?", "10 ?"},
      {"not known to one, lost by the other", {"10 ?", "10 x"}, "10 x", "10 x", "10 x"},
      {"not named by one", {"10 - 10", "30 15 30"}, "20 10 20", "20 10 20", "20 10 20"},
      {"no member in common", {"8 -", "- 4"}, "6 6", "6 6", "6 6"},
      {"one says that all are lost", {"x x", "10 20"}, "5 10", "x x", "10 20"},
      {"a weight that would vanish",
       {"1 60000 60000", "1 60000 60000"},
       "1 60000 60000",
       "1 60000 60000",
       "1 60000 60000"},
      {"a small one beside a great scale",
       {"1 64", "1 65535"},
       "253 32548",
       "1 32296",
       "505 32800"},
      {"the greatest weight there is", {"1 65535", "65535 1"}, "32768 32768", "1 1", "65535 65535"},
      {"one that would not fit",
       {"65535 1 1", "60000 60000 60000"},
       "43690 10923 10923",
       "21846 1 1",
       "65535 21846 21846"},
      {"three", {"10 10", "20 10", "30 10"}, "19 11", "15 8", "23 15"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    std::vector<AdviceByMember> gwms;
    for (const auto& words : each.gwms)
      gwms.push_back(advice(words));
    const auto servers =
        static_cast<unsigned>(std::count(each.mean.begin(), each.mean.end(), ' ') + 1);
    EXPECT_EQ(merge(gwms, GwmMerge::mean, servers), each.mean);
    EXPECT_EQ(merge(gwms, GwmMerge::min, servers), each.min);
    EXPECT_EQ(merge(gwms, GwmMerge::max, servers), each.max);
  }
}

// What was dropped from the last full picture is no word.
TEST(Merge, LeavesOutWhatAGwmDoesNotSpeakOfAnyMore) {
  auto first = advice("10 10");
  auto second = advice("20 40");
  first.at(member(1)).received = TimePoint{std::chrono::seconds{5}};
  const std::vector<GwmWords> words{{&first, true, {}, TimePoint{std::chrono::seconds{5}}},
                                    {&second, true, {}, {}}};
  EXPECT_EQ(text(merged(words, GwmMerge::mean), 2), "15 30");
}

std::vector<AdviceByMember> any_advice(std::mt19937& dice, unsigned servers) {
  const auto below = [&dice](unsigned limit) { return static_cast<unsigned>(dice() % limit); };
  std::vector<AdviceByMember> gwms(1 + below(4));
  for (auto& one : gwms) {
    const unsigned scale = 1U << below(17);
    for (unsigned n = 1; n <= servers; ++n) {
      if (below(6) == 0) continue;
      int flags = good;
      if (below(6) == 0) flags &= ~contact;
      if (below(6) == 0) flags &= ~confident;
      if (below(12) == 0) flags |= quiesce;
      one[member(n)] = {static_cast<std::uint16_t>(below(8) == 0 ? 0 : below(scale)),
                        static_cast<std::uint8_t>(flags),
                        static_cast<std::uint8_t>(below(4)),
                        {}};
    }
  }
  return gwms;
}

TEST(Merge, DoesNotDependOnTheOrderOfTheGwms) {
  std::mt19937 dice(1);
  constexpr unsigned servers = 6;
  for (int times = 0; times < 2000; ++times) {
    auto gwms = any_advice(dice, servers);
    for (const auto how : {GwmMerge::mean, GwmMerge::min, GwmMerge::max}) {
      const auto expected = merge(gwms, how, servers);
      for (int order = 0; order < 3; ++order) {
        std::shuffle(gwms.begin(), gwms.end(), dice);
        ASSERT_EQ(merge(gwms, how, servers), expected) << times;
      }
    }
  }
}

// The mean lies between the two, and nothing of one GWM alone gives a weight that it does not give.
TEST(Merge, IsOrderedAndOfOneGwmWhatItSays) {
  std::mt19937 dice(2);
  constexpr unsigned servers = 6;
  const auto of = [](const std::vector<AdviceByMember>& gwms, GwmMerge how) {
    std::vector<GwmWords> words;
    for (const auto& one : gwms)
      words.push_back({&one, true, {}, {}});
    return merged(words, how);
  };
  for (int times = 0; times < 2000; ++times) {
    const auto gwms = any_advice(dice, servers);
    const auto mean = of(gwms, GwmMerge::mean);
    const auto least = of(gwms, GwmMerge::min);
    const auto greatest = of(gwms, GwmMerge::max);
    for (const auto& [key, advice] : mean) {
      ASSERT_LE(least.at(key).weight, advice.weight) << times;
      ASSERT_LE(advice.weight, greatest.at(key).weight) << times;
    }
    const std::vector one{gwms.front()};
    for (const auto& [key, advice] : of(one, GwmMerge::mean)) {
      const auto& said = gwms.front().at(key);
      const bool has_work = said.contact() && said.confident() && !said.quiesced();
      ASSERT_EQ(advice.weight, has_work ? said.weight : 0) << times;
      ASSERT_EQ(advice.flags, said.flags) << times;
    }
  }
}

}  // namespace
}  // namespace saspd::director
