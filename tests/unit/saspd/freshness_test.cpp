// SPDX-License-Identifier: Apache-2.0
// The age of advice as a state: seen long before it acts, acted upon at its time and not at the next
// look at the kernel, and over with the first fresh advice.
#include "controller/saspd/freshness.hpp"

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

using report::AdviceState;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint8_t unknown = good & ~sasp::weight_flag::confident;
constexpr std::uint8_t quiesced = good | sasp::weight_flag::quiesce;
constexpr std::uint8_t dead = good & ~sasp::weight_flag::contact;

class Stale : public ReconcilerTest {
 protected:
  Stale() {
    now_ += minutes{1};
    settings_.stale_after = seconds{60};
    settings_.groups[0].members[server(2)].weight = 7;
  }

  // A full answer with these weights, at once.
  void says(const std::vector<std::uint16_t>& weights, std::uint8_t flags = good) {
    heard_.last = heard_.full = now_;
    advise(weights, flags);
    reconciler().heard(0, heard_);
    pass();
  }
  void says_that_nothing_has_changed() {
    heard_.last = now_;
    reconciler().heard(0, heard_);
    pass();
  }
  // Nothing but time passes: nobody looks at the kernel, and work is done when it is asked for.
  void time_passes(Duration duration) {
    const auto end = now_ + duration;
    for (;;) {
      const auto next = reconciler().next_decision();
      if (!next || *next > end) break;
      now_ = std::max(now_, *next);
      pass();
    }
    now_ = end;
  }
  Freshness freshness() { return *reconciler().view().at(0).freshness; }
  AdviceState state() { return freshness().state(now_); }
  bool raises(std::string_view name) {
    for (const auto& [group, alarms] : reconciler().alarms()) {
      for (const auto& alarm : alarms) {
        if (alarm.name == name) return true;
      }
    }
    return false;
  }

  sasp::Heard heard_{{}, {}, seconds{5}};
};

TEST_F(Stale, IsNothingThatComesInTime) {
  pass();
  for (int times = 0; times < 100; ++times) {
    says({40, 30, 20, 10});
    time_passes(seconds{5});
    EXPECT_EQ(state(), AdviceState::fresh);
  }
  EXPECT_EQ(reason(1), Reason::advice);
}

TEST_F(Stale, IsSeenLongBefore) {
  pass();
  says({40, 30, 20, 10});
  time_passes(seconds{15});
  EXPECT_EQ(state(), AdviceState::fresh);
  time_passes(seconds{1});
  EXPECT_EQ(state(), AdviceState::ageing);
  EXPECT_EQ(freshness().lack(now_), Guidance::stale);
  EXPECT_EQ(now_ - *freshness().last, seconds{16});
  EXPECT_EQ(*freshness().stale_at - now_, seconds{44});
  EXPECT_EQ(reason(1), Reason::advice);
  time_passes(seconds{45});
  EXPECT_EQ(state(), AdviceState::stale);
}

// --stale-after is shorter than the interval that the GWM announces.
TEST_F(Stale, IsNoGwmThatAnswersInTime) {
  settings_.policy.on_stale = OnStale::drain;
  heard_.next_within = seconds{90};
  pass();
  says({40, 30, 20, 10});
  for (int answers = 0; answers < 3; ++answers) {
    time_passes(seconds{95});
    EXPECT_EQ(kernel(), "40 30 20 10");
    says_that_nothing_has_changed();
  }
  time_passes(seconds{200});
  EXPECT_EQ(kernel(), "0 0 0 0");
}

TEST_F(Stale, HoldsTheLastWeightsByDefault) {
  pass();
  says({40, 30, 20, 10});
  plane_.written.clear();
  time_passes(minutes{2});
  EXPECT_EQ(kernel(), "40 30 20 10");
  EXPECT_TRUE(plane_.written.empty());
  EXPECT_EQ(reason(1), Reason::held_stale);
  EXPECT_TRUE(raises("no_advice"));
  says({40, 30, 20, 10});
  EXPECT_EQ(reason(1), Reason::advice);
  EXPECT_FALSE(raises("no_advice"));
}

