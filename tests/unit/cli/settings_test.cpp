// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/settings.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "controller/cli/cli.hpp"

namespace saspd::cli {
namespace {

using Lines = std::vector<std::string>;

Settings one(std::vector<std::string> values, bool is_list = true) {
  return {{"member", std::move(values), is_list, true}};
}
Lines lines(const Settings& before, const Settings& after) {
  Lines all;
  for (const auto& change : difference(before, after)) {
    for (auto& line : change.lines())
      all.push_back(std::move(line));
  }
  return all;
}

TEST(Difference, IsEmptyWhereNothingHasChanged) {
  EXPECT_EQ(lines(one({"a", "b"}), one({"a", "b"})), Lines());
}

TEST(Difference, OfAListNamesWhatCameAndWent) {
  EXPECT_EQ(lines(one({"a", "b"}), one({"b", "c"})), (Lines{"- member = a", "+ member = c"}));
}

TEST(Difference, OfAListIsItsOrderToo) {
  EXPECT_EQ(lines(one({"a", "b"}), one({"b", "a"})), Lines{"member: in another order"});
  EXPECT_EQ(lines(one({"a", "b", "c"}), one({"c", "a"})),
            (Lines{"- member = b", "member: in another order"}));
}

TEST(Difference, OfASingleValueIsALine) {
  EXPECT_EQ(lines(one({"5"}, false), one({"10"}, false)), Lines{"member: 5 -> 10"});
  EXPECT_EQ(lines(one({"5"}, false), one({}, false)), Lines{"member: 5 -> none"});
}

TEST(Difference, NeedsARestartUnlessTheKeyIsDeclaredLive) {
  int live = 0;
  int other = 0;
  const auto settings = [&](const char* values) {
    Cli cli("prog", "Does things.");
    cli.option("--live", "N", live, number<int>(0, 99), "taken over");
    cli.option("--other", "N", other, number<int>(0, 99), "not");
    cli.live({"--live"});
    const char* const argv[] = {"prog", "--live", values, "--other", values};
    EXPECT_EQ(cli.parse(5, argv), std::nullopt);
    return cli.settings();
  };
  const auto changes = difference(settings("1"), settings("2"));
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(needing_restart(changes), "other");
}

TEST(Difference, KnowsNoKeyThatIsNotThere) {
  Cli cli("prog", "Does things.");
  EXPECT_THROW(cli.live({"--nosuch"}), std::logic_error);
}

}  // namespace
}  // namespace saspd::cli
