// SPDX-License-Identifier: Apache-2.0
// What saspd knew, after it was killed and started again: the same advice leads to the same weights.

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class NextLife : public ReconcilerTest {
 protected:
  static constexpr std::uint8_t quiesced = good | sasp::weight_flag::quiesce;
  static constexpr std::uint8_t lost = good & ~sasp::weight_flag::contact;
  struct Word {
    std::uint16_t weight = 10;
    std::uint8_t flags = good;
  };

  void says(const std::vector<Word>& words, std::size_t gwm = 0) {
    if (!reconciler_) reconcile();
    sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
    for (unsigned i = 0; i < words.size(); ++i) {
      advice.items.push_back({sasp::MemberData::of(member_of(plain_service(web), server(i + 1))), 0,
                              words[i].flags, words[i].weight});
    }
    reconciler().update(gwm, {{advice}, 1}, now_);
    pass();
    reconcile();
  }
  // In which time it looks at the kernel now and then, as the program does.
  void pass_time(Duration time) {
    for (const auto end = now_ + time; now_ < end; now_ += seconds{30})
      reconcile();
  }
  void kill() {
    restart();
    plane_.written.clear();
    reconcile();
  }
};

// --- --drift

TEST_F(NextLife, LetsAForeignWeightStandThatStood) {
  for (const auto policy : {DriftPolicy::report, DriftPolicy::adopt}) {
    settings_.drift = policy;
    kill();
    says({{40}, {30}, {20}, {10}});
    set(web, 1, 7);
    reconcile();
    for (int lives = 0; lives < 3; ++lives) {
      kill();
      EXPECT_EQ(kernel(1), 7U);
      says({{40}, {31}, {20}, {10}});
      EXPECT_EQ(kernel(), "7 31 20 10");
      EXPECT_EQ(reason(1), Reason::foreign_weight);
    }
    kill();
    says({{41}, {31}, {20}, {10}});
    EXPECT_EQ(kernel(), "41 31 20 10") << "other advice has come";
    kill();
    says({{40}, {31}, {20}, {10}});
    EXPECT_EQ(kernel(), "40 31 20 10") << "it is over for good";
  }
}

TEST_F(NextLife, LetsNothingStandThatWasOverruled) {
  settings_.drift = DriftPolicy::report;
  says({{40}, {30}, {20}, {10}});
  set(web, 1, 7);
  reconcile();
  settings_.drift = DriftPolicy::overwrite;
  kill();
  says({{40}, {30}, {20}, {10}});
  EXPECT_EQ(kernel(), "40 30 20 10");
}

// --- since when a server is lost

class PanicInTheNextLife : public NextLife {
 protected:
  PanicInTheNextLife() { settings_.policy.panic = 60; }
};

TEST_F(PanicInTheNextLife, RevivesNobodyWhoWasLostLongAgo) {
  says({{}, {}, {}, {10, lost}});
  pass_time(minutes{11});
  ASSERT_EQ(kernel(), "10 10 10 0");
  kill();
  says({{}, {}, {10, lost}, {10, lost}});
  EXPECT_EQ(kernel(), "10 10 10 0") << "the third was lost just now";
  EXPECT_EQ(reason(3), Reason::held_panic);
}

TEST_F(PanicInTheNextLife, RevivesThoseThatWereLostLately) {
  for (const auto& [away, weight] : {std::pair{minutes{3}, 10U}, {minutes{6}, 0U}}) {
    says({{}, {}, {}, {}});
    says({{}, {}, {}, {10, lost}});
    ASSERT_EQ(kernel(), "10 10 10 0");
    pass_time(minutes{5});
    restart();
    now_ += away;
    says({{}, {}, {10, lost}, {10, lost}});
    EXPECT_EQ(kernel(4), weight) << away.count();
  }
}

TEST_F(PanicInTheNextLife, RevivesNobodyWhoWasTakenOutOnPurpose) {
  says({{}, {}, {}, {10, quiesced}});
  kill();
  says({{}, {}, {10, lost}, {10, lost}});
  EXPECT_EQ(kernel(), "10 10 10 0");
}

// Killed after the write that took the server out, before anything else is decided.
TEST_F(PanicInTheNextLife, KnowsOfALossThatWasTheLastThingWritten) {
  says({{}, {}, {}, {}});
  pass_time(minutes{20});
  plane_.fails_on(0, FakeDataplane::Failing::killed_after);
  EXPECT_THROW(says({{}, {}, {}, {10, lost}}), FakeDataplane::Killed);
  ASSERT_EQ(kernel(), "10 10 10 0");
  kill();
  says({{}, {}, {10, lost}, {10, lost}});
  EXPECT_EQ(kernel(), "10 10 10 10");
}

// --- the scale

TEST_F(NextLife, ScalesTheSameAdviceToTheSameWeights) {
  for (const char* scheduler : {"wrr", "twos", "mh", "sh"}) {
    plane_.table[web].scheduler = scheduler;
    says({{60001}, {40003}, {20011}, {10007}});
    for (const std::uint16_t largest : std::initializer_list<std::uint16_t>{59000, 52000, 41000}) {
      says({{largest}, {40003}, {20011}, {10007}});
      kill();
      says({{largest}, {40003}, {20011}, {10007}});
      EXPECT_EQ(plane_.written.size(), 0U) << scheduler << " " << largest << ": " << kernel();
    }
  }
}

