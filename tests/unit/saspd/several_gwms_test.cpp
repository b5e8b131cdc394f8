// SPDX-License-Identifier: Apache-2.0
// Whose advice counts with several GWMs, and what outlives them.
#include <algorithm>

#include "tests/unit/saspd/reconciler_fixture.hpp"

#include "controller/saspd/gwm_choice.hpp"

namespace saspd::director {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint8_t unknown = sasp::weight_flag::contact;
constexpr std::uint8_t quiesced = good | sasp::weight_flag::quiesce;
constexpr std::uint8_t dead = sasp::weight_flag::confident;

class SeveralGwms : public ReconcilerTest {
 protected:
  SeveralGwms() { settings_.gwms = 2; }

  void advise_by(std::size_t gwm, std::uint16_t first) { says(gwm, {{first}}); }
  struct Word {
    std::uint16_t weight = 0;
    std::uint8_t flags = good;
  };
  // Of servers 1, 2, ... A full picture.
  void says(std::size_t gwm, const std::vector<Word>& words) {
    sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
    for (unsigned n = 1; const auto& word : words) {
      advice.items.push_back({sasp::MemberData::of(member_of(plain_service(web), server(n++))), 0,
                              word.flags, word.weight});
    }
    reconciler().update(gwm, {{advice}, 1, true}, now_);
    heard(gwm);
  }
  void heard(std::size_t gwm) { reconciler().heard(gwm, {now_, now_, seconds{10}}); }
  void connects(std::size_t gwm) { reconciler().set_connected(gwm, true); }
  void is_lost(std::size_t gwm) { reconciler().set_connected(gwm, false); }
  // All GWMs keep speaking.
  void goes_by(Duration time) {
    now_ += time;
    reconcile();
  }
  std::optional<std::size_t> followed() { return reconciler().view().at(0).gwm; }
  std::optional<std::size_t> quiesced_by(unsigned n) {
    return reconciler().view().at(0).members.at(n - 1).quiesced_by;
  }
  // Both are there and say the same of four servers.
  void both_speak(std::uint16_t first = 40, std::uint16_t second = 4) {
    pass();
    connects(1);
    says(0, std::vector<Word>(4, {first}));
    says(1, std::vector<Word>(4, {second}));
    pass();
  }
};

TEST_F(SeveralGwms, CountInTheirOrder) {
  pass();
  reconciler().set_connected(1, true);
  advise_by(1, 22);
  pass();
  EXPECT_EQ(kernel(1), 22U) << "the first has not spoken yet";
  advise_by(0, 11);
  pass();
  EXPECT_EQ(kernel(1), 11U);
  advise_by(1, 33);
  pass();
  EXPECT_EQ(kernel(1), 11U);
  EXPECT_EQ(reconciler().view().at(0).gwm, 0U);
}

TEST_F(SeveralGwms, TakeOverWhenTheFirstIsLost) {
  pass();
  reconciler().set_connected(1, true);
  advise_by(0, 11);
  advise_by(1, 22);
  reconciler().set_connected(0, false);
  pass();
  EXPECT_EQ(kernel(1), 22U);
  reconciler().set_connected(0, true);
  pass();
  EXPECT_EQ(kernel(1), 11U);
}

TEST_F(SeveralGwms, ChangeNothingWhenAllAreLost) {
  pass();
  reconciler().set_connected(1, true);
  advise_by(0, 11);
  advise_by(1, 22);
  reconciler().set_connected(0, false);
  pass();
  reconciler().set_connected(1, false);
  pass();
  EXPECT_EQ(kernel(1), 22U) << "the one that counted last";
}

// --- who counts

TEST_F(SeveralGwms, OneThatReturnsAndKnowsNobodyDoesNotDisplaceOneThatKnows) {
  const std::vector<std::vector<Word>> ignorant{
      {}, std::vector<Word>(4, {50, unknown}), {{0, quiesced}, {50, unknown}, {50, unknown}}};
  for (const auto& words : ignorant) {
    SCOPED_TRACE(words.size());
    plane_.reset();
    reconciler_.reset();
    add_service(web, {10, 10, 10, 10});
    both_speak();
    is_lost(0);
    pass();
    now_ += seconds{30};
    connects(0);
    says(0, words);
    says(1, {{5}, {6}, {7}, {8}});
    pass();
    EXPECT_EQ(followed(), 1U);
    EXPECT_EQ(kernel(2), 6U) << "the new advice of the one that knows is followed";
    EXPECT_EQ(kernel(4), 8U);
  }
}

TEST_F(SeveralGwms, OneThatForgetsEverybodyGivesWay) {
  both_speak();
  now_ += seconds{30};
  says(0, std::vector<Word>(4, {50, unknown}));
  pass();
  EXPECT_EQ(followed(), 1U);
  EXPECT_EQ(kernel(), "4 4 4 4");
}

// The probes of a GWM that was restarted find the servers one by one: 6 became 1 so.
TEST_F(SeveralGwms, OneThatReturnsTakesOverWhenItKnowsAllThatTheOtherKnows) {
  both_speak();
  is_lost(0);
  pass();
  connects(0);
  for (unsigned known = 1; known < 4; ++known) {
    now_ += seconds{5};
    std::vector<Word> words(4, {50, unknown});
    std::fill_n(words.begin(), known, Word{50, good});
    says(0, words);
    says(1, std::vector<Word>(4, {4}));
    pass();
    EXPECT_EQ(kernel(), "4 4 4 4") << known;
  }
  says(0, {{50}, {50}, {0, quiesced}, {0, dead}});
  pass();
  EXPECT_EQ(followed(), 0U);
  EXPECT_EQ(kernel(), "50 50 0 0");
}

TEST_F(SeveralGwms, OneThatKnowsSomeForLongCountsAfterAll) {
  both_speak();
  is_lost(0);
  pass();
  connects(0);
  const std::vector<Word> some{{50}, {50}, {50}, {50, unknown}};
  says(0, some);
  pass();
  EXPECT_EQ(followed(), 1U);
  goes_by(GwmChoice::settles_after - seconds{1});
  says(0, some);
  EXPECT_EQ(followed(), 1U);
  goes_by(seconds{1});
  EXPECT_EQ(followed(), 0U) << "though nobody has said anything new";
}

TEST_F(SeveralGwms, OneThatIsSilentGivesWay) {
  settings_.stale_after = seconds{60};
  both_speak();
  now_ += seconds{60};
  says(1, std::vector<Word>(4, {4}));
  pass();
  EXPECT_EQ(followed(), 0U);
  now_ += seconds{1};
  reconcile();
  EXPECT_EQ(followed(), 1U);
  EXPECT_EQ(kernel(), "4 4 4 4");
}

// Lost for the first time it comes back at once; then the weights stay with the other.
TEST_F(SeveralGwms, OneThatComesAndGoesDoesNotMoveTheWeightsEachTime) {
  both_speak();
  std::size_t changes = 0;
  for (int times = 0; times < 50; ++times) {
    const auto before = followed();
    now_ += seconds{20};
    is_lost(0);
    says(1, std::vector<Word>(4, {4}));
    pass();
    EXPECT_EQ(followed(), 1U);
    now_ += seconds{20};
    connects(0);
    says(0, std::vector<Word>(4, {40}));
    pass();
    changes += before != followed() ? 1U : 0U;
    if (times == 0) {
      EXPECT_EQ(followed(), 0U);
    }
  }
  EXPECT_EQ(followed(), 1U);
  EXPECT_LE(changes, 2U);
  goes_by(GwmChoice::settles_after);
  EXPECT_EQ(followed(), 0U) << "it has come to rest";
}

TEST_F(SeveralGwms, EachChangeIsToldOnce) {
  pass();
  connects(1);
  says(0, std::vector<Word>(4, {40}));
  says(1, std::vector<Word>(4, {4}));
  const auto changes = [this] { return reconciler().work(now_).gwm_changes; };
  auto told = changes();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].group, "web");
  EXPECT_EQ(told[0].cause, GwmChange::Cause::first);
  EXPECT_TRUE(changes().empty());
  is_lost(0);
  told = changes();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].cause, GwmChange::Cause::lost);
  EXPECT_EQ(told[0].before, std::vector<std::size_t>{0});
  EXPECT_EQ(told[0].now, std::vector<std::size_t>{1});
  connects(0);
  says(0, std::vector<Word>(4, {40}));
  EXPECT_EQ(changes().at(0).cause, GwmChange::Cause::joined);
}

