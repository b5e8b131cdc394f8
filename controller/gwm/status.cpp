// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/status.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/nearest.hpp"
#include "controller/base/version.hpp"
#include "controller/gwm/why.hpp"

namespace saspd::gwm {

using namespace sasp;

namespace {

using report::seconds_between;
using report::unless_empty;

// How long an event is an alarm; a metric counts it for ever.
constexpr auto alarm_time = std::chrono::hours{1};
// In the status; `members` shows more.
constexpr std::size_t max_listed = 50;
// For errors: what was meant instead.
constexpr std::size_t max_names_compared = 1000;
constexpr std::size_t max_names_shown = 5;

bool has(std::uint8_t flags, std::uint8_t flag) {
  return (flags & flag) != 0;
}

// --- load balancers and groups

report::gwm::LoadBalancer lb_answer(const WorkloadManager& manager, const std::string& uid,
                                    const LoadBalancer& lb, const Surroundings& around,
                                    TimePoint now) {
  const auto peer = lb.connection ? around.peer(*lb.connection) : std::nullopt;
  report::gwm::LoadBalancer answer;
  answer.uid = uid;
  answer.connected = lb.connection.has_value();
  if (peer) answer.endpoint = peer->text();
  // RFC 4678 9.1: it may come back until then.
  if (!lb.connection) answer.forgotten_in_s = seconds_between(now, lb.forgotten_at);
  answer.mode = has(lb.flags, lb_flag::push) ? "push" : "pull";
  answer.trust = lb.trusts();
  answer.no_change = has(lb.flags, lb_flag::no_change);
  answer.health = lb.health;
  answer.groups = lb.extent.groups;
  answer.members = lb.extent.members;
  answer.replacements = lb.replacements;
  if (lb.restored) answer.restored_s = restored_s(manager, now);
  return answer;
}

report::gwm::MemberCounts counts_answer(const MemberCounts& counts) {
  return {counts.all(), counts.available, counts.quiesced, counts.no_contact, counts.not_confident};
}

// Calls each(LB UID, group name, group) in order.
template <class Each>
void for_each_group(const WorkloadManager& manager, Each each) {
  for (const auto& [uid, lb] : manager.load_balancers()) {
    for (const auto& [name, group] : lb.groups)
      each(uid, name, group);
  }
}

MemberCounts counts_of(const WorkloadManager& manager, const std::string& name, const Group& group,
                       TimePoint now) {
  MemberCounts counts;
  for (const auto& entry : manager.weigher().weigh(name, group, now))
    counts.add(entry);
  return counts;
}

bool is_unauthorized_lately(const Surroundings& around, TimePoint now) {
  return around.unauthorized.requests > 0 && now - around.unauthorized.last_at < alarm_time;
}

// The form of saspd's alarms.
std::vector<report::gwm::Alarm> alarms(const Surroundings& around, TimePoint now) {
  std::vector<report::gwm::Alarm> alarms;
  for (const Alarm& from : around.alarms) {
    report::gwm::Alarm alarm{std::string(from.name), from.urgent, from.detail, {}, {}};
    if (!from.lb_uid.empty()) alarm.lb_uid = from.lb_uid;
    if (!from.group.empty()) alarm.group = from.group;
    alarms.push_back(std::move(alarm));
  }
  if (is_unauthorized_lately(around, now)) {
    const Unauthorized& unauthorized = around.unauthorized;
    const auto detail =
        fmt::format("{} unauthorized request(s), the last {} s ago from {}", unauthorized.requests,
                    seconds_between(unauthorized.last_at, now), unauthorized.last);
    alarms.push_back({std::string(alarm::unauthorized), true, detail, {}, {}});
  }
  return alarms;
}

// --- what is not available

// Calls each(LB UID, Case) for every member of the group that can get no work by what is known.
template <class Each>
void for_each_unavailable(const WorkloadManager& manager, const Surroundings& around,
                          const std::string& uid, const std::string& name, const Group& group,
                          const Weighing& weighing, TimePoint now, Each each) {
  auto entry = weighing.entries.begin();
  for (const auto& [key, member] : group) {
    const WeightEntry& of_member = *entry++;
    MemberCounts counts;
    counts.add(of_member);
    if (counts.available == 0)
      each(uid, case_of(manager, around, {name, group, weighing.wait}, member, of_member, now));
  }
}

report::gwm::Unavailable unavailable_answer(const std::string& uid, const Case& of) {
  return {uid, of.group, of.entry.member.key().text(), of.entry.member.label, explain(of)};
}

std::vector<report::gwm::Unregistered> unregistered(const WorkloadManager& manager) {
  std::vector<report::gwm::Unregistered> all;
  for (const Stray& stray : strays_of(manager)) {
    if (all.size() == max_listed) break;
    report::gwm::Unregistered one{stray.group, {}, unless_empty(stray.nearest)};
    if (stray.member) one.member = stray.member->text();
    all.push_back(std::move(one));
  }
  return all;
}

// --- drains, and what an earlier life knew

void add_drains(report::gwm::Status& answer, const WorkloadManager& manager,
                const Surroundings& around) {
  const Drains& drains = manager.weigher().drains();
  for (const auto& [name, drain] : drains.of_operator()) {
    answer.drained.push_back(name.text());
    report::gwm::DrainedName one{name.text(), "operator", {}, {}};
    if (!drain.by.empty()) one.by = drain.by;
    if (drain.unix_time > 0)
      one.since_s = std::max<std::int64_t>(around.unix_time - drain.unix_time, 0);
    answer.drains.push_back(std::move(one));
  }
  for (const auto& name : drains.of_file())
    answer.drains.push_back({name.text(), "file", {}, {}});
}

report::gwm::Restored restored_answer(const WorkloadManager& manager, TimePoint now) {
  report::gwm::Restored restored;
  restored.since_s = restored_s(manager, now);
  for (const auto& [uid, lb] : manager.load_balancers()) {
    if (lb.restored) ++restored.lbs_unconfirmed;
    for (const auto& [name, group] : lb.groups) {
      restored.members_unconfirmed += static_cast<std::uint64_t>(std::count_if(
          group.begin(), group.end(), [](const auto& member) { return member.second.restored; }));
    }
  }
  return restored;
}

// --- watch

// "weight 40", "weight 0, quiesced": what an LB gets about it.
std::string watched_text(const WeightEntry& entry) {
  std::string text = fmt::format("weight {}", entry.weight);
  if (has(entry.flags, weight_flag::quiesce)) text += ", quiesced";
  if (!has(entry.flags, weight_flag::contact)) text += ", no contact";
  if (!has(entry.flags, weight_flag::confident)) text += ", not confident";
  return text;
}

// --- what was probably meant

std::string near_group(const WorkloadManager& manager, const std::string& wanted) {
  std::vector<std::string_view> names;
  for_each_group(manager, [&](const auto&, const auto& name, const auto&) {
    if (names.size() < max_names_compared) names.emplace_back(name);
  });
  return did_you_mean(wanted, names);
}

// Those at the same address: a port was forgotten, or is another one.
std::string near_members(const WorkloadManager& manager, const MemberName& wanted) {
  std::set<std::string> names;
  for_each_group(manager, [&](const auto&, const auto&, const auto& group) {
    for (const auto& [key, member] : group) {
      if (names.size() < max_names_shown && key.address == wanted.endpoint.address)
        names.insert(member_text(key.endpoint()));
    }
  });
  return names.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(names, ", "));
}

}  // namespace

