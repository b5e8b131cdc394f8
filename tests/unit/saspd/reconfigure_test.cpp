// SPDX-License-Identifier: Apache-2.0
// A running saspd takes another configuration over: what stays in it keeps all that is known and is
// not written, and what is different comes out as after a start with that configuration and the same
// ledger and advice.
#include <cstdlib>

#include "tests/unit/saspd/told.hpp"

namespace saspd::director {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const lb::ServiceKey other = *lb::parse_service("tcp:192.0.2.11:80");

class Reconfigured : public ReconcilerTest {
 protected:
  Reconfigured() { add_service(other, {7, 7}); }

  void reconfigure(const std::function<void(Reconciler::Settings&)>& change) {
    change(settings_);
    reconciler().reconfigure(settings_, Renumbering::none(settings_.gwms), now_);
    plane_.written.clear();
    pass();
  }
  static void with_other(Reconciler::Settings& settings) {
    settings.groups.push_back({"other", {plain_service(other)}, {}});
  }
  std::size_t writes_to(const lb::ServiceKey& service) const {
    return static_cast<std::size_t>(
        std::count_if(plane_.written.begin(), plane_.written.end(),
                      [&](const auto& change) { return change.service == service; }));
  }
  // The first member is quiesced, and the third a zero of somebody else.
  void given_zeros() {
    pass();
    advise({5, 20, 30, 40});
    pass();
    advise({0, 20, 30, 40}, good);
    pass();
    set(web, 3, 0);
    reconcile();
    ASSERT_EQ(kernel(), "0 20 0 40");
    ASSERT_EQ(reason(3), Reason::foreign_zero);
  }
};

TEST_F(Reconfigured, AnUnchangedServiceIsNotWrittenAndKeepsItsZeros) {
  given_zeros();
  reconfigure(with_other);
  EXPECT_EQ(plane_.written, lb::Plan());
  EXPECT_EQ(reason(3), Reason::foreign_zero);
  advise({5, 20, 30, 40});
  pass();
  EXPECT_EQ(kernel(), "5 20 0 40") << "our own zero is raised, nobody else's";
  advise({70, 80}, good, "other");
  pass();
  EXPECT_EQ(plane_.table.at(other).destinations.at(server(2)).weight, 80U);
  EXPECT_EQ(writes_to(other), 2U);
}

TEST_F(Reconfigured, AServiceTakenOutKeepsItsWeights) {
  with_other(settings_);
  given_zeros();
  advise({70, 80}, good, "other");
  pass();
  reconfigure([](auto& settings) { settings.groups.pop_back(); });
  EXPECT_EQ(plane_.written, lb::Plan());
  EXPECT_EQ(plane_.table.at(other).destinations.at(server(1)).weight, 70U);
  EXPECT_EQ(reconciler().view().size(), 1U);
  EXPECT_EQ(reconciler().extent().members, 4U);
  const auto wanted = reconciler().new_wanted();
  ASSERT_TRUE(wanted.contains("other"));
  EXPECT_TRUE(wanted.at("other").empty()) << "its members are deregistered";
}

TEST_F(Reconfigured, AServiceThatComesBackHasItsOwnZeroStill) {
  given_zeros();
  reconfigure([](auto& settings) { settings.groups.front().name = "elsewhere"; });
  reconfigure([](auto& settings) { settings.groups.front().name = "web"; });
  advise({5, 20, 30, 40});
  pass();
  EXPECT_EQ(kernel(), "5 20 0 40");
}

TEST_F(Reconfigured, APolicyIsAppliedAtOnceToWhatWasAdvised) {
  pass();
  advise({0, 0, 0, 0});
  pass();
  ASSERT_EQ(kernel(), "10 10 10 10") << "held";
  reconfigure([](auto& settings) { settings.policy.hold_all_zero = false; });
  EXPECT_EQ(kernel(), "0 0 0 0");
}

TEST_F(Reconfigured, ASilenceIsMeasuredByTheNewPatience) {
  pass();
  advise({5, 20, 30, 40});
  reconciler().heard(0, {now_, now_, seconds{10}});
  pass();
  now_ += minutes{2};
  reconcile();
  ASSERT_TRUE(reconciler().alarms().empty());
  reconfigure([](auto& settings) { settings.stale_after = seconds{30}; });
  EXPECT_FALSE(reconciler().alarms().empty());
}

TEST_F(Reconfigured, ALongerPatienceEndsADrain) {
  settings_.stale_after = seconds{30};
  settings_.policy.on_stale = OnStale::drain;
  pass();
  advise({5, 20, 30, 40});
  reconciler().heard(0, {now_, now_, seconds{10}});
  pass();
  reconciler().set_connected(0, false);
  now_ += seconds{40};
  reconcile();
  ASSERT_EQ(kernel(), "0 0 0 0");
  reconfigure([](auto& settings) { settings.stale_after = minutes{2}; });
  EXPECT_EQ(kernel(), "5 20 30 40");
}

// Every service that the kernel has is one, until that is not wanted any more.
TEST_F(Reconfigured, AdoptionBeginsAndEnds) {
  given_zeros();
  reconfigure([](auto& settings) { settings.adopt = true; });
  EXPECT_EQ(plane_.written, lb::Plan());
  EXPECT_EQ(reconciler().view().size(), 2U);
  // What was adopted is configured, under another name and under its own.
  reconfigure(with_other);
  EXPECT_EQ(reconciler().view().size(), 2U);
  reconfigure([](auto& settings) { settings.groups.back().name = lb::text(other); });
  EXPECT_EQ(reconciler().view().size(), 2U);
  // What was configured is adopted.
  reconfigure([](auto& settings) { settings.groups.clear(); });
  EXPECT_EQ(reconciler().view().size(), 2U);
  reconfigure([](auto& settings) { settings.adopt = false; });
  EXPECT_EQ(reconciler().view().size(), 0U);
  EXPECT_EQ(plane_.written, lb::Plan());
  EXPECT_EQ(kernel(), "0 20 0 40");
}

// The second GWM becomes the first one, and the first is gone.
TEST_F(Reconfigured, AGwmThatStaysGoesOnUnderItsNewNumber) {
  settings_.gwms = 2;
  pass();
  reconciler().set_connected(1, true);
  advise({5, 20, 30, 40});
  sasp::GroupOfWeightEntries second{{"LB1", "web"}, {}};
  for (unsigned n = 1; n <= 4; ++n)
    second.items.push_back(
        {sasp::MemberData::of(member_of(plain_service(web), server(n))), 0, good, 77});
  reconciler().update(1, {{second}, 1}, now_);
  pass();
  ASSERT_EQ(kernel(), "5 20 30 40");
  using Names = std::vector<std::string>;
  reconciler().reconfigure(settings_, Renumbering(Names{"a", "b"}, Names{"b", "a"}), now_);
  pass();
  EXPECT_EQ(kernel(), "77 77 77 77") << "it precedes now";
  settings_.gwms = 1;
  plane_.written.clear();
  reconciler().reconfigure(settings_, Renumbering(Names{"b", "a"}, Names{"b"}), now_);
  pass();
  EXPECT_EQ(plane_.written, lb::Plan());
  advise({5, 20, 30, 40});
  pass();
  EXPECT_EQ(kernel(), "5 20 30 40");
  // Nobody of before is left: the weights stay until the new one advises.
  reconciler().reconfigure(settings_, Renumbering(Names{"b"}, Names{"c"}), now_);
  pass();
  EXPECT_EQ(kernel(), "5 20 30 40");
  EXPECT_EQ(reason(1), Reason::static_weight);
}

// A service of ours, as XDP has them.
class ReconfiguredOwn : public Reconfigured {
 protected:
  ReconfiguredOwn() {
    plane_.table.clear();
    settings_.own_table = true;
    plane_.traits_now.own_table = true;
    settings_.groups = {own("web", web, {1, 2})};
  }
  static GroupSettings own(const std::string& name, const lb::ServiceKey& key,
                           const std::vector<unsigned>& members) {
    GroupSettings group{name, {plain_service(key)}, {}};
    group.services.front().manage.emplace().service.scheduler = "minimal";
    for (const unsigned n : members)
      group.members[server(n)] = {};
    return group;
  }
  void serves() {
    pass();
    advise({40, 30});
    pass();
    ASSERT_EQ(kernel(), "40 30");
  }
};

TEST_F(ReconfiguredOwn, AMemberIsAddedWithItsFirstAdvice) {
  serves();
  now_ += minutes{5};
  reconfigure([](auto& settings) { settings.groups = {own("web", web, {1, 2, 3})}; });
  EXPECT_EQ(plane_.written, lb::Plan()) << "not before the GWM knows how it feels";
  EXPECT_EQ(reconciler().new_wanted().at("web").size(), 3U);
  advise({40, 30, 20});
  pass();
  EXPECT_EQ(kernel(), "40 30 20");
  EXPECT_EQ(writes_to(web), 1U);
}

TEST_F(ReconfiguredOwn, AMemberTakenOutLeaves) {
  serves();
  reconfigure([](auto& settings) { settings.groups = {own("web", web, {1})}; });
  reconcile();
  EXPECT_EQ(kernel(), "40");
}

TEST_F(ReconfiguredOwn, AServiceTakenOutIsServedNoMore) {
  settings_.groups.push_back(own("other", other, {1}));
  serves();
  now_ += seconds{20};
  pass();
  ASSERT_TRUE(plane_.table.contains(other));
  reconfigure([](auto& settings) { settings.groups.pop_back(); });
  EXPECT_FALSE(plane_.table.contains(other));
  EXPECT_EQ(writes_to(web), 0U);
  EXPECT_EQ(kernel(), "40 30");
}

TEST_F(ReconfiguredOwn, WhoRegisteredItselfIsTrustedOrNot) {
  settings_.trust = true;
  serves();
  advise({40, 30, 20}, good & ~sasp::weight_flag::registered_by_lb);
  pass();
  ASSERT_EQ(kernel(), "40 30 20");
  reconfigure([](auto& settings) { settings.trust = false; });
  reconcile();
  EXPECT_EQ(kernel(), "40 30");
  reconfigure([](auto& settings) { settings.trust = true; });
  advise({40, 30, 20}, good & ~sasp::weight_flag::registered_by_lb);
  pass();
  EXPECT_EQ(kernel(), "40 30 20");
}

// --- any two configurations

class Pair {
 public:
  explicit Pair(unsigned seed) : dice_(seed), own_table_(dice_.once_in(3)) {
    before_ = settings();
    after_ = settings();
    lives_.emplace(before_, false);
    for (unsigned n = 1; n <= services; ++n) {
      if (!own_table_ && !dice_.once_in(4)) adds_service(lives_->plane_.table, n);
    }
  }