// --- quiesces

class LastingQuiesce : public SeveralGwms {
 protected:
  // The first has quiesced server 2, the other knows nothing of it.
  void quiesce() {
    both_speak();
    says(0, {{40}, {0, quiesced}, {40}, {40}});
    pass();
    EXPECT_EQ(kernel(), "40 0 40 40");
  }
  // Both speak every ten seconds, and the kernel is listed.
  void other_speaks(Duration time, std::uint8_t flags = good) {
    for (Duration passed{}; passed < time; passed += seconds{10}) {
      now_ += seconds{10};
      says(1, {{4}, {4, flags}, {4}, {4}});
      reconcile();
    }
  }
};

TEST_F(LastingQuiesce, OutlivesTheGwmThatAdvisedIt) {
  quiesce();
  is_lost(0);
  pass();
  EXPECT_EQ(kernel(), "4 0 4 4");
  EXPECT_EQ(reason(2), Reason::quiesced);
  EXPECT_EQ(quiesced_by(2), 0U);
  other_speaks(minutes{60});
  EXPECT_EQ(kernel(), "4 0 4 4");
}

TEST_F(LastingQuiesce, OutlivesTheReturnOfAGwmThatKnowsNobody) {
  quiesce();
  is_lost(0);
  pass();
  connects(0);
  says(0, std::vector<Word>(4, {40, unknown}));
  other_speaks(minutes{10});
  EXPECT_EQ(kernel(), "4 0 4 4");
}

