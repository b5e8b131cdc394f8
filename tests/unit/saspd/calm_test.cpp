// SPDX-License-Identifier: Apache-2.0
// Restless advice does not make a restless kernel: at most one write per destination and second and
// one pass per quarter of a second; and what takes a weight away never waits.
#include <set>
#include <utility>

#include <fmt/format.h>

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class Calm : public ReconcilerTest {
 protected:
  Calm() {
    settings_.pace.between_passes = milliseconds{250};
    settings_.pace.between_writes = seconds{1};
    now_ = TimePoint{std::chrono::hours{1}};
  }

  // One call as the program makes it, after each message; what it wrote is noted with its time.
  void works() {
    const auto before = plane_.written.size();
    do {
      const Work work = reconciler().work(now_);
      if (work.services_decided > 0) ++passes_;
      more_ = work.more;
    } while (more_);
    for (auto written = before; written < plane_.written.size(); ++written)
      writes_.emplace_back(now_, plane_.written[written]);
  }
  // Time goes on as the program lets it: its timer is set to the next decision.
  void until(TimePoint then) {
    for (;;) {
      const auto next = reconciler().next_decision();
      if (!next || *next > then) break;
      ASSERT_GT(*next, now_) << "the program would work again and again";
      now_ = *next;
      works();
    }
    now_ = then;
  }
  void passes(Duration time) { until(now_ + time); }
  void begins() {
    works();
    advise({10, 10, 10, 10});
    works();
    passes(seconds{2});
    forget();
  }
  void forget() {
    passes_ = 0;
    writes_.clear();
  }
  // The most writes of one destination that begin within any second; zeros are not put off, and
  // counted by themselves.
  std::size_t most_per_second(bool zeros) const {
    std::size_t most = 0;
    std::map<std::pair<lb::ServiceKey, Endpoint>, std::vector<TimePoint>> times;
    for (const auto& [when, change] : writes_) {
      if ((change.destination.weight == 0) != zeros) continue;
      auto& of_this = times[{change.service, change.destination.endpoint}];
      std::erase_if(of_this, [&, at = when](TimePoint other) { return at - other >= seconds{1}; });
      of_this.push_back(when);
      most = std::max(most, of_this.size());
    }
    return most;
  }

  std::vector<std::pair<TimePoint, lb::Change>> writes_;
  std::size_t passes_ = 0;
  bool more_ = false;
};

TEST_F(Calm, TheFirstChangeIsWrittenAtOnce) {
  works();
  advise({40, 10, 10, 10});
  works();
  EXPECT_EQ(kernel(), "40 10 10 10");
}

TEST_F(Calm, TheNextOneASecondLaterAndThenTheNewest) {
  begins();
  advise({40, 10, 10, 10});
  works();
  ASSERT_EQ(kernel(1), 40U);
  const TimePoint written = now_;
  for (const std::uint16_t weight : std::initializer_list<std::uint16_t>{50, 60, 70}) {
    passes(milliseconds{300});
    advise({weight, 10, 10, 10});
    works();
    EXPECT_EQ(kernel(1), 40U);
  }
  until(written + seconds{1} - Duration{1});
  EXPECT_EQ(kernel(1), 40U);
  until(written + seconds{1} + milliseconds{250});
  EXPECT_EQ(kernel(1), 70U) << "without anybody saying anything";
  EXPECT_EQ(writes_.size(), 2U);
}

TEST_F(Calm, AnotherDestinationDoesNotWaitForIt) {
  begins();
  advise({40, 10, 10, 10});
  works();
  passes(milliseconds{250});
  advise({50, 20, 10, 10});
  works();
  EXPECT_EQ(kernel(), "40 20 10 10");
}

TEST_F(Calm, AdviceThatIsTakenBackInTimeWritesNothing) {
  begins();
  advise({40, 10, 10, 10});
  works();
  forget();
  passes(milliseconds{500});
  advise({50, 10, 10, 10});
  works();
  advise({40, 10, 10, 10});
  works();
  passes(seconds{5});
  EXPECT_TRUE(writes_.empty());
}

