// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/member_states.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace saspd::sasp {
namespace {

using std::chrono::seconds;

// A quiesce that an earlier life of ours may have asked for, as the GWM reports it.
class QuiesceOfBefore : public testing::Test {
 protected:
  QuiesceOfBefore() {
    wanted_.assign_states("web", {{member_, {}}});
    states_.connected();
    says(true);
  }
  void says(bool quiesced) {
    const std::uint8_t flags = quiesced ? weight_flag::quiesce : std::uint8_t{0};
    said_ = {{{"LB1", "web"}, {{MemberData::of(member_), 0, flags, 10}}}};
    states_.learn(wanted_, said_);
  }
  // A complete answer that does not have the member.
  void does_not_know_it() {
    said_.clear();
    states_.learn(wanted_, said_);
  }
  bool answers(ReturnCode code) {
    return states_.answered(wanted_.groups(), code, now_ + seconds{300});
  }
  bool asks() { return states_.next("LB1", wanted_.states(), 10, now_).has_value(); }
  bool is_echo() const { return !states_.echoes(wanted_.states(), said_).empty(); }

  const MemberKey member_{*IpAddress::parse("10.0.0.1"), 6, 80};
  WantedRegistry wanted_;
  MemberStates states_;
  std::vector<GroupOfWeightEntries> said_;
  TimePoint now_{seconds{1000}};
};

TEST_F(QuiesceOfBefore, IsAnEchoUntilItIsLifted) {
  EXPECT_TRUE(is_echo());
  ASSERT_TRUE(asks());
  EXPECT_TRUE(answers(ReturnCode::successful));
  EXPECT_FALSE(is_echo()) << "what is still reported is somebody else's";
  EXPECT_TRUE(states_.is_lifted("web", member_));
}

// Or a GWM that takes no states from load balancers would never be followed again.
TEST_F(QuiesceOfBefore, CountsWhenItsLiftIsRefusedAndTheLiftIsTriedAgain) {
  ASSERT_TRUE(asks());
  EXPECT_TRUE(answers(ReturnCode::not_accepted))
      << "weights have to be asked for, because they count otherwise now";
  EXPECT_FALSE(is_echo());
  EXPECT_FALSE(states_.is_lifted("web", member_));
  EXPECT_FALSE(asks());
  says(true);
  EXPECT_FALSE(is_echo());
  now_ += seconds{300};
  ASSERT_TRUE(asks());
  EXPECT_TRUE(answers(ReturnCode::successful));
  EXPECT_TRUE(states_.is_lifted("web", member_));
}

TEST_F(QuiesceOfBefore, IsOverWhenItIsReportedNoMore) {
  ASSERT_TRUE(asks());
  answers(ReturnCode::not_accepted);
  says(false);
  EXPECT_TRUE(states_.is_lifted("web", member_));
  says(true);
  EXPECT_FALSE(is_echo());
  now_ += seconds{300};
  EXPECT_FALSE(asks()) << "that one is not ours to lift";
}

// 0x42, 0x43: it may know the member again, and the quiesce with it.
TEST_F(QuiesceOfBefore, IsNotForgottenWhileTheGwmDoesNotKnowWhoIsRegisteredWithIt) {
  wanted_.put("web", member_, "");
  for (const auto code : {ReturnCode::unknown_group, ReturnCode::unknown_lb_uid}) {
    states_ = {};
    states_.connected();
    does_not_know_it();
    EXPECT_FALSE(states_.is_lifted("web", member_));
    says(true);
    EXPECT_TRUE(is_echo());
    ASSERT_TRUE(asks());
    EXPECT_TRUE(answers(code));
    EXPECT_FALSE(states_.is_lifted("web", member_));
    EXPECT_FALSE(is_echo()) << "who says so without end is followed";
    EXPECT_FALSE(asks()) << "again and again";
    says(true);
    EXPECT_TRUE(asks()) << "it has been registered again";
    EXPECT_FALSE(answers(code)) << "nothing counts otherwise than before";
  }
  says(true);
  ASSERT_TRUE(asks());
  EXPECT_TRUE(answers(ReturnCode::successful));
  EXPECT_TRUE(states_.is_lifted("web", member_));
}

TEST_F(QuiesceOfBefore, IsNotForgottenInALifeInWhichTheGwmKnowsNobody) {
  wanted_.put("web", member_, "");
  MemberStates next_life;
  next_life.connected();
  next_life.learn(wanted_, {});
  EXPECT_FALSE(next_life.is_lifted("web", member_));
  EXPECT_FALSE(next_life.echoes(wanted_.states(), said_).empty());
}

TEST_F(QuiesceOfBefore, IsOverWhenTheGwmDoesNotKnowWhoIsNotRegisteredAnyMore) {
  ASSERT_TRUE(asks());
  EXPECT_FALSE(answers(ReturnCode::not_registered));
  EXPECT_TRUE(states_.is_lifted("web", member_));
}

}  // namespace
}  // namespace saspd::sasp