  void lives() {
    lives_->reconciler_->set_connected(0, true);
    for (unsigned times = 1 + dice_.below(5); times > 0; --times) {
      epoch_ = dice_.below(3);
      advise(*lives_);
      passes(*lives_, 1 + dice_.below(4));
      if (!own_table_ && dice_.once_in(2)) is_edited(lives_->plane_.table);
      now_ += seconds{dice_.below(30)};
    }
  }

  // One goes on with the other configuration, the other starts with it.
  void compare() {
    started_.emplace(after_, false);
    started_->plane_.table = lives_->plane_.table;
    started_->ledger_.text = lives_->ledger_.text;
    started_->start();
    started_->reconciler_->set_connected(0, true);
    lives_->reconciler_->reconfigure(after_, Renumbering::none(1), now_);
    for (int round = 0; round < 4; ++round) {
      for (auto* side : {&*lives_, &*started_}) {
        advise(*side);
        passes(*side, 3);
      }
      now_ += minutes{round < 3 ? 1 : 20};
    }
    EXPECT_EQ(text(lives_->plane_.table), text(started_->plane_.table));
    EXPECT_EQ(decisions(*lives_), decisions(*started_));
    EXPECT_EQ(lives_->wanted_, started_->wanted_);
    const auto plan = lives_->reconciler_->plan(now_);
    EXPECT_EQ(plan ? director::text(*plan) : "not listed", "");
  }