std::vector<std::pair<std::string_view, std::size_t>> alarm_counts(const Surroundings& around,
                                                                   TimePoint now) {
  std::vector<std::pair<std::string_view, std::size_t>> counts;
  for (const auto name : alarm::all) {
    const auto count =
        std::count_if(around.alarms.begin(), around.alarms.end(),
                      [&, name = name](const Alarm& alarm) { return alarm.name == name; });
    const bool lately = name == alarm::unauthorized && is_unauthorized_lately(around, now);
    counts.emplace_back(name, static_cast<std::size_t>(count) + (lately ? 1 : 0));
  }
  return counts;
}

void MemberCounts::add(const WeightEntry& entry) {
  ++(has(entry.flags, weight_flag::quiesce)      ? quiesced
     : !has(entry.flags, weight_flag::contact)   ? no_contact
     : !has(entry.flags, weight_flag::confident) ? not_confident
                                                 : available);
}

void Unauthorized::count(const Endpoint& peer, const std::string& refusal, TimePoint now) {
  ++requests;
  last = fmt::format("{}: {}", peer.text(), refusal);
  last_at = now;
}

report::gwm::Status status_answer(const WorkloadManager& manager, const Surroundings& around,
                                  TimePoint now) {
  report::gwm::Status answer;
  answer.version = program_version;
  for (const auto& endpoint : around.listen)
    answer.listen.push_back(endpoint.text());
  answer.interval_s = around.interval.count();
  answer.connections = around.connections;
  answer.weights_file = unless_empty(around.weights_file);
  answer.weights_error = unless_empty(around.weights_error);
  answer.authority_file = unless_empty(around.authority_file);
  answer.authority_error = unless_empty(around.authority_error);
  answer.tls_error = unless_empty(around.tls_error);
  answer.config_error = unless_empty(around.config_error);
  answer.drains_file = unless_empty(around.drains_file);
  answer.drains_error = unless_empty(around.drains_error);
  answer.state_file = unless_empty(around.state_file);
  answer.state_error = unless_empty(around.state_error);
  if (manager.recalled_at()) answer.restored = restored_answer(manager, now);
  if (const auto end = manager.weigher().waits_until()) answer.waits_s = seconds_between(now, *end);
  answer.alarms = alarms(around, now);
  MemberCounts all;
  auto& unavailable = answer.unavailable;
  const auto list = [&](const std::string& uid, const Case& of) {
    if (unavailable.size() < max_listed) unavailable.push_back(unavailable_answer(uid, of));
  };
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    ++answer.groups;
    const auto weighing = manager.weigher().weighing(name, group, now);
    for (const auto& entry : weighing.entries)
      all.add(entry);
    if (unavailable.size() < max_listed)
      for_each_unavailable(manager, around, uid, name, group, weighing, now, list);
  });
  answer.member_counts = counts_answer(all);
  answer.unavailable_left_out = all.all() - all.available - unavailable.size();
  answer.unregistered = unregistered(manager);
  add_drains(answer, manager, around);
  answer.lbs = lbs_answer(manager, around, now).lbs;
  return answer;
}

