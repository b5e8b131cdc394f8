// SPDX-License-Identifier: Apache-2.0
// The reconciler decides only what something has changed for. Beside it runs one that trusts nothing
// it decided before, above a kernel of its own: whatever GWMs, other programs, the operator and the
// clock do, in any order, both write the same, and say, show and want the same.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <random>

#include <fmt/format.h>

#include "tests/unit/saspd/told.hpp"

namespace saspd::director {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class World {
 public:
  explicit World(unsigned seed)
      : dice_(seed), settings_(settings()), sides_{Side{settings_, false}, Side{settings_, true}} {
    for (unsigned n = 1; n <= (settings_.adopt ? 7U : 5U); ++n) {
      if (!settings_.own_table || dice_.once_in(4)) adds_service(n);
    }
  }

  void goes_on() {
    const auto happens = [this](unsigned what) {
      switch (what) {
        case 0:
        case 1:
        case 2:
        case 3: return advises();
        case 4: return edits_weight();
        case 5: return edits_destination();
        case 6: return edits_service();
        case 7: return connects_or_not();
        case 8: return keepalived_speaks();
        case 9: return operator_undrains();
        case 10: return something_fails();
        case 11: return surroundings_change();
        case 12: return both([](Side& side) { side.reconciler_->look_again(); });
        case 13: return restarts();
        default: return time_passes();
      }
    };
    happens(dice_.below(22));
    for (unsigned times = dice_.below(3); times > 0; --times)
      works();
  }

  void expect_same() const {
    const auto& [mended, scratch] = sides_;
    EXPECT_EQ(mended.plane_.table, scratch.plane_.table);
    EXPECT_EQ(mended.plane_.written, scratch.plane_.written);
    EXPECT_EQ(mended.plane_.lists, scratch.plane_.lists);
    EXPECT_EQ(mended.ledger_.text, scratch.ledger_.text);
    EXPECT_EQ(text(mended), text(scratch));
  }
  void expect_same_plan() const {
    const auto plan = sides_[0].reconciler_->plan(now_);
    const auto other = sides_[1].reconciler_->plan(now_);
    ASSERT_EQ(plan.has_value(), other.has_value());
    EXPECT_EQ(plan ? text(*plan) : "", other ? text(*other) : "");
  }
  // What is planned stays so until the time at which it was said that it may change by itself.
  void comes_to_rest() {
    for (unsigned pass = 0; pass < 5; ++pass) {
      both([](Side& side) { side.reconciler_->look_again(); });
      do {
        works();
      } while (more_);
    }
  }
  void expect_same_plan_until_next_decision() const {
    const Reconciler& reconciler = *sides_[0].reconciler_;
    const auto next = reconciler.next_decision();
    ASSERT_GT(next.value_or(TimePoint::max()), now_);
    // What falls due between two passes is decided with the next.
    if (next && *next - now_ <= settings_.pace.between_passes) return;
    const auto plan = reconciler.plan(now_);
    const auto later = reconciler.plan(next ? *next - Duration{1} : now_ + hours{24 * 365});
    ASSERT_TRUE(plan && later);
    EXPECT_EQ(text(*plan), text(*later));
  }
  std::string trace() const { return trace_ + text(sides_[0]); }
  std::size_t decided(unsigned side) const { return sides_.at(side).decided_; }