 private:
  static constexpr unsigned services = 7;

  Reconciler::Settings settings() {
    Reconciler::Settings settings;
    settings.own_table = own_table_;
    settings.adopt = !own_table_ && dice_.once_in(4);
    settings.chunk = own_table_ ? 1000 : 1 + dice_.below(5);
    settings.policy.panic = dice_.one_of({0U, 50U});
    settings.policy.min_change = dice_.one_of({0U, 10U, 60U});
    for (const std::string name : {"a", "b", "c", "d"})
      settings.groups.push_back({name, {}, {}});
    for (unsigned n = 1; n <= services; ++n) {
      const bool fits = !own_table_ || n != 5;  // fwmark
      if (fits && !dice_.once_in(3)) add(settings.groups[dice_.below(4)], n);
    }
    std::erase_if(settings.groups, [](const auto& group) { return group.services.empty(); });
    return settings;
  }
  void add(GroupSettings& group, unsigned n) {
    auto& settings = group.services.emplace_back(plain_service(service(n)));
    if (group.members.empty()) {
      for (unsigned each = 1; each <= servers; ++each) {
        if (!dice_.once_in(2)) group.members[endpoint(each)].label = dice_.one_of({"", "x"});
      }
    }
    if (!own_table_ && (n == 5 || !dice_.once_in(3))) return;
    auto& manage = settings.manage.emplace();
    manage.service.scheduler = own_table_ ? "minimal" : "wlc";
    manage.keeps_port = manage.tells_lost = own_table_;
    manage.open = false;
    manage.drain = seconds{dice_.one_of({0, 20})};
  }
  void adds_service(lb::Table& table, unsigned n) {
    auto& pool = table[service(n)];
    pool.scheduler = "wlc";
    for (unsigned each = 1; each <= servers; ++each) {
      if (dice_.once_in(3)) continue;
      auto& destination = pool.destinations[endpoint(each)];
      destination.endpoint = endpoint(each);
      destination.weight = dice_.one_of({0U, 5U, 10U});
    }
  }
  void is_edited(lb::Table& table) {
    for (auto& [key, pool] : table) {
      for (auto& [at, destination] : pool.destinations) {
        if (dice_.once_in(8)) destination.weight = dice_.one_of({0U, 3U});
      }
    }
  }

