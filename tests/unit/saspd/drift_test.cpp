// SPDX-License-Identifier: Apache-2.0
// Weights that other programs write: each is an event with old, new and what follows, and --drift says
// what that is.
#include "controller/saspd/drift.hpp"

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

class Drifting : public ReconcilerTest {
 protected:
  void advised(DriftPolicy policy) {
    settings_.drift = policy;
    pass();
    advise({40, 30, 20, 10});
    pass();
    ASSERT_EQ(kernel(), "40 30 20 10");
    reconcile();
    plane_.written.clear();
  }
  // The events since the last call, of a look at the kernel and what follows.
  std::vector<std::string> look() {
    std::vector<std::string> texts;
    reconciler().look_again();
    for (;;) {
      const Work work = reconciler().work(now_);
      for (const auto& drift : work.drifts)
        texts.push_back(drift.text());
      if (!work.more) return texts;
    }
  }
  DriftCount count() { return reconciler().view().at(0).drift; }
  bool warns() {
    for (const auto& [group, alarms] : reconciler().alarms()) {
      for (const auto& alarm : alarms) {
        if (alarm.name == "foreign_weight") return true;
      }
    }
    return false;
  }
  using Texts = std::vector<std::string>;
};

const std::string first = "tcp:192.0.2.10:80 10.0.0.1:8080: another program has changed ";

TEST_F(Drifting, IsNothingThatWeWrote) {
  advised(DriftPolicy::overwrite);
  for (const unsigned weight : {1U, 2U, 3U, 60000U}) {
    advise({static_cast<std::uint16_t>(weight), 30, 20, 10});
    pass();
    EXPECT_EQ(look(), Texts{});
  }
  EXPECT_EQ(count().total, 0U);
}

// The kernel has taken a write, and its acknowledgement was lost.
TEST_F(Drifting, IsNothingThatWeMayHaveWritten) {
  advised(DriftPolicy::overwrite);
  plane_.fails_on(0, FakeDataplane::Failing::lost_acknowledgement);
  advise({41, 30, 20, 10});
  reconciler().work(now_);
  EXPECT_EQ(look(), Texts{});
  EXPECT_EQ(kernel(), "41 30 20 10");
}

TEST_F(Drifting, IsOverwritten) {
  advised(DriftPolicy::overwrite);
  set(web, 1, 7);
  EXPECT_EQ(look(), Texts{first + "weight 40 -> 7: weight 40 is written (advice)"});
  EXPECT_EQ(kernel(), "40 30 20 10");
  EXPECT_EQ(look(), Texts{});
  EXPECT_EQ(count().total, 1U);
  EXPECT_EQ(count().last->write.weights->now, 7U);
}

TEST_F(Drifting, IsAHandThatWasFasterThanOurs) {
  advised(DriftPolicy::overwrite);
  plane_.before_apply = [this] { set(web, 1, 7); };
  advise({50, 30, 20, 10});
  const Work overtaken = reconciler().work(now_);
  EXPECT_EQ(overtaken.overtaken.size(), 1U);
  const Work next = reconciler().work(now_);
  ASSERT_EQ(next.drifts.size(), 1U);
  EXPECT_EQ(next.drifts[0].text(), first + "weight 40 -> 7: weight 50 is written (advice)");
  EXPECT_EQ(kernel(), "50 30 20 10");
}

TEST_F(Drifting, OfAttributesIsSaidAndStays) {
  advised(DriftPolicy::overwrite);
  auto& destination = plane_.table[web].destinations[server(1)];
  destination.forward = lb::Forward::route;
  destination.upper_threshold = 99;
  plane_.table[web].scheduler = "rr";
  EXPECT_EQ(look(), (Texts{"tcp:192.0.2.10:80: another program has changed scheduler wlc -> "
                           "scheduler rr: it stays",
                           first + "forwarding tunnel -> route: it stays",
                           first + "thresholds 77/0 -> 99/0: it stays"}));
  EXPECT_TRUE(plane_.written.empty());
}

TEST_F(Drifting, ToZeroIsHeldWhateverThePolicy) {
  for (const auto policy : {DriftPolicy::overwrite, DriftPolicy::report, DriftPolicy::adopt}) {
    restart();
    for (unsigned n = 1; n <= 4; ++n)
      set(web, n, 10);
    advised(policy);
    set(web, 1, 0);
    EXPECT_EQ(look(), Texts{first + "weight 40 -> 0: it stays 0 until its owner raises it, and the "
                                    "GWM is told that it is quiesced"});
    advise({45, 30, 20, 10});
    pass();
    EXPECT_EQ(kernel(1), 0U);
    EXPECT_EQ(reason(1), Reason::foreign_zero);
  }
}

