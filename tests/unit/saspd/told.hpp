// SPDX-License-Identifier: Apache-2.0
// A reconciler with all that it writes and says, and what a test lets happen to it by chance.
#pragma once

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "tests/unit/saspd/reconciler_fixture.hpp"

namespace saspd::director {

inline constexpr unsigned servers = 8;

// Of a seed.
class Dice {
 public:
  explicit Dice(unsigned seed) : generator_(seed) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(generator_() % limit); }
  bool once_in(unsigned times) { return below(times) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return *(values.begin() + below(static_cast<unsigned>(values.size())));
  }

 private:
  std::mt19937 generator_;
};

inline lb::ServiceKey service(unsigned n) {
  if (n == 5) return *lb::parse_service("fwmark:7");
  return *lb::parse_service(fmt::format("{}:192.0.2.{}:80", n == 4 ? "udp" : "tcp", n));
}

inline Endpoint endpoint(unsigned n) {
  return {server(n).address, 80};
}

// One reconciler with its kernel and its disk, and all that it said.
class Side {
 public:
  Side(Reconciler::Settings settings, bool from_scratch)
      : settings_(std::move(settings)), from_scratch_(from_scratch) {
    plane_.traits_now.own_table = settings_.own_table;
    start();
  }

  void start() {
    reconciler_.emplace(plane_, plane_, settings_);
    if (!settings_.own_table) reconciler_->remember(ledger_.load(), ledger_);
    wanted_.clear();
    alarms_.clear();
    zeros_.clear();
  }

  Work work(TimePoint now) {
    if (from_scratch_) reconciler_->decide_everything();
    Work work = reconciler_->work(now);
    for (auto& [group, members] : reconciler_->new_wanted())
      wanted_[group] = std::move(members);
    std::erase_if(wanted_, [](const auto& group) { return group.second.empty(); });
    for (auto& [group, alarms] : reconciler_->new_alarms(plane_.unreachable()))
      alarms_[group] = std::move(alarms);
    std::erase_if(alarms_, [](const auto& group) { return group.second.empty(); });
    for (const auto& [at, zero] : work.zeros_before)
      EXPECT_EQ(zeros_.erase(at), 1U);
    zeros_.insert(work.zeros.begin(), work.zeros.end());
    decided_ += work.services_decided;
    return work;
  }

  // What was told piece by piece is what there is. `all`: everything that was decided is written.
  void expect_told_all(bool all) const {
    EXPECT_EQ(wanted_, reconciler_->wanted());
    EXPECT_EQ(zeros_, reconciler_->held_zeros());
    if (all) {
      EXPECT_EQ(alarms_, reconciler_->alarms(plane_.unreachable_addresses));
    }
  }

  FakeDataplane plane_;
  test::FakeLedger ledger_;
  std::optional<Reconciler> reconciler_;
  sasp::WantedGroups wanted_;
  AlarmsByGroup alarms_;
  HeldZeros zeros_;
  std::size_t decided_ = 0;

 private:
  Reconciler::Settings settings_;
  bool from_scratch_;
};

inline std::string text(const Work& work) {
  std::string text = fmt::format("{} failures, {} overtaken, {} without room, {} appeared{}, {} {}",
                                 work.failures.size(), work.overtaken.size(), work.no_room.size(),
                                 work.appeared.size(), work.list_error ? ", not listed" : "",
                                 work.remaining, work.more ? "and more" : "left");
  for (const auto& change : work.applied)
    text += "\n  " + change.text();
  return text;
}

inline std::string text(const Side& side) {
  std::string text;
  for (const auto& group : side.reconciler_->view(side.plane_.unreachable_addresses)) {
    text += fmt::format("{} gwm {}\n", group.name, group.gwm ? static_cast<int>(*group.gwm) : -1);
    for (const std::size_t gwm : group.gwms)
      text += fmt::format("  counts {}\n", gwm);
    for (const auto& service : group.services) {
      text += fmt::format("  {} {}{}\n", lb::text(service.key), service.present,
                          service.held ? " held" : "");
      for (const auto& [reason, count] : service.weight_changes)
        text += fmt::format("    {} {}\n", name(reason), count);
    }
    for (const auto& member : group.members)
      text += fmt::format("    {} {} {} {} {}\n", member.endpoint.text(), member.effective_weight,
                          member.kernel_weight.value_or(99999), name(member.reason),
                          static_cast<int>(member.zero.author));
    for (const auto& alarm : group.alarms)
      text += fmt::format("  {} {} {} {}\n", alarm.name, alarm.urgent, alarm.service, alarm.detail);
  }
  for (const auto& [group, members] : side.wanted_) {
    text += "wanted " + group;
    for (const auto& [member, label] : members)
      text += " " + member.text() + label;
    text += "\n";
  }
  for (const auto& [at, zero] : side.zeros_)
    text += fmt::format("zero {} {}\n", lb::text(at.first), at.second.text());
  const auto [groups, members] = side.reconciler_->extent();
  return text + fmt::format("{} groups, {} members\n", groups, members);
}

inline std::string text(const lb::Plan& plan) {
  std::string text;
  for (const auto& change : plan)
    text += change.text() + "\n";
  return text;
}

}  // namespace saspd::director