 private:
  Reconciler::Settings settings() {
    Reconciler::Settings settings;
    settings.gwms = 1 + dice_.below(3);
    settings.merge =
        dice_.one_of({GwmMerge::primary, GwmMerge::primary, GwmMerge::mean, GwmMerge::min});
    settings.own_table = dice_.once_in(4);
    settings.adopt = !settings.own_table && dice_.once_in(4);
    settings.trust = dice_.once_in(2);
    settings.dry_run = dice_.once_in(12);
    settings.chunk = settings.own_table ? 1000 : 1 + dice_.below(5);
    settings.policy.panic = dice_.one_of({0U, 0U, 50U});
    settings.policy.min_change = dice_.one_of({0U, 0U, 20U});
    settings.pace.between_passes = milliseconds{dice_.one_of({0, 0, 250})};
    settings.pace.between_writes = seconds{dice_.one_of({0, 1, 10})};
    settings.pace.max_step = dice_.one_of({0U, 0U, 30U});
    settings.policy.hold_all_zero = !dice_.once_in(4);
    settings.drift =
        dice_.one_of({DriftPolicy::overwrite, DriftPolicy::report, DriftPolicy::adopt});
    settings.policy.on_stale = dice_.one_of({OnStale::hold, OnStale::static_, OnStale::drain});
    if (dice_.once_in(2)) settings.stale_after = seconds{dice_.one_of({7, 60, 600})};
    settings.groups = {group("a", {1, 2}, settings.own_table), group("b", {3}, settings.own_table),
                       group("c", {4}, settings.own_table)};
    if (!settings.own_table) settings.groups.push_back(group("d", {5}, false));
    return settings;
  }
  GroupSettings group(const std::string& name, const std::vector<unsigned>& services,
                      bool own_table) {
    GroupSettings group{name, {}, {}};
    const bool managed = own_table || dice_.once_in(3);
    for (const unsigned n : services) {
      auto& settings = group.services.emplace_back(plain_service(service(n)));
      if (!managed || n == 5) continue;
      auto& manage = settings.manage.emplace();
      manage.service.scheduler = own_table ? "minimal" : dice_.one_of({"wlc", "wrr", "sh"});
      manage.keeps_port = manage.tells_lost = own_table;
      manage.open = !dice_.once_in(3);
      if (dice_.once_in(2)) manage.drain = seconds{dice_.one_of({0, 20, 300})};
    }
    for (unsigned n = 1; n <= servers; ++n) {
      if (dice_.once_in(2)) continue;
      auto& member = group.members[endpoint(n)];
      member.label = n % 2 == 0 ? "even" : "";
      if (dice_.once_in(3)) member.weight = dice_.below(20);
    }
    return group;
  }

  void both(const std::function<void(Side&)>& act) {
    for (auto& side : sides_)
      act(side);
  }
  void edit(const std::function<void(lb::Table&)>& act) {
    both([&](Side& side) { act(side.plane_.table); });
  }
  unsigned any_service() { return 1 + dice_.below(settings_.adopt ? 7 : 5); }

  // --- what happens

  void works() {
    const auto before = sides_[0].plane_.written.size();
    const Work work = sides_[0].work(now_);
    more_ = work.more;
    if (const auto next = sides_[0].reconciler_->next_decision()) {
      EXPECT_GT(*next, now_) << "the program would call work() again and again";
    }
    const std::string done = text(work);
    EXPECT_EQ(done, text(sides_[1].work(now_)));
    for (const auto& side : sides_)
      side.expect_told_all(work.remaining == 0 && !work.list_error);
    if (before != sides_[0].plane_.written.size()) trace_ += done + "\n";
  }

  void advises() {
    const unsigned gwm = dice_.below(static_cast<unsigned>(settings_.gwms));
    auto& received = said_[gwm];
    if (received.groups.empty() || dice_.once_in(3))
      received = another_message();
    else
      varies(received);
    received.full = dice_.once_in(2);
    both([&](Side& side) { side.reconciler_->update(gwm, received, now_); });
    heard_[gwm].last = now_;
    if (received.full) heard_[gwm].full = now_;
    both([&](Side& side) { side.reconciler_->heard(gwm, heard_[gwm]); });
  }
  sasp::WeightsReceived another_message() {
    sasp::WeightsReceived received;
    const unsigned mood = dice_.below(4);
    for (const auto& group : settings_.groups) {
      if (dice_.once_in(5)) continue;
      auto& entries =
          received.groups.emplace_back(sasp::GroupOfWeightEntries{{"LB1", group.name}, {}});
      for (unsigned n = 1; n <= servers; ++n) {
        if (!dice_.once_in(6)) entries.items.push_back(entry(group, n, mood));
      }
    }
    return received;
  }
  sasp::WeightEntry entry(const GroupSettings& group, unsigned n, unsigned mood) {
    const auto& service = group.services[dice_.below(static_cast<unsigned>(group.services.size()))];
    return {sasp::MemberData::of(member_of(service, endpoint(n))), 0, flags(mood), weight()};
  }
  static unsigned size(const auto& all) { return static_cast<unsigned>(all.size()); }
  // Most of a message is as before: what follows from the rest has to be seen by itself.
  void varies(sasp::WeightsReceived& received) {
    auto& groups = received.groups;
    if (groups.empty()) return;
    const unsigned what = dice_.below(4);
    if (what == 0) {
      groups.erase(groups.begin() + dice_.below(size(groups)));
      return;
    }
    auto& items = groups[dice_.below(size(groups))].items;
    if (items.empty()) return;
    const auto item = items.begin() + dice_.below(size(items));
    if (what == 1) item->weight = weight();
    if (what == 2) items.erase(item);
  }
  std::uint8_t flags(unsigned mood) {
    using namespace sasp::weight_flag;
    int flags = good;
    if (dice_.once_in(mood == 0 ? 2 : 9)) flags &= ~contact;
    if (dice_.once_in(mood == 1 ? 2 : 9)) flags &= ~confident;
    if (mood == 3) flags &= ~confident;
    if (dice_.once_in(9)) flags |= quiesce;
    if (dice_.once_in(4)) flags &= ~registered_by_lb;
    return static_cast<std::uint8_t>(flags);
  }
  std::uint16_t weight() { return dice_.one_of<std::uint16_t>({0, 1, 10, 10, 11, 40, 500}); }

