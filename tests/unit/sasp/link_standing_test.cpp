// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/link_standing.hpp"

#include <gtest/gtest.h>

namespace saspd::sasp {
namespace {

using namespace std::chrono_literals;

class LinkStandingTest : public ::testing::Test {
 protected:
  void connect() {
    link_.connecting(now_);
    link_.connected();
    link_.established(now_);
  }
  LinkState end(const LinkEnd& end) {
    retry_ = link_.ended(end, now_);
    return link_.state();
  }

  TimePoint now_{1h};
  LinkStanding link_{20s, 1, now_};
  LinkStanding::Retry retry_;
};

TEST_F(LinkStandingTest, SaysWhatItDoesAndSinceWhen) {
  EXPECT_EQ(link_.state(), LinkState::trying);
  now_ += 1s;
  link_.connecting(now_);
  EXPECT_EQ(link_.state(), LinkState::connecting);
  EXPECT_EQ(link_.view(now_).state_since, now_);
  EXPECT_EQ(end({"refused"}), LinkState::trying) << "it never was established";
  EXPECT_EQ(link_.view(now_).last_error, "refused");
  connect();
  EXPECT_EQ(link_.state(), LinkState::established);
  EXPECT_EQ(link_.view(now_).last_error, "");
  EXPECT_FALSE(link_.view(now_).last_message);
  link_.heard(now_);
  EXPECT_EQ(link_.view(now_).last_message, now_);
  EXPECT_EQ(end({"reset"}), LinkState::down_trying);
  link_.connecting(now_);
  EXPECT_EQ(end({"no certificate", true}), LinkState::tls_error);
}

TEST_F(LinkStandingTest, SaysWhyAndWhenTheNextAttemptFollows) {
  connect();
  end({"reset"});
  EXPECT_GE(retry_.delay, 20s);
  EXPECT_EQ(retry_.text,
            "reset; next attempt in " +
                std::to_string(std::chrono::ceil<std::chrono::seconds>(retry_.delay).count()) +
                " s");
}

TEST_F(LinkStandingTest, IsLostBeforeItIsKnownWhy) {
  connect();
  now_ += 5s;
  link_.lost("closed", now_);
  EXPECT_EQ(link_.state(), LinkState::down_trying);
  EXPECT_EQ(link_.view(now_).last_error, "closed");
  now_ += 2s;
  EXPECT_EQ(end({"closed"}), LinkState::down_trying);
  EXPECT_EQ(link_.view(now_).state_since, now_ - 2s);
}

TEST_F(LinkStandingTest, SuspectsADuplicateAfterThreeTimesInARow) {
  for (int times = 1; times <= 3; ++times) {
    connect();
    now_ += 1s;
    link_.lost("closed", now_);
    EXPECT_EQ(end({"closed", false, true}),
              times < 3 ? LinkState::down_trying : LinkState::down_duplicate);
  }
  EXPECT_TRUE(link_.view(now_).duplicate_suspected);
  EXPECT_NE(link_.view(now_).last_error.find("another load balancer"), std::string::npos);
  connect();
  EXPECT_TRUE(link_.view(now_).duplicate_suspected) << "it may be the other's turn next";
}

// The time that it took to look whether the GWM is still there is no time of the connection.
TEST_F(LinkStandingTest, CountsHowLongTheConnectionLived) {
  const auto delay_after = [this](Duration lived, Duration looked) {
    LinkStanding link(20s, 1, now_);
    for (int attempts = 0; attempts < 3; ++attempts) {  // the ceiling grows
      link.connecting(now_);
      link.ended({"refused"}, now_);
    }
    link.connecting(now_);
    link.established(now_);
    link.lost("closed", now_ + lived);
    return link.ended({"closed"}, now_ + lived + looked).delay;
  };
  EXPECT_GT(delay_after(59s, 2s), 30s) << "it was of no use";
  EXPECT_LE(delay_after(60s, 2s), 30s) << "it was useful, so it begins anew";
}

}  // namespace
}  // namespace saspd::sasp
