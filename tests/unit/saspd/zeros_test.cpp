// SPDX-License-Identifier: Apache-2.0
// Whose a weight 0 is: ours after every end and start, somebody else's never raised, and said to be
// unclear where that cannot be told.

#include <algorithm>
#include <random>
#include <set>

#include <fmt/format.h>

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

using Failing = FakeDataplane::Failing;
using std::chrono::seconds;

class Zeros : public ReconcilerTest {
 protected:
  Zeros() {
    plane_.table.clear();
    add_service(web, {40, 30, 20, 10});
  }
  // 40 0q 20 10
  void quiesce_second() {
    pass();
    advise({40, 0, 20, 10});
    pass();
    ASSERT_EQ(kernel(), "40 0 20 10");
  }
  void lift() {
    advise({40, 30, 20, 10});
    pass();
    reconcile();
  }
  Zero zero(unsigned n) {
    for (const auto& group : reconciler().view()) {
      for (const auto& member : group.members) {
        if (member.endpoint == server(n)) return member.zero;
      }
    }
    return {};
  }
  void reboot() {
    restart();
    ledger_.here.boot += "'";
    ledger_.here.network_namespace = "cookie:2";
  }
  // What a program does, over and over where it is killed.
  template <class Action>
  void survive(Action action) {
    for (int lives = 0; lives < 20; ++lives) {
      try {
        return action();
      } catch (const FakeDataplane::Killed&) {
        restart();
      }
    }
    FAIL() << "killed again and again";
  }
};