  void adds_service(unsigned n) {
    lb::Pool pool;
    pool.scheduler = dice_.one_of({"wlc", "wrr", "sh"});
    for (unsigned each = 1; each <= servers; ++each) {
      if (!dice_.once_in(3)) pool.destinations[endpoint(each)] = destination(each);
    }
    edit([&](lb::Table& table) { table.emplace(service(n), pool); });
  }
  lb::ListedDestination destination(unsigned n) {
    lb::ListedDestination destination;
    destination.endpoint = endpoint(n);
    destination.weight = dice_.one_of({0U, 5U, 10U, 10U});
    destination.observed.connections = dice_.below(3);
    return destination;
  }

  void edits_weight() {
    const auto key = service(any_service());
    const auto at = endpoint(1 + dice_.below(servers));
    const std::uint32_t weight = dice_.one_of({0U, 0U, 3U, 10U});
    const unsigned connections = dice_.below(2);
    const bool forward = dice_.once_in(4);
    edit([&](lb::Table& table) {
      const auto pool = table.find(key);
      if (pool == table.end() || !pool->second.destinations.contains(at)) return;
      auto& destination = pool->second.destinations.at(at);
      destination.observed.connections = connections;
      if (!dice_same_) destination.weight = weight;
      if (forward) destination.forward = lb::Forward::tunnel;
    });
    dice_same_ = dice_.once_in(3);
  }
  void edits_destination() {
    const auto key = service(any_service());
    const auto added = destination(1 + dice_.below(servers));
    edit([&](lb::Table& table) {
      const auto pool = table.find(key);
      if (pool == table.end()) return;
      if (pool->second.destinations.erase(added.endpoint) == 0)
        pool->second.destinations.emplace(added.endpoint, added);
    });
  }
  void edits_service() {
    const unsigned n = any_service();
    const unsigned what = dice_.below(3);
    if (sides_[0].plane_.table.contains(service(n)) && what == 0) {
      removed_[n] = sides_[0].plane_.table.at(service(n));
      return edit([&](lb::Table& table) { table.erase(service(n)); });
    }
    if (sides_[0].plane_.table.contains(service(n))) {
      return edit([&](lb::Table& table) {
        if (what == 1) table.at(service(n)).intact = false;
        if (what == 2) table.at(service(n)).scheduler = "wrr";
      });
    }
    if (what > 0 && removed_.contains(n))
      return edit([&](lb::Table& table) { table.emplace(service(n), removed_.at(n)); });
    adds_service(n);
  }

  void connects_or_not() {
    const unsigned gwm = dice_.below(static_cast<unsigned>(settings_.gwms));
    const bool connected = !dice_.once_in(3);
    both([&](Side& side) { side.reconciler_->set_connected(gwm, connected); });
  }
  void keepalived_speaks() {
    KeepalivedNews news{endpoint(1 + dice_.below(servers)), {}, dice_.once_in(2)};
    if (!dice_.once_in(3)) news.services = {service(any_service())};
    both([&](Side& side) { side.reconciler_->keepalived_says(news); });
  }
  void operator_undrains() {
    const auto member = endpoint(1 + dice_.below(servers));
    both([&](Side& side) { side.reconciler_->give_back({}, member); });
  }