TEST_F(LastingQuiesce, IsLiftedByTheGwmThatAdvisedItWhenItIsBack) {
  quiesce();
  is_lost(0);
  pass();
  connects(0);
  says(0, std::vector<Word>(4, {40}));
  pass();
  EXPECT_EQ(kernel(), "40 40 40 40");
  EXPECT_EQ(quiesced_by(2), std::nullopt);
}

// Its weights do not count yet, but the operator's word does.
TEST_F(LastingQuiesce, IsBegunAndLiftedByOneThatPrecedesAndHasYetToSettle) {
  both_speak();
  for (int times = 0; times < 3; ++times) {
    is_lost(0);
    pass();
    connects(0);
    says(0, std::vector<Word>(4, {40}));
    pass();
  }
  ASSERT_EQ(followed(), 1U);
  says(0, {{40}, {0, quiesced}, {40}, {40}});
  pass();
  EXPECT_EQ(kernel(), "4 0 4 4");
  is_lost(0);
  pass();
  EXPECT_EQ(kernel(), "4 0 4 4");
  connects(0);
  says(0, std::vector<Word>(4, {40}));
  pass();
  EXPECT_EQ(kernel(), "4 4 4 4");
}

TEST_F(LastingQuiesce, IsLiftedByAnotherThatKnewOfIt) {
  quiesce();
  says(1, {{4}, {0, quiesced}, {4}, {4}});
  pass();
  is_lost(0);
  other_speaks(seconds{30}, quiesced);
  EXPECT_EQ(kernel(), "4 0 4 4");
  other_speaks(seconds{10}, unknown);
  EXPECT_EQ(kernel(), "4 0 4 4") << "it does not know any more";
  other_speaks(seconds{10});
  EXPECT_EQ(kernel(), "4 4 4 4");
}

// That was another quiesce.
TEST_F(LastingQuiesce, IsNotLiftedByOneThatKnewOfAnEarlierOneOnly) {
  quiesce();
  says(1, {{4}, {0, quiesced}, {4}, {4}});
  pass();
  says(0, std::vector<Word>(4, {40}));
  says(1, std::vector<Word>(4, {4}));
  pass();
  EXPECT_EQ(kernel(), "40 40 40 40");
  says(0, {{40}, {0, quiesced}, {40}, {40}});
  pass();
  is_lost(0);
  other_speaks(seconds{30});
  EXPECT_EQ(kernel(), "4 0 4 4");
}

TEST_F(LastingQuiesce, IsLiftedByTheOperator) {
  quiesce();
  EXPECT_EQ(reconciler().give_back({}, server(2)), 0U) << "the GWM would put it back at once";
  is_lost(0);
  pass();
  EXPECT_EQ(reconciler().give_back({}, server(1)), 0U);
  EXPECT_EQ(reconciler().give_back({}, server(2)), 1U);
  pass();
  EXPECT_EQ(kernel(), "4 4 4 4");
  connects(0);
  says(0, {{40}, {0, quiesced}, {40}, {40}});
  pass();
  EXPECT_EQ(kernel(), "40 0 40 40");
}

