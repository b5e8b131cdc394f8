// SPDX-License-Identifier: Apache-2.0
// What becomes of a weights file that was read: believed, held back, remembered.
#include "controller/gwm/weights_book.hpp"

#include <gtest/gtest.h>

#include "controller/gwm/weights_file.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;

const TimePoint start{1h};

class WeightsBookTest : public testing::Test {
 protected:
  static AdviceTable table(const std::string& text) {
    auto parsed = parse_weights(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : AdviceTable{};
  }
  static std::vector<std::string> texts(const std::vector<WeightsBook::Name>& names) {
    std::vector<std::string> all;
    for (const auto& name : names)
      all.push_back(name.text());
    return all;
  }
  using Texts = std::vector<std::string>;

  WeightsBook book{60s};
};

const std::string one = "web 192.0.2.1:80 40\n";
const std::string two = "web 192.0.2.2:80 30\n";
const std::string three = "web 192.0.2.3:80 20\n";
const std::string four = "dns udp:192.0.2.4:53 quiesce\n";

TEST_F(WeightsBookTest, RemembersAMemberThatVanished) {
  EXPECT_TRUE(book.read(table(one + two + three + four), start).changed);
  const auto news = book.read(table(one + "web 192.0.2.2:80 31\n" + three), start + 5s);
  EXPECT_TRUE(news.changed) << "the new weight";
  EXPECT_EQ(texts(news.vanished), Texts{"dns udp:192.0.2.4:53"});
  EXPECT_EQ(book.table(), table(one + "web 192.0.2.2:80 31\n" + three + four));
  EXPECT_EQ(book.remembered_until({"dns", {*IpAddress::parse("192.0.2.4"), 17, 53}}), start + 65s);
  EXPECT_EQ(book.remembered_until({"web", {*IpAddress::parse("192.0.2.1"), 6, 80}}), std::nullopt);
  EXPECT_FALSE(book.expire(start + 64s).changed);
  const auto later = book.expire(start + 65s);
  EXPECT_TRUE(later.changed);
  EXPECT_EQ(texts(later.forgotten), Texts{"dns udp:192.0.2.4:53"});
  EXPECT_EQ(book.table(), table(one + "web 192.0.2.2:80 31\n" + three));
  EXPECT_FALSE(book.expire(start + 1h).changed);
}

// Its time runs from when it was missed first, and ends when it is back.
TEST_F(WeightsBookTest, KnowsAMemberThatIsBack) {
  book.read(table(one + two + three), start);
  book.read(table(one + two), start + 1s);
  EXPECT_TRUE(texts(book.read(table("web 192.0.2.1:80 41\n" + two), start + 30s).vanished).empty());
  EXPECT_EQ(book.remembered_until({"web", {*IpAddress::parse("192.0.2.3"), 6, 80}}), start + 61s);
  book.read(table(one + two + "web 192.0.2.3:80 9\n"), start + 40s);
  EXPECT_FALSE(book.expire(start + 1h).changed);
  EXPECT_EQ(book.table(), table(one + two + "web 192.0.2.3:80 9\n"));
}

// "40 becomes 4" cannot be, since lines are whole; servers that are not written yet can.
TEST_F(WeightsBookTest, NoBeginningOfAFileTakesAServerAway) {
  const std::string whole = one + two + three + four;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    WeightsBook fresh{60s};
    fresh.read(table(whole), start);
    const auto half = parse_weights(whole.substr(0, length));
    if (!half) continue;
    fresh.read(*half, start + 1s);
    EXPECT_EQ(fresh.table(), table(whole)) << whole.substr(0, length);
    fresh.read(table(whole), start + 50s);
    fresh.expire(start + 24h);
    EXPECT_EQ(fresh.table(), table(whole)) << whole.substr(0, length);
  }
}

TEST_F(WeightsBookTest, HoldsAFileBackThatLostMostOfItsMembers) {
  book.read(table(one + two + three + four), start);
  const auto news = book.read(table("web 192.0.2.1:80 1\n"), start + 5s);
  EXPECT_FALSE(news.changed);
  ASSERT_TRUE(book.held());
  EXPECT_EQ(book.held()->missing, 3U);
  EXPECT_EQ(book.held()->before, 4U);
  EXPECT_EQ(book.held()->until, start + 605s);
  EXPECT_EQ(book.table(), table(one + two + three + four)) << "the weight of its line neither";
  // Read again unchanged, it does not wait longer.
  book.read(table("web 192.0.2.1:80 1\n"), start + 300s);
  EXPECT_EQ(book.held()->until, start + 605s);
  EXPECT_FALSE(book.expire(start + 604s).changed);
  const auto believed = book.expire(start + 605s);
  EXPECT_TRUE(believed.changed);
  EXPECT_EQ(believed.vanished.size(), 3U);
  EXPECT_FALSE(book.held());
  EXPECT_EQ(book.table(), table("web 192.0.2.1:80 1\n" + two + three + four));
  book.expire(start + 665s);
  EXPECT_EQ(book.table(), table("web 192.0.2.1:80 1\n"));
}

TEST_F(WeightsBookTest, ForgetsWhatItHeldWhenTheFileIsWholeAgain) {
  book.read(table(one + two + three), start);
  book.read({}, start + 1s);
  ASSERT_TRUE(book.held());
  book.read(table(one + two + three), start + 2s);
  EXPECT_FALSE(book.held());
  EXPECT_FALSE(book.expire(start + 24h).changed);
  EXPECT_EQ(book.table(), table(one + two + three));
}

TEST_F(WeightsBookTest, BelievesWhatTheOperatorSays) {
  book.read(table(one + two + three), start);
  book.read(table(three), start + 1s);
  EXPECT_EQ(texts(book.believe_held(start + 2s).vanished),
            (Texts{"web tcp:192.0.2.1:80", "web tcp:192.0.2.2:80"}));
  EXPECT_FALSE(book.held());
  EXPECT_FALSE(book.believe_held(start + 3s).changed) << "there is nothing";
  book.expire(start + 62s);
  EXPECT_EQ(book.table(), table(three));
}

// A line that is taken out by hand, and a farm that shrinks by half, is nothing odd.
TEST_F(WeightsBookTest, HoldsNothingBackThatIsUsual) {
  book.read(table(one), start);
  book.read({}, start + 1s);
  EXPECT_FALSE(book.held());
  EXPECT_EQ(book.table(), table(one)) << "remembered";
  WeightsBook other{60s};
  other.read(table(one + two + three + four), start);
  other.read(table(one + two), start + 1s);
  EXPECT_FALSE(other.held());
  // Renamed groups are all missing.
  other.read(table("w 192.0.2.1:80 40\nw 192.0.2.2:80 40\nw 192.0.2.3:80 40\n"), start + 2s);
  EXPECT_TRUE(other.held());
}

TEST_F(WeightsBookTest, MayHaveNoMemory) {
  WeightsBook forgetful{0s};
  forgetful.read(table(one + two + three), start);
  EXPECT_TRUE(forgetful.read(table(one), start).changed);
  EXPECT_FALSE(forgetful.held());
  EXPECT_EQ(forgetful.table(), table(one));
}

}  // namespace
}  // namespace saspd::gwm