report::gwm::Lbs lbs_answer(const WorkloadManager& manager, const Surroundings& around,
                            TimePoint now) {
  report::gwm::Lbs answer;
  for (const auto& [uid, lb] : manager.load_balancers())
    answer.lbs.push_back(lb_answer(manager, uid, lb, around, now));
  return answer;
}

report::gwm::Groups groups_answer(const WorkloadManager& manager, TimePoint now) {
  report::gwm::Groups answer;
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    answer.groups.push_back({name, uid, counts_answer(counts_of(manager, name, group, now))});
  });
  return answer;
}

Result<report::gwm::Members> members_answer(const WorkloadManager& manager,
                                            const std::optional<std::string>& wanted,
                                            TimePoint now) {
  report::gwm::Members answer;
  std::size_t shown = 0;
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    if (wanted && name != *wanted) return;
    report::gwm::GroupMembers members{name, uid, {}};
    const auto entries = manager.weigher().weigh(name, group, now);
    auto entry = entries.begin();
    for (const auto& [key, member] : group) {
      const WeightEntry& of_member = *entry++;
      if (shown == max_members_shown) {
        ++answer.left_out;
        continue;
      }
      members.members.push_back(member_answer(of_member));
      if (member.restored) members.members.back().restored_s = restored_s(manager, now);
      ++shown;
    }
    answer.groups.push_back(std::move(members));
  });
  if (wanted && answer.groups.empty()) {
    return fail(std::errc::no_such_device_or_address,
                fmt::format("no group '{}'{}", *wanted, near_group(manager, *wanted)));
  }
  return answer;
}

Result<report::gwm::Why> why_answer(const WorkloadManager& manager, const Surroundings& around,
                                    const MemberName& wanted, TimePoint now) {
  report::gwm::Why answer;
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    const bool any = std::any_of(group.begin(), group.end(), [&](const auto& member) {
      return names(wanted, name, member.first);
    });
    if (!any) return;
    auto weighing = manager.weigher().weighing(name, group, now);
    auto entry = weighing.entries.begin();
    for (const auto& [key, member] : group) {
      WeightEntry& of_member = *entry++;
      if (!names(wanted, name, key)) continue;
      answer.members.push_back(explained(
          uid,
          case_of(manager, around, {name, group, weighing.wait}, member, std::move(of_member), now),
          now));
    }
  });
  if (answer.members.empty()) {
    return fail(std::errc::no_such_device_or_address,
                fmt::format("no member '{}'{}", wanted.text(), near_members(manager, wanted)));
  }
  return answer;
}

report::gwm::Watch watch_answer(const WorkloadManager& manager, TimePoint now) {
  report::gwm::Watch answer;
  auto& items = answer.items;
  for (const auto& [uid, lb] : manager.load_balancers())
    items.emplace_back(fmt::format("lb {}", uid), lb.connection ? "connected" : "not connected");
  for_each_group(manager, [&](const auto& uid, const auto& name, const auto& group) {
    for (const auto& entry : manager.weigher().weigh(name, group, now)) {
      if (items.size() >= max_members_shown) return;
      items.emplace_back(fmt::format("{} of {}/{}", entry.member.key().text(), uid, name),
                         watched_text(entry));
    }
  });
  return answer;
}

}  // namespace saspd::gwm