// Those that are held keep weights of the scale from before.
TEST_F(NextLife, ScalesBesideHeldWeights) {
  settings_.policy.panic = 60;
  plane_.table[web].scheduler = "wrr";
  says({{60000}, {60000}, {600}, {600}});
  ASSERT_EQ(kernel(), "100 100 1 1");
  says({{60000, lost}, {60000, lost}, {600}, {600}});
  ASSERT_EQ(kernel(), "100 100 1 1");
  kill();
  says({{60000, lost}, {60000, lost}, {600}, {600}});
  EXPECT_EQ(kernel(), "100 100 1 1");
}

// --- quiesces whose GWM is gone

class TwoGwmsInTheNextLife : public NextLife {
 protected:
  TwoGwmsInTheNextLife() {
    settings_.gwms = 2;
    settings_.gwm_names = {"first:3860", "second:3860"};
  }
  void hears(std::size_t gwm, const std::vector<Word>& words) {
    if (!reconciler_) reconcile();
    reconciler().set_connected(gwm, true);
    reconciler().heard(gwm, {now_, now_, seconds{60}});
    says(words, gwm);
    now_ += seconds{1};
  }
  void loses(std::size_t gwm) {
    reconciler().set_connected(gwm, false);
    reconcile();
  }
  // 0 of the second server by the first GWM, which is gone.
  void quiesced_by_a_lost_gwm() {
    hears(0, {{40}, {30, quiesced}, {20}, {10}});
    hears(1, {{7}, {7}, {7}, {7}});
    loses(0);
    ASSERT_EQ(kernel(), "7 0 7 7");
  }
  void next_life() {
    kill();
    loses(0);
  }
};

TEST_F(TwoGwmsInTheNextLife, KnowsAQuiesceWhoseGwmIsGone) {
  quiesced_by_a_lost_gwm();
  for (int lives = 0; lives < 3; ++lives) {
    next_life();
    hears(1, {{7}, {7}, {7}, {7}});
    EXPECT_EQ(kernel(), "7 0 7 7");
    EXPECT_EQ(reason(2), Reason::quiesced);
  }
  hears(0, {{40}, {30}, {20}, {10}});
  now_ += minutes{4};
  hears(0, {{40}, {30}, {20}, {10}});
  EXPECT_EQ(kernel(), "40 30 20 10") << "who knew of it lifts it";
  next_life();
  hears(1, {{7}, {7}, {7}, {7}});
  EXPECT_EQ(kernel(), "7 7 7 7") << "for good";
}

TEST_F(TwoGwmsInTheNextLife, KnowsItByTheNameOfTheGwm) {
  quiesced_by_a_lost_gwm();
  std::swap(settings_.gwm_names[0], settings_.gwm_names[1]);
  kill();
  hears(1, {{40}, {30, quiesced}, {20}, {10}});
  loses(1);
  hears(0, {{7}, {7}, {7}, {7}});
  EXPECT_EQ(kernel(), "7 0 7 7");
  settings_.gwm_names = {"second:3860", "third:3860"};
  kill();
  hears(0, {{7}, {7}, {7}, {7}});
  EXPECT_EQ(kernel(), "7 7 7 7") << "nobody is left who knew of it";
}

TEST_F(TwoGwmsInTheNextLife, LiftsWhatTheOperatorLifted) {
  quiesced_by_a_lost_gwm();
  next_life();
  hears(1, {{7}, {7}, {7}, {7}});
  EXPECT_EQ(reconciler().give_back({}, server(2)), 1U);
  reconcile();
  EXPECT_EQ(kernel(), "7 7 7 7");
  next_life();
  hears(1, {{7}, {7}, {7}, {7}});
  EXPECT_EQ(kernel(), "7 7 7 7");
}

// When it was said last is not known: not before the start, and not later.
TEST_F(TwoGwmsInTheNextLife, LiftsAfterStaleAfterWhatNobodySays) {
  settings_.stale_after = minutes{5};
  quiesced_by_a_lost_gwm();
  next_life();
  for (int minute = 0; minute < 4; ++minute) {
    hears(1, {{7}, {7}, {7}, {7}});
    EXPECT_EQ(kernel(), "7 0 7 7");
    now_ += minutes{1};
  }
  now_ += minutes{2};
  hears(1, {{7}, {7}, {7}, {7}});
  EXPECT_EQ(kernel(), "7 7 7 7");
}

// --- a table of our own

class OwnTableInTheNextLife : public NextLife {
 protected:
  OwnTableInTheNextLife() {
    settings_.own_table = plane_.traits_now.own_table = true;
    settings_.groups[0].services[0].manage.emplace().service.scheduler = "wlc";
    for (unsigned n = 1; n <= 4; ++n)
      settings_.groups[0].members[server(n)];
  }
  // Nothing of the table is left.
  void boot() {
    restart();
    plane_.table.clear();
    ledger_.here.boot += "'";
    now_ = TimePoint{};
    reconcile();
    now_ += seconds{11};
    reconcile();
  }
};

TEST_F(OwnTableInTheNextLife, GivesALostServerItsLastWeight) {
  settings_.policy.panic = 60;
  says({{40}, {30}, {20}, {10}});
  says({{40}, {30}, {20}, {10, lost}});
  ASSERT_EQ(kernel(), "40 30 20 0");
  kill();
  says({{40}, {30}, {20, lost}, {10, lost}});
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(OwnTableInTheNextLife, KeepsOutAfterABootWhoWasOut) {
  says({{40}, {30, quiesced}, {20, lost}, {10}});
  boot();
  EXPECT_EQ(kernel().substr(2), "0 0 " + kernel().substr(6)) << "until the GWM says otherwise";
  EXPECT_GT(kernel(1), 0U);
  EXPECT_GT(kernel(4), 0U);
  says({{40}, {30}, {20}, {10}});
  EXPECT_EQ(kernel(), "40 30 20 10");
}

}  // namespace
}  // namespace saspd::director