TEST_F(Zeros, OfOursAreRaisedAfterARestart) {
  quiesce_second();
  restart();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Zeros, OfOursAreRaisedAfterRestartsInEachQuiesceOfARollingMaintenance) {
  for (unsigned n = 0; n < 4; ++n) {
    std::vector<std::uint16_t> weights{40, 30, 20, 10};
    weights[n] = 0;
    pass();
    advise(weights);
    pass();
    EXPECT_EQ(kernel(n + 1), 0U);
    restart();
    pass();
  }
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

// Killed before or after any write to the kernel or to the ledger, while it quiesces, while it
// lifts that, or in both.
TEST_F(Zeros, OfOursSurviveAKillAtEachWrite) {
  for (const auto how : {Failing::killed_before, Failing::killed_after}) {
    for (std::size_t nth = 0; nth < 12; ++nth) {
      for (const bool of_ledger : {false, true}) {
        SCOPED_TRACE(fmt::format("write {} {} {}", nth, of_ledger ? "of the ledger" : "",
                                 how == Failing::killed_after ? "after" : "before"));
        restart();
        plane_.reset();
        ledger_.reset();
        settings_.chunk = 1;
        add_service(web, {40, 30, 20, 10});
        if (of_ledger) ledger_.kills_on(nth, how == Failing::killed_after);
        if (!of_ledger) plane_.fails_on(nth, how);
        for (const auto& advice : std::vector<std::vector<std::uint16_t>>{
                 {40, 0, 0, 10}, {40, 30, 0, 10}, {0, 30, 0, 11}, {40, 30, 20, 10}}) {
          survive([&] {
            pass();
            advise(advice);
            pass();
            reconcile();
          });
        }
        EXPECT_EQ(kernel(), "40 30 20 10");
      }
    }
  }
}

TEST_F(Zeros, OfOthersAreNotRaisedWhenTheyCameWhileWeWereAway) {
  quiesce_second();
  restart();
  set(web, 3, 0);
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 30 0 10");
  EXPECT_EQ(reason(3), Reason::foreign_zero);
  restart();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 30 0 10") << "nor after one more";
}

TEST_F(Zeros, OfOthersStayTheirsWhenTheGwmQuiescesTheServerAsWell) {
  set(web, 2, 0);
  quiesce_second();
  restart();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 0 20 10");
  set(web, 2, 5);
  reconcile();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Zeros, OfADestinationThatWeSawRaisedAreNotOursAnyMore) {
  quiesce_second();
  set(web, 2, 5);
  plane_.fails_on(0);
  reconcile();
  restart();
  set(web, 2, 0);
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 0 20 10");
}

TEST_F(Zeros, OfOursComeBackWithARestoredTable) {
  quiesce_second();
  const auto saved = plane_.table;
  plane_.table.clear();  // ipvsadm -C
  reconcile();
  plane_.table = saved;  // ipvsadm -R
  reconcile();
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

// ipvsadm -R adds one after the other, and a look falls between.
TEST_F(Zeros, OfOursComeBackWithATableThatIsRestoredSlowly) {
  quiesce_second();
  const auto saved = plane_.table;
  plane_.table.clear();
  reconcile();
  plane_.table[web].scheduler = "wlc";
  reconcile();
  for (const auto& [endpoint, destination] : saved.at(web).destinations) {
    plane_.table[web].destinations[endpoint] = destination;
    reconcile();
  }
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

// Who only asks what would be written leaves no trace, whatever the kernel shows in that moment.
TEST_F(Zeros, OfOursAreNotTouchedByAPlan) {
  quiesce_second();
  const auto table = plane_.table;
  const auto text = ledger_.text;
  plane_.table[web].destinations.erase(server(2));
  ASSERT_TRUE(reconciler().plan(now_));
  plane_.table[web].destinations[server(2)] = table.at(web).destinations.at(server(2));
  ASSERT_TRUE(reconciler().plan(now_));
  set(web, 3, 0);  // somebody else's
  ASSERT_TRUE(reconciler().plan(now_));
  plane_.table = table;
  EXPECT_EQ(ledger_.text, text);
  EXPECT_EQ(zero(2).author, ZeroAuthor::ours);
  plane_.written.clear();
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
  EXPECT_EQ(plane_.written.size(), 1U);
}

TEST_F(Zeros, OfOursComeBackAfterABoot) {
  quiesce_second();
  const auto saved = plane_.table;
  reboot();
  for (const bool early : {false, true}) {
    plane_.table.clear();
    if (early) pass();  // we are there before ipvsadm -R
    plane_.table = saved;
    reconcile();
    lift();
    EXPECT_EQ(kernel(), "40 30 20 10");
    quiesce_second();
    reboot();
  }
}

TEST_F(Zeros, OfOthersStayTheirsOverABoot) {
  quiesce_second();
  set(web, 3, 0);
  reconcile();
  set(web, 4, 0);  // while we are away
  reboot();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 30 0 0");
}

TEST_F(Zeros, AreUnclearWhenRestoredWhereBothHaveWrittenThem) {
  set(web, 2, 0);
  pass();
  set(web, 2, 5);  // a human's, which has ended
  reconcile();
  quiesce_second();
  reboot();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 0 20 10");
  EXPECT_EQ(reason(2), Reason::unclear_zero);
  EXPECT_EQ(zero(2).doubt, Doubt::restored);
}

TEST_F(Zeros, AreUnclearWhenTheDestinationAloneWasAddedAgain) {
  quiesce_second();
  plane_.table.at(web).destinations.erase(server(2));
  reconcile();
  set(web, 2, 0);
  reconcile();
  lift();
  EXPECT_EQ(kernel(), "40 0 20 10");
  EXPECT_EQ(zero(2).doubt, Doubt::added_again);
  restart();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 0 20 10") << "and stay so";
  EXPECT_EQ(reason(2), Reason::unclear_zero);
}

TEST_F(Zeros, AreUnclearWhenSomebodyWroteOtherAttributesWithThem) {
  quiesce_second();
  reconcile();
  plane_.table.at(web).destinations.at(server(2)).upper_threshold = 0;  // ipvsadm -e … -w 0
  reconcile();
  lift();
  EXPECT_EQ(kernel(), "40 0 20 10");
  EXPECT_EQ(zero(2).doubt, Doubt::edited);
}

TEST_F(Zeros, AreUnclearWhenSomebodyWroteOtherAttributesWithThemJustNow) {
  quiesce_second();
  reconcile();
  plane_.before_apply = [this] {
    plane_.table.at(web).destinations.at(server(2)).upper_threshold = 0;
  };
  lift();
  EXPECT_EQ(kernel(), "40 0 20 10");
  EXPECT_EQ(zero(2).doubt, Doubt::edited);
}

TEST_F(Zeros, AreUnclearAtTheStartWhenTheLedgerIsLost) {
  quiesce_second();
  set(web, 3, 0);
  restart();
  ledger_.text.clear();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 0 0 10");
  EXPECT_EQ(zero(2).doubt, Doubt::no_record);
  set(web, 4, 0);
  reconcile();
  EXPECT_EQ(reason(4), Reason::foreign_zero) << "that one was seen";
  set(web, 3, 1);
  reconcile();
  EXPECT_EQ(kernel(), "40 0 20 0") << "whoever wrote it has raised it";
}

TEST_F(Zeros, AreRaisedWhenTheOperatorGivesThemBack) {
  ledger_.text.clear();
  set(web, 1, 0);
  pass();
  set(web, 3, 0);
  reconcile();
  lift();
  ASSERT_EQ(kernel(), "0 30 0 10");
  EXPECT_EQ(reason(1), Reason::unclear_zero);
  EXPECT_EQ(reason(3), Reason::foreign_zero);
  EXPECT_EQ(reconciler().give_back("other", server(1)), 0U);
  EXPECT_EQ(reconciler().give_back("web", server(4)), 0U) << "it is not at 0";
  EXPECT_EQ(reconciler().give_back("web", server(1)), 1U);
  EXPECT_EQ(reconciler().give_back({}, server(3)), 1U);
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Zeros, StayOursWhenTheyWereGivenBackBeforeAnyAdvice) {
  set(web, 2, 0);
  pass();
  EXPECT_EQ(reconciler().give_back({}, server(2)), 1U);
  pass();
  restart();
  pass();
  EXPECT_EQ(kernel(), "40 0 20 10");
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Zeros, OfAnotherNamespaceAreNotOurs) {
  quiesce_second();
  restart();
  ledger_.here.network_namespace = "cookie:9";
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 0 20 10");
  EXPECT_EQ(reason(2), Reason::unclear_zero);
}

TEST_F(Zeros, OfANamespaceThatWasMadeAgainUnderItsNameAreOurs) {
  ledger_.here.name = "blue";
  ledger_.text = Ledger::empty().text(ledger_.here);
  quiesce_second();
  restart();
  ledger_.here.network_namespace = "cookie:9";
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Zeros, AreAllOursInAManagedService) {
  settings_.groups[0].services[0].manage.emplace().service.scheduler = "wlc";
  settings_.groups[0].services[0].manage->forward = lb::Forward::tunnel;
  for (unsigned n = 1; n <= 4; ++n)
    settings_.groups[0].members[server(n)];
  ledger_.text.clear();
  quiesce_second();
  restart();
  ledger_.text.clear();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Zeros, AreWrittenDownBeforeTheKernelIs) {
  pass();
  std::string written;
  plane_.before_apply = [&] { written = ledger_.text; };
  advise({40, 0, 20, 10});
  pass();
  EXPECT_NE(written.find("10.0.0.2:8080 here ours"), std::string::npos) << written;
}

TEST_F(Zeros, AloneAreWorthAWriteOfTheLedger) {
  pass();
  const auto before = ledger_.writes;
  for (std::uint16_t n = 1; n < 50; ++n) {
    advise({n, static_cast<std::uint16_t>(n + 1), 20, 10});
    pass();
    reconcile();
  }
  EXPECT_EQ(ledger_.writes, before);
  advise({40, 0, 20, 10});
  pass();
  reconcile();
  EXPECT_EQ(ledger_.writes, before + 1);
}

TEST_F(Zeros, AreKnownInMemoryWhileTheDiskIsFull) {
  ledger_.full = true;
  quiesce_second();
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10");
  quiesce_second();
  ledger_.full = false;
  reconcile();
  restart();
  pass();
  lift();
  EXPECT_EQ(kernel(), "40 30 20 10") << "and written down when there is room again";
}

TEST_F(Zeros, AreNoStaticWeight) {
  set(web, 1, 0);
  set(web, 2, 0);
  pass();
  set(web, 1, 7);  // a human ends what was there before us
  reconcile();
  sasp::GroupOfWeightEntries others{{"LB1", "web"}, {}};
  others.items.push_back(
      {sasp::MemberData::of(member_of(plain_service(web), server(3))), 0, good, 20});
  reconciler().update(0, {{others}, 1}, now_);
  pass();
  EXPECT_EQ(kernel(), "7 0 20 10");
}

TEST_F(Zeros, KeepTheStaticWeightOverARestart) {
  pass();
  advise({1, 2, 3, 4});
  pass();
  restart();
  pass();
  sasp::GroupOfWeightEntries first{{"LB1", "web"}, {}};
  first.items.push_back(
      {sasp::MemberData::of(member_of(plain_service(web), server(1))), 0, good, 9});
  reconciler().update(0, {{first}, 1}, now_);
  pass();
  EXPECT_EQ(kernel(), "9 30 20 10");
}

TEST_F(Zeros, AreNotWrittenDownInADryRun) {
  settings_.dry_run = true;
  pass();
  advise({40, 0, 20, 10});
  pass();
  EXPECT_EQ(ledger_.writes, 0U);
}

// Anybody does anything, we are killed anywhere, the table is saved and restored, the machine
// boots, the ledger is lost: no zero of somebody else is raised, and without a lost ledger all of
// ours are. Left out is what leaves no trace: two acts of others on a destination between two
// looks.
class AnyOrder : public Zeros, public testing::WithParamInterface<unsigned> {
 protected:
  enum class Author { nobody, us, others };
  using Known = std::map<Endpoint, std::pair<std::uint32_t, Author>>;

  std::size_t random(std::size_t below) { return random_() % below; }

  // After we acted: what is 0 now and was not is ours.
  void judge() {
    for (const auto& [endpoint, destination] : plane_.table[web].destinations) {
      auto& [weight, author] = known_[endpoint];
      if (weight == 0 && destination.weight > 0) {
        EXPECT_NE(author, Author::others) << endpoint.text() << " was raised";
      }
      if (destination.weight > 0) author = Author::nobody;
      if (destination.weight == 0 && weight > 0) author = Author::us;
      weight = destination.weight;
    }
  }
  void ours() {
    survive([&] {
      std::vector<std::uint16_t> advice;
      for (int n = 0; n < 4; ++n)
        advice.push_back(static_cast<std::uint16_t>(random(3) == 0 ? 0 : random(50)));
      if (random(3) == 0) plane_.fails_on(random(3), static_cast<Failing>(random(5)));
      if (random(5) == 0) ledger_.kills_on(random(3), random(2) == 0);
      reconcile();
      advise(advice);
      pass();
    });
    survive([&] {
      reconcile();
      reconcile();
    });
    judge();
    touched_.clear();
  }
  void others() {
    const unsigned n = 1 + static_cast<unsigned>(random(4));
    auto& destinations = plane_.table[web].destinations;
    if (!touched_.insert(n).second || !destinations.contains(server(n))) return;
    const auto weight = static_cast<std::uint32_t>(random(2) == 0 ? 0 : random(50));
    auto& [before, author] = known_[server(n)];
    if (weight == 0 && before == 0) return;  // without a trace
    destinations[server(n)].weight = before = weight;
    author = weight == 0 ? Author::others : Author::nobody;
  }
  void step() {
    switch (random(8)) {
      case 0: return restart();
      case 1: {
        if (!touched_.empty()) return;
        restart();
        ledger_.here.boot += "'";
        return;
      }
      case 2: {  // -C, -R, with a look between
        if (!touched_.empty()) return;
        const auto saved = plane_.table;
        plane_.table.clear();
        survive([&] { reconcile(); });
        plane_.table = saved;
        return;
      }
      case 3:
      case 4: return others();
      default: return ours();
    }
  }

  std::mt19937 random_{GetParam()};
  Known known_;
  std::set<unsigned> touched_;
};

TEST_P(AnyOrder, RaisesNoZeroOfOthers) {
  pass();
  judge();
  for (int i = 0; i < 400; ++i) {
    step();
    if (random(100) == 0) {
      restart();
      ledger_.text.clear();
    }
    if (HasFailure()) return;
  }
}

TEST_P(AnyOrder, RaisesAllOfOurs) {
  pass();
  judge();
  for (int i = 0; i < 200; ++i)
    step();
  ours();
  survive([&] { lift(); });
  survive([&] { lift(); });
  for (const auto& [endpoint, known] : known_) {
    const auto weight = plane_.table[web].destinations.at(endpoint).weight;
    if (known.second != Author::others && weight == 0) {
      const auto unclear = zero(endpoint.address.bytes().back());
      EXPECT_EQ(unclear.doubt, Doubt::restored) << endpoint.text();
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seed, AnyOrder, testing::Range(1U, 41U));

}  // namespace
}  // namespace saspd::director
