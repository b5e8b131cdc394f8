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
    wanted_["web"][member_] = {};
    states_.connected();
    says(true);
  }
  void says(bool quiesced) {
    const std::uint8_t flags = quiesced ? weight_flag::quiesce : std::uint8_t{0};
    said_ = {{{"LB1", "web"}, {{MemberData::of(member_), 0, flags, 10}}}};
    states_.learn(wanted_, said_);
  }
  bool asks() { return states_.next("LB1", wanted_, 10, now_).has_value(); }
  bool is_echo() const { return !states_.echoes(wanted_, said_).empty(); }

  const MemberKey member_{*IpAddress::parse("10.0.0.1"), 6, 80};
  WantedStates wanted_;
  MemberStates states_;
  std::vector<GroupOfWeightEntries> said_;
  TimePoint now_{seconds{1000}};
};

TEST_F(QuiesceOfBefore, IsAnEchoUntilItIsLifted) {
  EXPECT_TRUE(is_echo());
  ASSERT_TRUE(asks());
  EXPECT_TRUE(states_.answered(ReturnCode::successful, now_));
  EXPECT_FALSE(is_echo()) << "what is still reported is somebody else's";
  EXPECT_TRUE(states_.is_lifted("web", member_));
}

// Or a GWM that takes no states from load balancers would never be followed again.
TEST_F(QuiesceOfBefore, CountsWhenItsLiftIsRefusedAndTheLiftIsTriedAgain) {
  ASSERT_TRUE(asks());
  EXPECT_TRUE(states_.answered(ReturnCode::not_accepted, now_ + seconds{300}))
      << "weights have to be asked for, because they count otherwise now";
  EXPECT_FALSE(is_echo());
  EXPECT_FALSE(states_.is_lifted("web", member_));
  EXPECT_FALSE(asks());
  says(true);
  EXPECT_FALSE(is_echo());
  now_ += seconds{300};
  ASSERT_TRUE(asks());
  EXPECT_TRUE(states_.answered(ReturnCode::successful, now_));
  EXPECT_TRUE(states_.is_lifted("web", member_));
}

TEST_F(QuiesceOfBefore, IsOverWhenItIsReportedNoMore) {
  ASSERT_TRUE(asks());
  states_.answered(ReturnCode::not_accepted, now_ + seconds{300});
  says(false);
  EXPECT_TRUE(states_.is_lifted("web", member_));
  says(true);
  EXPECT_FALSE(is_echo());
  now_ += seconds{300};
  EXPECT_FALSE(asks()) << "that one is not ours to lift";
}

}  // namespace
}  // namespace saspd::sasp