TEST_F(LastingQuiesce, EndsAfterStaleAfterIfThatIsGiven) {
  settings_.stale_after = seconds{120};
  quiesce();
  is_lost(0);
  other_speaks(seconds{120});
  EXPECT_EQ(kernel(), "4 0 4 4");
  other_speaks(seconds{10});
  EXPECT_EQ(kernel(), "4 4 4 4");
}

TEST_F(LastingQuiesce, OfAServerThatIsGoneIsForgotten) {
  quiesce();
  is_lost(0);
  pass();
  plane_.table.at(web).destinations.erase(server(2));
  reconcile();
  set(web, 2, 10);
  reconcile();
  other_speaks(seconds{10});
  EXPECT_EQ(kernel(), "4 4 4 4");
}

TEST_F(LastingQuiesce, OfAllServersLeavesNoneToShare) {
  both_speak();
  says(0, std::vector<Word>(4, {0, quiesced}));
  pass();
  is_lost(0);
  other_speaks(seconds{30});
  EXPECT_EQ(kernel(), "0 0 0 0");
}

// A reload: the first is now the second, and then it is gone.
TEST_F(LastingQuiesce, MovesWithItsGwm) {
  using Names = std::vector<std::string>;
  quiesce();
  is_lost(0);
  pass();
  reconciler().reconfigure(settings_, Renumbering(Names{"a", "b"}, Names{"b", "a"}), now_);
  pass();
  EXPECT_EQ(kernel(), "4 0 4 4");
  EXPECT_EQ(followed(), 0U);
  EXPECT_EQ(quiesced_by(2), 1U);
  settings_.gwms = 1;
  reconciler().reconfigure(settings_, Renumbering(Names{"b", "a"}, Names{"b"}), now_);
  pass();
  EXPECT_EQ(kernel(), "4 4 4 4") << "the operator has taken it out";
}

// --- merges

class MergedGwms : public SeveralGwms {};

TEST_F(MergedGwms, FollowAllThatKnow) {
  settings_.merge = GwmMerge::mean;
  both_speak(10, 30);
  EXPECT_EQ(kernel(), "20 20 20 20");
  says(0, {{10}, {10}, {10}, {10, unknown}});
  says(1, {{30}, {30}, {0, dead}, {30}});
  pass();
  EXPECT_EQ(kernel(), "20 20 10 20");
  is_lost(1);
  pass();
  EXPECT_EQ(kernel(), "10 10 10 0") << "by the advice of the one that is left";
  EXPECT_EQ(reconciler().view().at(0).gwms, std::vector<std::size_t>{0});
}

TEST_F(MergedGwms, TakeOutWhatOneOfThemQuiesces) {
  for (const auto merge : {GwmMerge::mean, GwmMerge::min, GwmMerge::max}) {
    settings_.merge = merge;
    plane_.reset();
    reconciler_.reset();
    add_service(web, {10, 10, 10, 10});
    both_speak(10, 10);
    says(1, {{10}, {0, quiesced}, {10}, {10}});
    pass();
    EXPECT_EQ(kernel(), "10 0 10 10");
    is_lost(1);
    pass();
    EXPECT_EQ(kernel(), "10 0 10 10") << "it outlives its GWM";
  }
}

TEST_F(MergedGwms, AreToldFromAReloadOn) {
  both_speak(10, 30);
  EXPECT_EQ(kernel(), "10 10 10 10");
  settings_.merge = GwmMerge::max;
  reconciler().reconfigure(settings_, Renumbering::none(2), now_);
  pass();
  EXPECT_EQ(kernel(), "20 20 20 20");
}

TEST_F(MergedGwms, WriteNothingWhenNothingChanges) {
  settings_.merge = GwmMerge::mean;
  both_speak(64, 60000);
  says(0, {{64}, {3}, {17}, {40}});
  says(1, {{60000}, {2}, {777}, {3}});
  pass();
  plane_.written.clear();
  for (int times = 0; times < 3; ++times) {
    now_ += seconds{10};
    says(1, {{60000}, {2}, {777}, {3}});
    says(0, {{64}, {3}, {17}, {40}});
    pass();
  }
  EXPECT_TRUE(plane_.written.empty());
}

}  // namespace
}  // namespace saspd::director
