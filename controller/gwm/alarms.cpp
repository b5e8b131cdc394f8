// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/alarms.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "controller/base/nearest.hpp"
#include "controller/base/text.hpp"

namespace saspd::gwm {

using namespace sasp;

namespace {

constexpr std::size_t named = 3;            // members in a text
constexpr std::size_t most_names = 1000;    // the names among which a near one is sought
constexpr std::size_t most_strays = 20;     // for which that is done
constexpr std::size_t fewest_compared = 3;  // of two members neither is odd
constexpr double too_many_times_median = 10;

bool has(std::uint8_t flags, std::uint8_t flag) {
  return (flags & flag) != 0;
}

bool gets_work(const WeightEntry& entry) {
  return has(entry.flags, weight_flag::contact) && !has(entry.flags, weight_flag::quiesce);
}

// One group of one load balancer, judged.
struct Farm {
  const Weigher& weigher;
  const std::string& lb_uid;
  const std::string& name;
  const Group& group;
  std::vector<WeightEntry> entries;
  bool waits;  // no member counts as known for now
  TimePoint now;

  Judgement judgement(const WeightEntry& entry) const {
    return weigher.judge(name, entry.member.key(), now);
  }
  Alarm alarm(std::string_view kind, bool urgent, std::string_view detail) const {
    return {kind, urgent, lb_uid,
            name, {},     fmt::format("group '{}' of {}: {}", name, lb_uid, detail)};
  }
};

std::string listed(const std::vector<const WeightEntry*>& entries) {
  return saspd::listed(entries, named,
                       [](const auto* entry) { return entry->member.key().text(); });
}

// Why a member is not known, and the remedy.
std::string_view cause(const Farm& farm, const WeightEntry& entry) {
  const MemberKey key = entry.member.key();
  if (!farm.weigher.targets_of(farm.name, key).empty()) return "its agent does not answer";
  if (farm.weigher.of_file(farm.name, key) != nullptr)
    return "the weights file says unknown; give it a weight, or quiesce it";
  return "it has neither a line in the weights file nor a probe; add a line, or --probe";
}

void add_unknown(const Farm& farm, std::vector<Alarm>& alarms) {
  if (farm.waits) return;  // soon it is another picture
  std::vector<const WeightEntry*> unknown;
  for (const WeightEntry& entry : farm.entries) {
    if (has(entry.flags, weight_flag::confident) || !gets_work(entry)) continue;
    if (farm.judgement(entry).warms_up) return;  // likewise
    unknown.push_back(&entry);
  }
  if (unknown.empty()) return;
  const auto why = cause(farm, *unknown.front());
  const bool any_known = std::any_of(farm.entries.begin(), farm.entries.end(), [](const auto& e) {
    return has(e.flags, weight_flag::confident) && gets_work(e);
  });
  if (any_known) {
    alarms.push_back(
        farm.alarm(alarm::partly_known, true,
                   fmt::format("the state of {} of {} members is not known, load balancers stop "
                               "sending to them: {} ({})",
                               unknown.size(), farm.entries.size(), listed(unknown), why)));
  } else if (!farm.weigher.plan().is_none(farm.name)) {
    alarms.push_back(farm.alarm(
        alarm::not_known, false,
        fmt::format(
            "the state of no member is known, load balancers fall back on their own means: {} ({})",
            listed(unknown), why)));
  }
}

void add_unavailable(const Farm& farm, std::vector<Alarm>& alarms) {
  if (std::any_of(farm.entries.begin(), farm.entries.end(), gets_work)) return;
  const auto quiesced = std::count_if(farm.entries.begin(), farm.entries.end(), [](const auto& e) {
    return has(e.flags, weight_flag::quiesce);
  });
  alarms.push_back(farm.alarm(
      alarm::none_available, true,
      fmt::format("none of its {} members can get work ({} quiesced, {} without contact)",
                  farm.entries.size(), quiesced,
                  static_cast<std::ptrdiff_t>(farm.entries.size()) - quiesced)));
}

// What the file says is meant; what an agent says need not be true.
void add_large_share(const Farm& farm, std::vector<Alarm>& alarms) {
  std::vector<std::pair<double, const WeightEntry*>> shares;
  for (const WeightEntry& entry : farm.entries) {
    if (!gets_work(entry) || !has(entry.flags, weight_flag::confident)) continue;
    const Judgement judgement = farm.judgement(entry);
    if (!judgement.weight_fixed) shares.emplace_back(judgement.share, &entry);
  }
  if (shares.size() < fewest_compared) return;
  std::sort(shares.begin(), shares.end());
  const double median = shares[(shares.size() - 1) / 2].first;
  const auto& [share, largest] = shares.back();
  if (share <= too_many_times_median * median) return;
  alarms.push_back(
      farm.alarm(alarm::large_share, false,
                 fmt::format("the agent of {} reports {:.0f}%, where half of the members report "
                             "{:.0f}% or less; --max-share limits what it gets",
                             largest->member.key().text(), share * 100, median * 100)));
}

void add_group(const Farm& farm, std::vector<Alarm>& alarms) {
  if (farm.entries.empty()) return;
  add_unavailable(farm, alarms);
  add_unknown(farm, alarms);
  add_large_share(farm, alarms);
}

// --- what the file names in vain

using Members = std::set<MemberKey>;
using Registered = std::map<std::string, Members, std::less<>>;

Registered registered(const WorkloadManager& manager) {
  Registered groups;
  for (const auto& [uid, lb] : manager.load_balancers()) {
    for (const auto& [name, group] : lb.groups) {
      Members& members = groups[name];
      for (const auto& [key, member] : group)
        members.insert(key);
    }
  }
  return groups;
}

// `names` are those that the file does not name: what it does name is meant.
std::string near_one(const std::string& word, const std::vector<std::string>& names) {
  if (names.size() > most_names) return {};
  const std::vector<std::string_view> known(names.begin(), names.end());
  return std::string(nearest(word, known));
}

std::string near_group(const std::string& group, const Registered& groups,
                       const AdviceTable& table) {
  std::vector<std::string> names;
  for (const auto& [name, members] : groups) {
    if (!table.contains(name)) names.push_back(name);
  }
  return near_one(group, names);
}

// Another port or protocol of the same address first.
std::string near_member(const MemberKey& member, const Members& members,
                        const std::map<MemberKey, Advice>& lines) {
  std::vector<std::string> names;
  for (const MemberKey& key : members) {
    if (lines.contains(key)) continue;
    if (key.address == member.address) return key.text();
    names.push_back(key.text());
  }
  return near_one(member.text(), names);
}

}  // namespace

bool Alarm::is(const Alarm& other) const {
  return std::tie(name, lb_uid, group, member) ==
         std::tie(other.name, other.lb_uid, other.group, other.member);
}

std::vector<Alarm> alarms_only_in(const std::vector<Alarm>& a, const std::vector<Alarm>& b) {
  std::vector<Alarm> only;
  std::copy_if(a.begin(), a.end(), std::back_inserter(only), [&](const Alarm& one) {
    return std::none_of(b.begin(), b.end(), [&](const Alarm& other) { return other.is(one); });
  });
  return only;
}

std::string Stray::text() const {
  const std::string what = member ? fmt::format("member {} of group '{}'", member->text(), group)
                                  : fmt::format("group '{}'", group);
  return fmt::format("the weights file names {}, which is not registered{}", what,
                     nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest));
}

