// SPDX-License-Identifier: Apache-2.0
// Services that no GWM steers, over time: who says so, and when.
#include "controller/saspd/advice_watch.hpp"

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint8_t unknown = good & ~sasp::weight_flag::confident;
constexpr std::uint8_t quiesced = good | sasp::weight_flag::quiesce;
constexpr std::uint8_t dead = good & ~sasp::weight_flag::contact;

class Unsteered : public ReconcilerTest {
 protected:
  // Passes as the daemon makes them, and the GWM says `flags` of the first `count` servers.
  void goes_by(Duration duration, unsigned count, std::uint8_t flags = good) {
    pass();  // the daemon looks at the kernel first
    for (const auto end = now_ + duration; now_ < end;) {
      now_ += seconds{5};
      says(count, flags);
      reconcile();
    }
  }
  void silence(Duration duration) {
    for (const auto end = now_ + duration; now_ < end;) {
      now_ += seconds{5};
      reconcile();
    }
  }
  void says(unsigned count, std::uint8_t flags) {
    sasp::WeightsReceived weights{{{{"LB1", "web"}, {}}}, 1, full_};
    heard_.last = now_;
    if (full_) heard_.full = now_;
    reconciler().heard(0, heard_);
    for (unsigned n = 1; n <= count; ++n) {
      weights.groups[0].items.push_back(
          {sasp::MemberData::of(member_of(plain_service(web), server(n))), 0, flags, 10});
    }
    if (count > 0) reconciler().update(0, weights, now_);
  }
  // The detail of the alarm; empty: there is none.
  std::string alarm() {
    for (const auto& [group, alarms] : reconciler().alarms()) {
      for (const auto& alarm : alarms) {
        if (alarm.name != "no_advice") continue;
        EXPECT_TRUE(alarm.urgent);
        EXPECT_EQ(alarm.service, "tcp:192.0.2.10:80");
        return alarm.detail;
      }
    }
    return {};
  }
  bool says_why(std::string_view text) { return alarm().find(text) != std::string::npos; }

  bool full_ = true;
  sasp::Heard heard_{{}, {}, seconds{5}};
};

TEST_F(Unsteered, ByAGwmThatKnowsNobodyIsAnAlarmAfterAGrace) {
  goes_by(seconds{175}, 4, unknown);
  EXPECT_EQ(alarm(), "");
  goes_by(seconds{15}, 4, unknown);
  EXPECT_TRUE(says_why("knows the state of none of its servers")) << alarm();
  EXPECT_TRUE(says_why("--probe web=tcp")) << alarm();
  EXPECT_EQ(kernel(), "10 10 10 10");
  goes_by(seconds{5}, 1);
  EXPECT_EQ(alarm(), "");
}

TEST_F(Unsteered, ByAGwmThatForgotAllItKnewIsAnAlarm) {
  goes_by(minutes{10}, 4);
  EXPECT_EQ(alarm(), "");
  goes_by(seconds{170}, 4, unknown);
  EXPECT_EQ(alarm(), "");
  goes_by(seconds{15}, 4, unknown);
  EXPECT_NE(alarm(), "");
}

TEST_F(Unsteered, ByAGwmThatNamesNoServerIsAnAlarm) {
  goes_by(minutes{4}, 0);
  EXPECT_TRUE(says_why("says nothing of any server of group 'web'")) << alarm();
  EXPECT_TRUE(says_why("saspctl --of sasp-gwm groups")) << alarm();
}

// What it said once does not stand when its full picture lacks it.
TEST_F(Unsteered, ByAGwmThatNamesNoServerAnyMoreIsAnAlarm) {
  goes_by(minutes{1}, 4);
  goes_by(minutes{2}, 0);
  EXPECT_EQ(alarm(), "");
  goes_by(minutes{2}, 0);
  EXPECT_TRUE(says_why("says nothing of any server")) << alarm();
}

// With No-Change an answer names only what changed: that nothing has is no lack of advice.
TEST_F(Unsteered, IsNobodyWhoseAdviceHasNotChanged) {
  goes_by(seconds{5}, 4);
  full_ = false;
  goes_by(minutes{30}, 0);
  EXPECT_EQ(alarm(), "");
}