// An answer by No-Change says that the last advice is as good as new.
TEST_F(Stale, EndsWithAnAnswerThatNothingHasChanged) {
  settings_.policy.on_stale = OnStale::drain;
  pass();
  says({40, 30, 20, 10});
  time_passes(minutes{2});
  ASSERT_EQ(kernel(), "0 0 0 0");
  says_that_nothing_has_changed();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Stale, BecomesTheStaticWeights) {
  settings_.policy.on_stale = OnStale::static_;
  pass();
  says({40, 30, 20, 10});
  time_passes(seconds{60});
  EXPECT_EQ(kernel(), "40 30 20 10");
  time_passes(seconds{1});
  EXPECT_EQ(kernel(), "10 7 10 10") << "--member's, and those first seen in the kernel";
  EXPECT_EQ(reason(2), Reason::static_weight);
  says({40, 30, 20, 10});
  EXPECT_EQ(kernel(), "40 30 20 10");
}

// --on-all-zero holds advice back, and this is none: it is what the operator wants.
TEST_F(Stale, BecomesADrainOfAllServers) {
  settings_.policy.on_stale = OnStale::drain;
  pass();
  says({40, 30, 20, 10});
  time_passes(seconds{60});
  EXPECT_EQ(kernel(), "40 30 20 10");
  time_passes(seconds{1});
  EXPECT_EQ(kernel(), "0 0 0 0");
  EXPECT_EQ(reason(1), Reason::held_stale);
  EXPECT_TRUE(raises("no_server"));
  EXPECT_TRUE(raises("no_advice"));
  reconcile();
  EXPECT_EQ(kernel(), "0 0 0 0");
  says({40, 30, 20, 10});
  EXPECT_EQ(kernel(), "40 30 20 10");
}

// Its zeros are ours after every end of the process.
TEST_F(Stale, DrainsNobodyForEver) {
  settings_.policy.on_stale = OnStale::drain;
  pass();
  says({40, 30, 20, 10});
  time_passes(minutes{2});
  ASSERT_EQ(kernel(), "0 0 0 0");
  restart();
  reconciler();
  pass();
  EXPECT_EQ(kernel(), "0 0 0 0");
  says({40, 30, 20, 10});
  EXPECT_EQ(kernel(), "40 30 20 10");
}

// A name that the GWM does not know, or one that was down from the start, takes out no service.
TEST_F(Stale, DrainsNoServiceThatNoGwmEverSteered) {
  settings_.policy.on_stale = OnStale::drain;
  pass();
  says({40, 30, 20, 10}, unknown);
  time_passes(minutes{10});
  EXPECT_EQ(kernel(), "10 10 10 10");
  EXPECT_TRUE(raises("no_advice"));
}

TEST_F(Stale, GivesStaticWeightsAlsoWhereNoGwmEverSpoke) {
  settings_.policy.on_stale = OnStale::static_;
  reconciler().set_connected(0, false);
  pass();
  EXPECT_EQ(kernel(), "10 10 10 10");
  time_passes(minutes{2});
  EXPECT_EQ(kernel(), "10 7 10 10");
}

TEST_F(Stale, TouchesNoForeignZero) {
  for (const auto action : {OnStale::static_, OnStale::drain}) {
    settings_.policy.on_stale = action;
    restart();
    reconciler();
    pass();
    says({40, 30, 20, 10});
    set(web, 3, 0);
    reconcile();
    ASSERT_EQ(reason(3), Reason::foreign_zero);
    time_passes(minutes{2});
    EXPECT_EQ(kernel(3), 0U);
    EXPECT_EQ(reason(3), Reason::foreign_zero);
    set(web, 3, 5);
    says({40, 30, 20, 10});
  }
}