  // Nobody is lost, so that nothing follows from who served lately: a start does not know that.
  void advise(Side& side) {
    sasp::WeightsReceived received;
    received.full = true;
    for (const auto& [name, members] : side.reconciler_->wanted()) {
      auto& group = received.groups.emplace_back(sasp::GroupOfWeightEntries{{"LB1", name}, {}});
      for (const auto& [member, label] : members) {
        const unsigned n = member.address.bytes()[3] + epoch_;
        const int quiesced = n % 4 == 0 ? sasp::weight_flag::quiesce : 0;
        group.items.push_back({sasp::MemberData::of(member), 0,
                               static_cast<std::uint8_t>(good | quiesced),
                               static_cast<std::uint16_t>(10 * n + name.size())});
      }
    }
    side.reconciler_->update(0, received, now_);
    side.reconciler_->heard(0, {now_, now_, seconds{60}});
  }
  void passes(Side& side, unsigned times) const {
    for (; times > 0; --times) {
      side.reconciler_->look_again();
      for (int limit = 200; side.work(now_).more && limit > 0; --limit) {
      }
    }
  }

  static std::string text(const lb::Table& table) {
    std::string text;
    for (const auto& [key, pool] : table) {
      text += lb::text(key) + " " + pool.scheduler;
      for (const auto& [at, destination] : pool.destinations)
        text += fmt::format(" {}={}", at.text(), destination.weight);
      text += "\n";
    }
    return text;
  }
  static std::string decisions(const Side& side) {
    std::string text;
    for (const auto& group : side.reconciler_->view()) {
      for (const auto& member : group.members)
        text += fmt::format("{} {} {} {} {} {}\n", group.name, lb::text(member.service),
                            member.endpoint.text(), member.effective_weight, name(member.reason),
                            static_cast<int>(member.zero.author));
    }
    return text;
  }

  Dice dice_;
  bool own_table_;
  Reconciler::Settings before_;
  Reconciler::Settings after_;
  std::optional<Side> lives_;
  std::optional<Side> started_;
  TimePoint now_{std::chrono::hours{1}};
  unsigned epoch_ = 0;
};

TEST(Reconfigure, LeadsToWhatAStartLeadsTo) {
  const char* const asked = std::getenv("SASPD_SEEDS");
  const unsigned seeds = asked != nullptr ? static_cast<unsigned>(std::atoi(asked)) : 300;
  for (unsigned seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Pair pair(seed);
    pair.lives();
    pair.compare();
  }
}

}  // namespace
}  // namespace saspd::director