  void something_fails() {
    using Failing = FakeDataplane::Failing;
    const auto how =
        dice_.one_of({Failing::refused, Failing::lost_request, Failing::lost_acknowledgement});
    const unsigned nth = dice_.below(4);
    const auto key = service(any_service());
    const auto at = endpoint(1 + dice_.below(servers));
    const unsigned what = dice_.below(5);
    both([&](Side& side) {
      FakeDataplane& plane = side.plane_;
      const auto edit = [key, at](lb::Table& table) {
        const auto pool = table.find(key);
        if (pool != table.end()) pool->second.destinations.erase(at);
      };
      if (what == 0) plane.fails_on(nth, how);
      if (what == 1) plane.fails_to_list(1);
      if (what == 2) plane.before_apply = [&plane, edit] { edit(plane.table); };
      if (what == 3) plane.tears_next_list = edit;
      if (what == 4) plane.room = plane.room > 100 ? 10 : 1000;
    });
  }
  void surroundings_change() {
    const unsigned what = dice_.below(3);
    const auto address = endpoint(1 + dice_.below(servers)).address;
    const unsigned gwm = dice_.below(static_cast<unsigned>(settings_.gwms));
    if (what == 0) heard_[gwm].next_within = seconds{dice_.one_of({1, 60, 100})};
    both([&](Side& side) {
      if (what == 0) side.reconciler_->heard(gwm, heard_[gwm]);
      if (what == 1 && side.plane_.unreachable_addresses.erase(address) == 0)
        side.plane_.unreachable_addresses.insert(address);
      auto& setting = side.plane_.kernel_settings["expire_nodest_conn"];
      if (what == 2) setting = 1 - setting.value_or(1);
    });
  }
  void restarts() {
    if (!dice_.once_in(6)) return;
    both([](Side& side) { side.start(); });
    heard_.clear();
  }
  void time_passes() {
    now_ += dice_.one_of<Duration>({milliseconds{1}, seconds{1}, seconds{3}, seconds{5},
                                    seconds{10}, seconds{31}, minutes{3}, minutes{11}, hours{1}});
    if (dice_.once_in(2)) both([](Side& side) { side.reconciler_->look_again(); });
  }

  Dice dice_;
  Reconciler::Settings settings_;
  std::array<Side, 2> sides_;
  TimePoint now_{hours{1}};
  std::map<unsigned, sasp::WeightsReceived> said_;
  std::map<unsigned, sasp::Heard> heard_;
  std::map<unsigned, lb::Pool> removed_;
  bool dice_same_ = false;
  bool more_ = false;
  std::string trace_;
};

unsigned seeds() {
  const char* const asked = std::getenv("SASPD_SEEDS");
  return asked != nullptr ? static_cast<unsigned>(std::atoi(asked)) : 30;
}

TEST(Reconciler, DecidesWhatOneThatDecidesEverythingDoes) {
  std::size_t decided = 0;
  std::size_t all = 0;
  for (unsigned seed = 1; seed <= seeds() && !testing::Test::HasFailure(); ++seed) {
    World world(seed);
    for (unsigned step = 0; step < 120 && !testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(fmt::format("seed {}, step {}", seed, step));
      world.goes_on();
      world.expect_same();
      if (step % 8 == 0) world.expect_same_plan();
    }
    decided += world.decided(0);
    all += world.decided(1);
  }
  EXPECT_LT(decided, all) << "nothing was left undecided: this compares the same with itself";
}

TEST(Reconciler, DecidesTheSameUntilItsNextDecision) {
  for (unsigned seed = 1; seed <= 10 * seeds() && !testing::Test::HasFailure(); ++seed) {
    World world(seed);
    SCOPED_TRACE(fmt::format("seed {}", seed));
    for (unsigned step = 0; step < 30 && !testing::Test::HasFailure(); ++step)
      world.goes_on();
    world.comes_to_rest();
    world.expect_same_plan_until_next_decision();
  }
}

}  // namespace
}  // namespace saspd::director
