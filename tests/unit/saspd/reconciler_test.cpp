// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

TEST_F(ReconcilerTest, WritesNothingBeforeTheFirstAdvice) {
  pass();
  reconcile();
  EXPECT_TRUE(plane_.written.empty());
  EXPECT_EQ(reason(1), Reason::static_weight);
}

TEST_F(ReconcilerTest, MakesTheKernelFollowTheAdvice) {
  pass();
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
  EXPECT_EQ(plane_.written.size(), 3U) << "an unchanged weight sends nothing";
  EXPECT_EQ(plane_.lists, 1U);
  advise({40, 30, 20, 10});
  reconcile();
  EXPECT_EQ(plane_.written.size(), 3U);
}

TEST_F(ReconcilerTest, CountsTheWeightsThatTheKernelTook) {
  pass();
  advise({40, 30, 20, 10});
  plane_.fails_on(0);
  pass();
  pass();
  advise({40, 30, 20, 10}, good | sasp::weight_flag::quiesce);
  pass();
  const auto changes = reconciler().view().at(0).services.at(0).weight_changes;
  EXPECT_EQ(changes, (Reconciler::WeightChanges{{Reason::advice, 3}, {Reason::quiesced, 4}}));
}

TEST_F(ReconcilerTest, PreservesEverythingButTheWeight) {
  pass();
  advise({40});
  pass();
  lb::Destination expected = plane_.table.at(web).destinations.at(server(1));
  EXPECT_EQ(plane_.written.at(0).destination, expected);
  EXPECT_EQ(expected.forward, lb::Forward::tunnel);
  EXPECT_EQ(expected.upper_threshold, 77U);
}

TEST_F(ReconcilerTest, RaisesBeforeItLowers) {
  pass();
  advise({1, 2, 30, 40});
  pass();
  ASSERT_EQ(plane_.written.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    const bool raise = plane_.written[i].destination.weight > plane_.written[i].listed.weight;
    EXPECT_EQ(raise, i < 2) << i;
  }
}

TEST_F(ReconcilerTest, IgnoresAdviceForOthers) {
  pass();
  EXPECT_EQ(advise({40, 30, 20, 10, 99, 98}), 2U);
  EXPECT_EQ(advise({1, 1}, good, "other"), 2U);
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(ReconcilerTest, DoesNotRaiseAZeroThatItDidNotWrite) {
  set(web, 2, 0);
  pass();
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "40 0 20 10");
  EXPECT_EQ(reason(2), Reason::foreign_zero);
}