// A GWM that knows nobody's load may know who is quiesced or dead.
TEST_F(Stale, LeavesWhatTheGwmStillSays) {
  settings_.policy.on_stale = OnStale::static_;
  pass();
  says({40, 30, 20, 10});
  sasp::GroupOfWeightEntries mixed{{"LB1", "web"}, {}};
  for (unsigned n = 1; n <= 4; ++n) {
    const std::uint8_t flags = n == 1 ? quiesced : n == 3 ? dead : unknown;
    mixed.items.push_back(
        {sasp::MemberData::of(member_of(plain_service(web), server(n))), 0, flags, 9});
  }
  reconciler().update(0, {{mixed}, 1}, now_);
  pass();
  time_passes(minutes{2});
  EXPECT_EQ(kernel(), "0 7 0 10");
}

// What no GWM says any more does not.
TEST_F(Stale, EndsAQuiesceUnlessItIsHeld) {
  settings_.policy.on_stale = OnStale::static_;
  pass();
  says({40, 30, 20, 10}, quiesced);
  ASSERT_EQ(kernel(), "0 0 0 0");
  reconciler().set_connected(0, false);
  pass();
  time_passes(minutes{2});
  EXPECT_EQ(kernel(), "10 7 10 10");
}
TEST_F(Stale, KeepsAQuiesceWhileItIsHeld) {
  pass();
  says({40, 30, 20, 10}, quiesced);
  reconciler().set_connected(0, false);
  pass();
  time_passes(minutes{2});
  EXPECT_EQ(kernel(), "0 0 0 0");
  EXPECT_EQ(reason(1), Reason::quiesced);
}

// Row 41: who was avoided only because others were known comes back when nobody is.
TEST_F(Stale, HoldsNobodyAtZeroWhoWasOnlyAvoided) {
  pass();
  says({40, 30, 20, 10});
  says({40}, unknown);
  ASSERT_EQ(kernel(), "0 30 20 10");
  says({40, 30, 20, 10}, unknown);
  time_passes(minutes{4});
  EXPECT_EQ(kernel(), "40 30 20 10");
  EXPECT_EQ(reason(1), Reason::held_stale);
}

enum class Lack { lost, refusing, silent, ignorant };
std::string name_of(Lack lack) {
  switch (lack) {
    case Lack::lost: return "Lost";
    case Lack::refusing: return "Refusing";
    case Lack::silent: return "Silent";
    case Lack::ignorant: break;
  }
  return "Ignorant";
}
class StaleWhatever : public Stale, public ::testing::WithParamInterface<Lack> {
 protected:
  // For a second, in the way of the test.
  void lacks() {
    now_ += seconds{1};
    if (GetParam() == Lack::lost) reconciler().set_connected(0, false);
    if (GetParam() == Lack::silent) {
      heard_.last = heard_.full = now_;
      reconciler().heard(0, heard_);
    }
    if (GetParam() == Lack::ignorant) return says({40, 30, 20, 10}, unknown);
    reconcile();
  }
};
INSTANTIATE_TEST_SUITE_P(Reasons, StaleWhatever,
                         ::testing::Values(Lack::lost, Lack::refusing, Lack::silent,
                                           Lack::ignorant),
                         [](const auto& reason) { return name_of(reason.param); });

TEST_P(StaleWhatever, TheReasonIs) {
  settings_.policy.on_stale = OnStale::static_;
  pass();
  says({40, 30, 20, 10});
  for (int second = 1; second < 60; ++second) {
    lacks();
    ASSERT_EQ(kernel(), "40 30 20 10") << second;
    if (second == 20) {
      EXPECT_EQ(state(), AdviceState::ageing);
    }
  }
  lacks();
  lacks();
  EXPECT_EQ(kernel(), "10 7 10 10");
  EXPECT_EQ(state(), AdviceState::stale);
  EXPECT_TRUE(raises("no_advice"));
  reconciler().set_connected(0, true);
  says({40, 30, 20, 10});
  EXPECT_EQ(kernel(), "40 30 20 10");
  EXPECT_EQ(state(), AdviceState::fresh);
}

}  // namespace
}  // namespace saspd::director