// 100 000 pushes within a second, each with other weights.
TEST_F(Calm, AFloodOfPushesWritesOncePerSecondAndTheNewestWins) {
  begins();
  const TimePoint start = now_;
  for (unsigned push = 0; push < 100'000; ++push) {
    until(start + push * microseconds{10});
    advise({static_cast<std::uint16_t>(1 + push % 100), 10, 10, 10});
    works();
  }
  EXPECT_LE(passes_, 6U) << "one at once, four in a second, one at its end";
  EXPECT_LE(writes_.size(), 2U);
  advise({77, 10, 10, 10});
  works();
  passes(seconds{2});
  EXPECT_EQ(kernel(), "77 10 10 10");
  EXPECT_EQ(most_per_second(false), 1U);
}

TEST_F(Calm, AQuiesceInAFloodIsWrittenWithTheMessageThatBringsIt) {
  begins();
  for (unsigned push = 0; push < 1000; ++push) {
    advise({static_cast<std::uint16_t>(1 + push % 100), 10, 10, 10});
    works();
    passes(microseconds{10});
  }
  advise({0, 10, 10, 10});
  works();
  EXPECT_EQ(kernel(1), 0U);
  advise({5, 10, 10, 10}, good & ~sasp::weight_flag::contact);
  works();
  EXPECT_EQ(kernel(1), 0U) << "all of them are lost: held, and this one is gone";
}

TEST_F(Calm, EachWayToLoseAServerIsImmediate) {
  for (const int lost : {good & ~sasp::weight_flag::contact, good & ~sasp::weight_flag::confident,
                         good | sasp::weight_flag::quiesce}) {
    restart();
    begins();
    advise({40, 10, 10, 10});
    works();
    sasp::GroupOfWeightEntries one{{"LB1", "web"}, {}};
    one.items.push_back({sasp::MemberData::of(member_of(plain_service(web), server(1))), 0,
                         static_cast<std::uint8_t>(lost), 40});
    reconciler().update(0, {{one}, 1}, now_);
    works();
    EXPECT_EQ(kernel(1), 0U) << lost;
    advise({10, 10, 10, 10});
    works();
    passes(seconds{2});
    ASSERT_EQ(kernel(1), 10U);
  }
}

// A zero never waits, what follows it does.
TEST_F(Calm, AdviceThatAlternatesWithZeroIsWrittenTwicePerSecond) {
  begins();
  for (unsigned push = 0; push < 50'000; ++push) {
    advise({push % 2 == 0 ? std::uint16_t{0} : std::uint16_t{90}, 10, 10, 10});
    works();
    passes(microseconds{100});
  }
  EXPECT_EQ(most_per_second(false), 1U);
  EXPECT_LE(most_per_second(true), 2U);
  EXPECT_LE(passes_, 5U * 4 + 5 * 3) << "one per quarter, and those of the zeros";
}

// What is held back does not hurry anybody.
TEST_F(Calm, AlternatingAdviceThatIsHeldBackMakesNoPassPerPush) {
  begins();
  for (unsigned push = 0; push < 10'000; ++push) {
    const auto weight = static_cast<std::uint16_t>(push % 2 == 0 ? 0 : 90);
    advise({weight, weight, weight, weight});
    works();
    passes(microseconds{100});
  }
  EXPECT_LE(passes_, 4U + 4 * 4);
}

TEST_F(Calm, WhoServesAloneDoesNotWait) {
  settings_.policy.hold_all_zero = false;
  begins();
  advise({40, 0, 0, 0});
  works();
  passes(milliseconds{250});
  advise({0, 30, 0, 0});
  works();
  EXPECT_EQ(kernel(), "0 30 0 0") << "written a moment ago, and nobody else serves";
  EXPECT_EQ(plane_.written.back().destination.weight, 0U) << "raised first";
}