TEST_F(Unsteered, ByAGwmThatIsConnectedAndDoesNotSpeakIsAnAlarm) {
  goes_by(seconds{5}, 4);
  silence(minutes{3});
  EXPECT_EQ(alarm(), "");
  silence(seconds{15});
  EXPECT_TRUE(says_why("is connected and gives no weights")) << alarm();
  goes_by(seconds{5}, 4);
  EXPECT_EQ(alarm(), "");
}

// Nothing is heard, and the kernel is not looked at: the clock alone.
TEST_F(Unsteered, IsSaidOnTimeHoweverSeldomTheKernelIsLookedAt) {
  goes_by(seconds{5}, 4);
  reconcile();
  const TimePoint last = now_;
  ASSERT_EQ(reconciler().next_decision(), last + minutes{3} + Duration{1});
  now_ = *reconciler().next_decision();
  reconciler().work(now_);
  EXPECT_TRUE(says_why("is connected and gives no weights")) << alarm();
}

TEST_F(Unsteered, IsNobodyWhoseGwmHasALongInterval) {
  heard_.next_within = minutes{60};
  goes_by(seconds{5}, 4);
  silence(minutes{179});
  EXPECT_EQ(alarm(), "");
  silence(minutes{2});
  EXPECT_NE(alarm(), "");
}

TEST_F(Unsteered, ForAsLongAsStaleAfterAllows) {
  settings_.stale_after = seconds{30};
  goes_by(seconds{25}, 4, unknown);
  EXPECT_EQ(alarm(), "");
  goes_by(seconds{15}, 4, unknown);
  EXPECT_NE(alarm(), "");
}

TEST_F(Unsteered, ByAGwmThatIsNotConnectedIsAnAlarm) {
  reconciler().set_connected(0, false);
  silence(seconds{170});
  EXPECT_EQ(alarm(), "");
  silence(seconds{15});
  EXPECT_TRUE(says_why("is not connected")) << alarm();
}

// The other GWM is there, and does not know the group.
TEST_F(Unsteered, ByTheGwmThatIsLeftIsAnAlarm) {
  settings_.gwms = 2;
  goes_by(seconds{5}, 4);
  reconciler().set_connected(1, true);
  reconciler().set_connected(0, false);
  silence(minutes{4});
  EXPECT_TRUE(says_why("whose advice counts is not connected")) << alarm();
}

// To be quiesced or out of contact is advice; so is one known server.
TEST_F(Unsteered, IsNobodyWhoIsAdvisedToStop) {
  for (const auto flags : {quiesced, dead}) {
    goes_by(minutes{5}, 4, flags);
    EXPECT_EQ(alarm(), "");
  }
}

TEST_F(Unsteered, IsAGroupAlsoWhenSomebodyElseHoldsItAtZero) {
  goes_by(seconds{5}, 4);
  for (unsigned n = 1; n <= 4; ++n)
    set(web, n, 0);
  goes_by(minutes{4}, 4);
  EXPECT_EQ(alarm(), "");
  goes_by(minutes{4}, 4, unknown);
  EXPECT_NE(alarm(), "");
}

// It has no server to be steered; no_server says so.
TEST_F(Unsteered, IsNoServiceWithoutServers) {
  plane_.table.at(web).destinations.clear();
  silence(minutes{5});
  EXPECT_EQ(alarm(), "");
}

// What is not there cannot lack advice, and its time begins anew.
TEST_F(Unsteered, IsAServiceAnewThatComesBack) {
  goes_by(minutes{4}, 4, unknown);
  EXPECT_NE(alarm(), "");
  const auto pool = plane_.table.at(web);
  plane_.table.erase(web);
  goes_by(seconds{5}, 4, unknown);
  EXPECT_EQ(alarm(), "");
  plane_.table[web] = pool;
  goes_by(minutes{2}, 4, unknown);
  EXPECT_EQ(alarm(), "");
}

}  // namespace
}  // namespace saspd::director
