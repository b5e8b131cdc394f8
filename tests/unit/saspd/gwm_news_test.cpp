// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/gwm_news.hpp"

#include <gtest/gtest.h>

namespace saspd::director {
namespace {

using Kind = sasp::Notice::Kind;
using std::chrono::seconds;

constexpr TimePoint now{std::chrono::hours{1}};

std::string text(const std::optional<GwmNews::Line>& line) {
  return line ? (line->warning ? "! " : "") + line->text : "";
}

TEST(GwmNews, SayARefusalAtOnceAndThenOnceAMinuteWithItsCount) {
  GwmNews news;
  const sasp::Notice refused{"no weights: 0x11", Kind::weights_refused};
  EXPECT_EQ(text(news.notice(refused, now)), "! no weights: 0x11");
  for (int i = 1; i < 60; ++i)
    EXPECT_EQ(text(news.notice(refused, now + seconds{i})), "") << i;
  EXPECT_EQ(text(news.notice(refused, now + seconds{60})),
            "! no weights: 0x11 (60 times since this was logged last)");
  EXPECT_EQ(text(news.notice(refused, now + seconds{61})), "");
  EXPECT_EQ(text(news.weights_received()), "weights arrive again, after 62 refusals");
  EXPECT_EQ(text(news.weights_received()), "");
  EXPECT_EQ(text(news.notice(refused, now + seconds{62})), "! no weights: 0x11")
      << "a new beginning";
}

TEST(GwmNews, CountDroppedMessagesWhateverIsWrongWithEach) {
  GwmNews news;
  EXPECT_EQ(text(news.notice({"dropped: a", Kind::message_dropped}, now)), "! dropped: a");
  EXPECT_EQ(text(news.notice({"dropped: b", Kind::message_dropped}, now)), "");
  EXPECT_EQ(text(news.notice({"no weights", Kind::weights_refused}, now)), "! no weights");
}

TEST(GwmNews, SayWhatHappensOnceAsItIs) {
  GwmNews news;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(text(news.notice({"version 1", Kind::information}, now)), "version 1");
    EXPECT_EQ(text(news.notice({"group refused", Kind::fault}, now)), "! group refused");
  }
}

TEST(GwmNews, WarnOfALossAndNotOfEachAttemptAfterIt) {
  GwmNews news;
  EXPECT_EQ(text(news.down("refused", now)), "! refused");
  EXPECT_EQ(text(news.down("refused", now + seconds{20})), "refused");
  EXPECT_EQ(text(news.down("refused", now + seconds{80})), "refused");
  news.established();
  EXPECT_EQ(text(news.down("closed", now + seconds{90})), "! closed");
  news.established();
  EXPECT_EQ(text(news.down("closed", now + seconds{100})), "closed") << "it flaps";
}

}  // namespace
}  // namespace saspd::director