TEST_F(Calm, AWeightOfAnotherProgramIsOverwrittenAtOnce) {
  begins();
  advise({40, 10, 10, 10});
  works();
  set(web, 1, 99);
  reconciler().look_again();
  works();
  EXPECT_EQ(kernel(1), 40U) << "as the operator asked, who is told what was written";
}

// The backlog is not written yet, and holds a raise of it: the kernel has no weight to take away.
TEST_F(Calm, AQuiesceOvertakesARaiseThatIsNotWrittenYet) {
  settings_.chunk = 1;
  begins();
  advise({10, 0, 10, 10});
  works();
  passes(seconds{2});
  ASSERT_EQ(kernel(), "10 0 10 10");
  advise({20, 20, 20, 20});
  ASSERT_TRUE(reconciler().work(now_).more);
  ASSERT_EQ(kernel(), "20 0 10 10") << "the first of them";
  const auto before = plane_.written.size();
  advise({20, 0, 20, 20});
  works();
  for (auto written = before; written < plane_.written.size(); ++written)
    EXPECT_NE(plane_.written[written].destination.endpoint, server(2));
  EXPECT_EQ(kernel(2), 0U);
}

// Each with every message, and what is written takes many chunks.
TEST_F(Calm, AThousandServicesThatAllChangeAreEachWrittenOncePerSecond) {
  plane_.table.clear();
  settings_.groups.clear();
  settings_.chunk = 64;
  sasp::WeightsReceived received;
  for (unsigned n = 0; n < 1000; ++n) {
    const auto key = *lb::parse_service(fmt::format("tcp:192.0.{}.{}:80", 2 + n / 250, n % 250));
    const auto name = fmt::format("group {}", n);
    settings_.groups.push_back({name, {plain_service(key)}, {}});
    add_service(key, {10, 10});
    sasp::GroupOfWeightEntries advice{{"LB1", name}, {}};
    for (unsigned i = 1; i <= 2; ++i)
      advice.items.push_back(
          {sasp::MemberData::of(member_of(plain_service(key), server(i))), 0, good, 10});
    received.groups.push_back(std::move(advice));
  }
  works();
  for (unsigned push = 0; push < 60; ++push) {
    for (auto& group : received.groups) {
      for (auto& item : group.items)
        item.weight = static_cast<std::uint16_t>(10 + push);
    }
    reconciler().update(0, received, now_);
    works();
    passes(milliseconds{50});
  }
  EXPECT_EQ(most_per_second(false), 1U);
  EXPECT_LE(passes_, 3U * 4 + 2);
  EXPECT_GE(writes_.size(), 3U * 2000) << "and none of them starves";
  passes(seconds{2});
  for (const auto& [key, pool] : plane_.table)
    EXPECT_EQ(pool.destinations.at(server(1)).weight, 69U);
}

// A kernel that refuses is not asked with every push.
TEST_F(Calm, AFloodDoesNotMakeAFailingKernelBeAskedMoreOften) {
  begins();
  plane_.lists = 0;
  for (unsigned push = 0; push < 1000; ++push) {
    plane_.fails_on(0);
    advise({static_cast<std::uint16_t>(1 + push % 100), 10, 10, 10});
    works();
    passes(milliseconds{1});
  }
  EXPECT_LE(plane_.lists, 6U);
  plane_.fails_on(1000);
  passes(seconds{1});
  reconciler().look_again();
  works();
  EXPECT_EQ(kernel(1), 100U);
}

// --- the alarm

class Restless : public Calm {
 protected:
  std::string alarm() {
    for (const auto& [group, alarms] : reconciler().alarms()) {
      for (const auto& alarm : alarms) {
        if (alarm.name == "restless") return alarm.urgent ? "urgent" : alarm.detail;
      }
    }
    return {};
  }
  // So many times, the weights of these servers are others.
  void moves(unsigned times, Duration every, const std::set<unsigned>& servers) {
    for (; times > 0; --times) {
      std::vector<std::uint16_t> weights(4, 10);
      for (const unsigned n : servers)
        weights[n - 1] = static_cast<std::uint16_t>(20 + times % 2);
      advise(weights);
      works();
      passes(every);
    }
  }
};