TEST_F(ReconcilerTest, RaisesItsOwnZero) {
  pass();
  advise({0, 30, 20, 10});
  pass();
  reconcile();
  EXPECT_EQ(kernel(), "0 30 20 10");
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(ReconcilerTest, RespectsAZeroThatReplacedItsOwnWeight) {
  pass();
  advise({40, 30, 20, 10});
  pass();
  set(web, 1, 0);  // a human drains it
  reconcile();
  advise({50, 30, 20, 10});
  reconcile();
  EXPECT_EQ(kernel(), "0 30 20 10");
  set(web, 1, 1);  // and ends that
  reconcile();
  EXPECT_EQ(kernel(), "50 30 20 10");
}

TEST_F(ReconcilerTest, ForgetsItsZeroWhenSomebodyElseWroteInBetween) {
  pass();
  advise({0, 30, 20, 10});
  pass();
  set(web, 1, 5);
  plane_.fails_on(0);  // the overwrite fails, so the last write of that destination is foreign
  reconcile();
  set(web, 1, 0);
  reconcile();
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(kernel(1), 0U);
}

TEST_F(ReconcilerTest, KeepsItsZeroWhenAListingLacksTheDestinationOnce) {
  pass();
  advise({0, 30, 20, 10});
  pass();
  plane_.tears_next_list = [](lb::Table& table) { table.at(web).destinations.erase(server(1)); };
  reconcile();
  EXPECT_EQ(reconciler().wanted().at("web").size(), 4U) << "the GWM hears of no departure";
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(ReconcilerTest, KeepsItsZerosWhenAListingLacksTheServiceOnce) {
  pass();
  advise({0, 30, 20, 10});
  pass();
  plane_.tears_next_list = [](lb::Table& table) { table.clear(); };
  reconcile();
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(ReconcilerTest, OverwritesAForeignWeight) {
  pass();
  advise({40, 30, 20, 10});
  pass();
  set(web, 3, 77);
  reconcile();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(ReconcilerTest, LeavesAServiceThatVanishedAndTakesItUpAgain) {
  pass();
  advise({40, 30, 20, 10});
  pass();
  const auto pool = plane_.table.at(web);
  plane_.table.clear();
  reconcile();
  EXPECT_FALSE(reconciler().view().at(0).services.at(0).present);
  EXPECT_TRUE(reconciler().wanted().empty());
  plane_.table[web] = pool;
  set(web, 1, 1);
  reconcile();
  EXPECT_EQ(reconciler().wanted().at("web").size(), 4U);
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(ReconcilerTest, DoesNotRaiseAZeroThatCameBetweenListAndWrite) {
  pass();
  advise({40, 30, 20, 10});
  plane_.before_apply = [this] { set(web, 2, 0); };
  EXPECT_TRUE(pass().empty()) << "no failure";
  EXPECT_EQ(kernel(), "40 0 20 10");
  EXPECT_EQ(reason(2), Reason::foreign_zero) << "it was listed again at once";
}

// Theirs and ours are the same zero: it is theirs, because ours was not written.
TEST_F(ReconcilerTest, DoesNotClaimAZeroThatCameBetweenListAndWrite) {
  pass();
  advise({40, 0, 20, 10});
  plane_.before_apply = [this] { set(web, 2, 0); };
  pass();
  advise({40, 30, 20, 10});
  pass();
  reconcile();
  EXPECT_EQ(kernel(), "40 0 20 10");
}

TEST_F(ReconcilerTest, WritesTheRestOfABigPlanAroundAForeignEdit) {
  settings_.chunk = 1;
  pass();
  advise({40, 30, 20, 5});
  plane_.before_apply = [this] { set(web, 1, 77); };
  pass();
  EXPECT_EQ(kernel(), "40 30 20 5");
  EXPECT_EQ(plane_.lists, 2U) << "once for all of the plan";
}

TEST_F(ReconcilerTest, ComesToRestBesideSomebodyWhoWritesAllTheTime) {
  pass();
  std::uint32_t foreign = 77;
  std::function<void()> write = [&] {
    set(web, 1, ++foreign);
    plane_.before_apply = write;
  };
  plane_.before_apply = write;
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(plane_.lists, 2U);
  EXPECT_EQ(kernel(1), 79U);
  plane_.before_apply = nullptr;
  reconcile();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(ReconcilerTest, KeepsAServiceInOneChunkIfItFits) {
  settings_.chunk = 5;
  const auto dns = *lb::parse_service("udp:192.0.2.10:53");
  settings_.groups.push_back({"dns", {plain_service(dns)}, {}});
  add_service(dns, {1, 1, 1, 1});
  plane_.table.at(dns).destinations = plane_.table.at(web).destinations;
  pass();
  advise({40, 30, 20, 5});
  sasp::GroupOfWeightEntries second{{"LB1", "dns"}, {}};
  for (unsigned n = 1; n <= 4; ++n) {
    second.items.push_back(
        {sasp::MemberData::of(member_of(plain_service(dns), server(n))), 0, good, 99});
  }
  reconciler().update(0, {{second}, 1}, now_);
  EXPECT_EQ(reconciler().work(now_).applied.size(), 4U);
  EXPECT_EQ(reconciler().work(now_).applied.size(), 4U);
}

TEST_F(ReconcilerTest, WritesABigPlanInChunks) {
  settings_.chunk = 3;
  add_service(web, {10, 10, 10, 10, 10, 10, 10});
  pass();
  advise({1, 2, 3, 4, 5, 6, 7});
  EXPECT_TRUE(reconciler().work(now_).more);
  EXPECT_EQ(plane_.written.size(), 3U);
  EXPECT_TRUE(reconciler().work(now_).more);
  EXPECT_FALSE(reconciler().work(now_).more);
  EXPECT_EQ(kernel(), "1 2 3 4 5 6 7");
}

TEST_F(ReconcilerTest, TakesNewAdviceInTheMiddleOfABigPlan) {
  settings_.chunk = 1;
  pass();
  advise({40, 30, 20, 5});
  reconciler().work(now_);
  advise({1, 2, 3, 4});
  pass();
  EXPECT_EQ(kernel(), "1 2 3 4");
}

TEST_F(ReconcilerTest, OnlyTellsWhatItWouldDoInADryRun) {
  settings_.dry_run = true;
  pass();
  advise({40, 30, 20, 10});
  EXPECT_EQ(reconciler().work(now_).applied.size(), 3U);
  EXPECT_TRUE(plane_.written.empty());
}

TEST_F(ReconcilerTest, GivesMembersTheirLabelsAndStaticWeights) {
  settings_.groups[0].members[server(1)] = {7, "first"};
  settings_.groups[0].members[server(9)] = {{}, "absent"};
  pass();
  EXPECT_EQ(reconciler().wanted().at("web").at(member_of(plain_service(web), server(1))), "first");
  EXPECT_EQ(reconciler().wanted().at("web").size(), 4U) << "an absent member is not registered";
  EXPECT_EQ(reason(9), Reason::unbound);
  sasp::GroupOfWeightEntries second{{"LB1", "web"}, {}};
  second.items.push_back(
      {sasp::MemberData::of(member_of(plain_service(web), server(2))), 0, good, 20});
  reconciler().update(0, {{second}, 1}, now_);
  pass();
  EXPECT_EQ(kernel(), "7 20 10 10");
}

TEST_F(ReconcilerTest, DoesNotRegisterWhatSaspCannotTellFromIpv4) {
  const Endpoint mapped = *Endpoint::parse("[::ffff:10.0.0.9]:80");
  plane_.table[web].destinations[mapped] = lb::Destination{mapped, 3};
  pass();
  EXPECT_EQ(reconciler().wanted().at("web").size(), 4U);
}

// Whatever single write fails, and whether the kernel did it or not, the next pass ends at desired.
// Its only server goes and another one comes: if that one cannot come, the first one stays.
class LastServer : public ReconcilerTest {
 protected:
  LastServer() {
    plane_.table.clear();
    add_service(web, {10, 10, 10});
    pass();
    advise({40, 0, 0});
    pass();
    EXPECT_EQ(kernel(), "40 0 0");
  }
};

TEST_F(LastServer, StaysWhenTheNextOneIsRefused) {
  advise({0, 30, 0});
  plane_.fails_on(0);
  EXPECT_EQ(pass().size(), 1U);
  EXPECT_EQ(kernel(), "40 0 0");
  reconcile();
  EXPECT_EQ(kernel(), "0 30 0");
}

TEST_F(LastServer, StaysWhenSomebodyElseTakesTheNextOneMeanwhile) {
  for (const std::uint16_t next :
       {std::uint16_t{9}, std::uint16_t{3}}) {  // that one is raised, or lowered
    advise({40, 5, 0});
    reconcile();
    ASSERT_EQ(kernel(), "40 5 0");
    advise({0, next, 0});
    plane_.before_apply = [this] { set(web, 2, 0); };
    pass();
    EXPECT_EQ(kernel(1), 40U) << next;
    set(web, 2, 5);
    reconcile();
  }
}

TEST_F(LastServer, GoesInTheSamePassWhenTheNextOneHasCome) {
  advise({0, 30, 0});
  EXPECT_TRUE(pass().empty());
  EXPECT_EQ(kernel(), "0 30 0");
  EXPECT_TRUE(reconciler().plan(now_)->empty());
  advise({20, 0, 0});
  EXPECT_EQ(reconciler().plan(now_)->size(), 2U) << "a plan shows all of it";
}

class FailedWrite : public ReconcilerTest,
                    public testing::WithParamInterface<FakeDataplane::Failing> {};

TEST_P(FailedWrite, IsMadeGoodByTheNextPass) {
  for (std::size_t nth = 0; nth < 8; ++nth) {
    SCOPED_TRACE(nth);
    plane_.reset();
    reconciler_.reset();
    settings_.chunk = 3;
    add_service(web, {10, 10, 10, 10});
    pass();
    plane_.fails_on(nth, GetParam());
    advise({40, 0, 20, 0});
    pass();
    pass();
    EXPECT_EQ(kernel(), "40 0 20 0");
    advise({0, 30, 0, 5});  // raises zeros that are ours, even if their acknowledgement was lost
    pass();
    pass();
    EXPECT_EQ(kernel(), "0 30 0 5");
    EXPECT_TRUE(pass().empty());
  }
}
INSTANTIATE_TEST_SUITE_P(Kernel, FailedWrite,
                         testing::Values(FakeDataplane::Failing::refused,
                                         FakeDataplane::Failing::lost_request,
                                         FakeDataplane::Failing::lost_acknowledgement));

TEST_F(ReconcilerTest, ListsAgainAfterAFailedList) {
  plane_.fails_to_list(2);
  EXPECT_EQ(pass().size(), 1U);
  EXPECT_EQ(pass().size(), 1U);
  EXPECT_TRUE(pass().empty());
  advise({40, 30, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

}  // namespace
}  // namespace saspd::director