std::vector<Stray> strays_of(const WorkloadManager& manager) {
  const AdviceTable& table = manager.weigher().table();
  const Registered groups = registered(manager);
  std::vector<Stray> strays;
  if (groups.empty()) return strays;
  const auto may_look = [&] { return strays.size() < most_strays; };
  for (const auto& [group, lines] : table) {
    const auto known = groups.find(group);
    if (known == groups.end()) {
      strays.push_back({group, {}, may_look() ? near_group(group, groups, table) : ""});
      continue;
    }
    for (const auto& [member, advice] : lines) {
      if (known->second.contains(member)) continue;
      strays.push_back(
          {group, member, may_look() ? near_member(member, known->second, lines) : ""});
    }
  }
  return strays;
}

std::vector<Alarm> AlarmWatch::look(const WorkloadManager& manager, const WeightsBook* book,
                                    TimePoint now) {
  if (seen_ != manager.revision()) look_at_groups(manager, now);
  std::vector<Alarm> alarms;
  if (book != nullptr && book->held()) {
    const auto& held = *book->held();
    const auto left = std::chrono::ceil<std::chrono::seconds>(held.until - now).count();
    alarms.push_back(
        {alarm::weights_shrunk,
         true,
         {},
         {},
         {},
         fmt::format("the weights file lacks {} of the {} members that it had; the old weights "
                     "stay for another {} s, or until it is read on SIGHUP",
                     held.missing, held.before, left)});
  }
  alarms.insert(alarms.end(), of_groups_.begin(), of_groups_.end());
  return alarms;
}

void AlarmWatch::look_at_groups(const WorkloadManager& manager, TimePoint now) {
  of_groups_.clear();
  bool steady = true;
  const Weigher& weigher = manager.weigher();
  for (const auto& [uid, lb] : manager.load_balancers()) {
    for (const auto& [name, group] : lb.groups) {
      Weighing weighing = weigher.weighing(name, group, now);
      steady = steady && weighing.steady;
      add_group(
          {weigher, uid, name, group, std::move(weighing.entries), weighing.wait != Wait::no, now},
          of_groups_);
    }
  }
  for (const Stray& stray : strays_of(manager)) {
    if (stray.nearest.empty()) continue;
    of_groups_.push_back({alarm::unregistered,
                          false,
                          {},
                          stray.group,
                          stray.member ? stray.member->text() : "",
                          stray.text()});
  }
  seen_.reset();
  if (steady) seen_ = manager.revision();
}

}  // namespace saspd::gwm