TEST_F(Restless, BeginsWhileTheyMoveAndEndsWhenTheyHaveComeToRest) {
  begins();
  moves(15, milliseconds{500}, {1});
  EXPECT_EQ(alarm(), "");
  moves(30, milliseconds{500}, {1, 3});
  EXPECT_NE(alarm().find("the weight of 10.0.0.1:8080, 10.0.0.3:8080 does not"), std::string::npos)
      << alarm();
  reconciler().new_alarms({});
  passes(std::chrono::minutes{2} + seconds{1});
  EXPECT_EQ(alarm(), "");
  EXPECT_TRUE(reconciler().new_alarms({}).contains("web")) << "its end is told";
}

TEST_F(Restless, IsNotWhatAGwmWithAnIntervalOfTenSecondsMeasures) {
  begins();
  moves(1000, seconds{10}, {1, 2, 3, 4});
  EXPECT_EQ(alarm(), "");
}

TEST_F(Restless, IsNotARolloutThatTakesEachServerOutAndInOnce) {
  begins();
  for (unsigned n = 0; n < 4; ++n) {
    std::vector<std::uint16_t> weights(4, 10);
    weights[n] = 0;
    for (int times = 0; times < 2; ++times) {
      advise(times == 0 ? weights : std::vector<std::uint16_t>(4, 10));
      works();
      passes(seconds{1});
    }
  }
  EXPECT_EQ(alarm(), "");
}

TEST_F(Restless, AFloodBeginsAndEndsItOnce) {
  begins();
  unsigned changes = 0;
  std::string before = alarm();
  for (unsigned push = 0; push < 6000; ++push) {
    moves(1, milliseconds{10}, {1 + push % 4});
    changes += std::exchange(before, alarm()).empty() != alarm().empty() ? 1U : 0U;
  }
  EXPECT_EQ(changes, 1U);
}

// --- one that the kernel refuses, for ever

TEST_F(Calm, OneServiceThatIsRefusedDoesNotThrottleTheOthers) {
  plane_.table.clear();
  settings_.groups.clear();
  settings_.chunk = 64;
  GroupSettings group{"web", {}, {}};
  for (unsigned n = 0; n < 1000; ++n) {
    const auto key = *lb::parse_service(fmt::format("tcp:192.0.{}.{}:80", 2 + n / 250, n % 250));
    group.services.push_back(plain_service(key));
    add_service(key, {10, 10, 10});
  }
  const lb::ServiceKey refused = group.services[500].key;
  settings_.groups = {group};
  plane_.refuses = [&](const lb::Change& change) {
    return change.service == refused && change.destination.endpoint == server(2);
  };
  works();
  sasp::GroupOfWeightEntries advice{{"LB1", "web"}, {}};
  for (unsigned i = 1; i <= 3; ++i)
    advice.items.push_back(
        {sasp::MemberData::of(member_of(group.services[0], server(i))), 0, good, 40});
  reconciler().update(0, {{advice}, 1}, now_);
  works();
  EXPECT_EQ(passes_, 2U);
  std::size_t behind = 0;
  for (const auto& [key, pool] : plane_.table) {
    for (const auto& [endpoint, destination] : pool.destinations)
      behind += destination.weight == 40 ? 0U : 1U;
  }
  EXPECT_EQ(behind, 1U) << "with the pass that decided it";
  plane_.refuses = nullptr;
  reconciler().look_again();
  works();
  EXPECT_EQ(plane_.table.at(refused).destinations.at(server(2)).weight, 40U);
}

}  // namespace
}  // namespace saspd::director