TEST_F(Drifting, StandsUntilTheAdviceChanges) {
  advised(DriftPolicy::report);
  set(web, 1, 7);
  EXPECT_EQ(look(),
            Texts{first + "weight 40 -> 7: it stays until other advice comes (--drift report)"});
  EXPECT_EQ(reason(1), Reason::foreign_weight);
  EXPECT_TRUE(warns());
  advise({40, 31, 20, 10});  // of another server, and the same once more
  pass();
  look();
  EXPECT_EQ(kernel(), "7 31 20 10");
  advise({41, 31, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "41 31 20 10");
  EXPECT_EQ(reason(1), Reason::advice);
  EXPECT_FALSE(warns());
  advise({40, 31, 20, 10});
  pass();
  EXPECT_EQ(kernel(), "40 31 20 10") << "it is over for good";
}

TEST_F(Drifting, StandsNoLongerThanThePolicy) {
  advised(DriftPolicy::report);
  set(web, 1, 7);
  look();
  const auto reload = [this] {
    reconciler().reconfigure(settings_, Renumbering::none(settings_.gwms), now_);
    pass();
  };
  reload();
  EXPECT_EQ(kernel(), "7 30 20 10") << "as before";
  settings_.drift = DriftPolicy::overwrite;
  reload();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

TEST_F(Drifting, IsNothingThatTheKernelAddsItself) {
  advised(DriftPolicy::overwrite);
  plane_.table[web].flags |= lb::service_flag::hashed;
  EXPECT_EQ(look(), Texts{});
}

TEST_F(Drifting, ThatIsAdoptedIsNoWarning) {
  advised(DriftPolicy::adopt);
  set(web, 1, 7);
  EXPECT_EQ(
      look(),
      Texts{first + "weight 40 -> 7: it is adopted, until other advice comes (--drift adopt)"});
  EXPECT_EQ(reason(1), Reason::foreign_weight);
  EXPECT_FALSE(warns());
  EXPECT_EQ(kernel(), "7 30 20 10");
}

// It is the last of several that stands.
TEST_F(Drifting, IsReplacedByTheNext) {
  advised(DriftPolicy::report);
  set(web, 1, 7);
  look();
  set(web, 1, 8);
  EXPECT_EQ(look().size(), 1U);
  EXPECT_EQ(kernel(), "8 30 20 10");
  set(web, 1, 40);
  look();
  EXPECT_EQ(kernel(), "40 30 20 10");
}

// A quiesce that comes after the foreign write is never later than now, though nobody has seen that
// write yet.
TEST_F(Drifting, EndsWithAQuiesceThatComesBeforeItWasSeen) {
  advised(DriftPolicy::report);
  set(web, 1, 7);
  advise({40}, good | sasp::weight_flag::quiesce);
  pass();
  reconcile();
  EXPECT_EQ(kernel(), "0 30 20 10");
  EXPECT_EQ(reason(1), Reason::quiesced);
}

// Nobody else has a say there.
TEST_F(Drifting, OfAManagedServiceIsOverwritten) {
  settings_.groups[0].services[0].manage.emplace().service.scheduler = "wlc";
  for (unsigned n = 1; n <= 4; ++n)
    settings_.groups[0].members[server(n)];
  advised(DriftPolicy::adopt);
  plane_.table[web].destinations[server(1)].weight = 7;
  EXPECT_EQ(look(), Texts{first + "weight 40 -> 7: weight 40 is written (advice)"});
  EXPECT_EQ(kernel(), "40 30 20 10");
}

const std::string fifth = "tcp:192.0.2.10:80 10.0.0.5:8080: another program has ";

TEST_F(Drifting, IsAServerThatIsAddedOrRemoved) {
  advised(DriftPolicy::report);
  set(web, 5, 3);
  EXPECT_EQ(look(), Texts{fifth + "added it with weight 3: its weight is 3 (static)"});
  EXPECT_EQ(look(), Texts{});
  plane_.table[web].destinations.erase(server(5));
  EXPECT_EQ(look(), Texts{fifth + "removed it, at weight 3: it gets no connections"});
  set(web, 5, 0);
  EXPECT_EQ(look(),
            Texts{fifth + "added it with weight 0: it stays 0 until its owner raises it, and "
                          "the GWM is told that it is quiesced"});
  EXPECT_EQ(count().total, 3U);
  EXPECT_EQ(kernel(), "40 30 20 10 0");
  plane_.table.erase(web);
  EXPECT_EQ(look(), Texts{}) << "that is an alarm of its own";
}

TEST_F(Drifting, IsNoServerThatWeAddOrRemove) {
  settings_.groups[0].services[0].manage.emplace().service.scheduler = "wlc";
  for (unsigned n = 1; n <= 4; ++n)
    settings_.groups[0].members[server(n)];
  plane_.table[web].destinations.erase(server(4));
  advised(DriftPolicy::overwrite);
  plane_.table[web].destinations.erase(server(1));
  EXPECT_EQ(look(),
            Texts{"tcp:192.0.2.10:80 10.0.0.1:8080: another program has removed it, at weight "
                  "40: it is added again with weight 40"});
  EXPECT_EQ(look(), Texts{});
  // Whose acknowledgement is lost.
  for (const bool adds : {false, true}) {
    plane_.fails_on(0, FakeDataplane::Failing::lost_acknowledgement);
    auto groups = settings_;
    if (!adds) groups.groups[0].members.erase(server(2));
    reconciler().reconfigure(groups, Renumbering::none(1), now_);
    reconciler().work(now_);
    reconciler().work(now_);
    EXPECT_EQ(look(), Texts{}) << adds;
  }
}

TEST_F(Drifting, IsCountedByGroup) {
  const auto other = *lb::parse_service("tcp:192.0.2.11:80");
  settings_.groups.push_back({"other", {plain_service(other)}, {}});
  add_service(other, {5, 5});
  advised(DriftPolicy::overwrite);
  for (unsigned times = 1; times <= 3; ++times) {
    set(web, 1, times);
    now_ += std::chrono::seconds{1};
    look();
  }
  EXPECT_EQ(reconciler().view().at(0).drift.total, 0U);
  const auto web_group = reconciler().view().at(1);
  EXPECT_EQ(web_group.drift.total, 3U);
  EXPECT_EQ(web_group.drift.last->when, now_);
}

}  // namespace
}  // namespace saspd::director
