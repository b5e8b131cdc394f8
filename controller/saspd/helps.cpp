// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/helps.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "controller/base/member_name.hpp"

namespace saspd::director {
namespace {

using events::EventKind;
using events::EventLevel;
using events::HealthState;

// What is not here is explained best by the members of the group.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> commands{{
    {"no_advice", "saspctl gwm"},
    {"vanished", "ipvsadm -Ln"},
    {"no_fallback", "ipvsadm -Ln"},
    {"persistent_drain", "sysctl -w net.ipv4.vs.expire_quiescent_template=1"},
    {"port_reuse", "sysctl -w net.ipv4.vs.conn_reuse_mode=1"},
    {"udp_stays", "sysctl -w net.ipv4.vs.expire_nodest_conn=1"},
    {"sudden_loss", "saspctl history"},
    {"foreign_weight", "saspctl history"},
    {"restless", "saspctl history"},
}};

HealthState health_of(const Alarm& alarm) {
  if (!alarm.urgent) return HealthState::ok;
  return alarm.name == "no_server" || alarm.name == "vanished" ? HealthState::failed
                                                               : HealthState::degraded;
}

std::string help_for(const Alarm& alarm, const std::string& group) {
  for (const auto& [name, command] : commands) {
    if (name == alarm.name) return std::string(command);
  }
  return fmt::format("saspctl members {}", group);
}

// `lasts` or not, as it is now.
void keep(events::Journal& journal, bool lasts, events::State state, std::string ending) {
  if (lasts) {
    journal.begin(std::move(state));
  } else {
    journal.end(state.key, {EventLevel::debug, std::move(ending)});
  }
}

}  // namespace

events::State state_of(const Alarm& alarm, const std::string& group) {
  return {{EventKind::alarm, std::string(alarm.name), group, alarm.service},
          alarm.urgent ? EventLevel::error : EventLevel::warning,
          health_of(alarm),
          fmt::format("group {} has the alarm {}{}{}: {}", group, alarm.name,
                      alarm.service.empty() ? "" : " of ", alarm.service, alarm.detail),
          help_for(alarm, group)};
}

GroupStanding standing_of(const GroupSettings& group, const lb::Table& actual,
                          const std::set<IpAddress>& unreachable) {
  GroupStanding standing;
  for (const auto& service : group.services) {
    const auto found = actual.find(service.key);
    if (found == actual.end()) continue;
    standing.bound = true;
    for (const auto& [endpoint, destination] : found->second.destinations) {
      ++standing.servers;
      if (destination.weight == 0) continue;
      ++standing.serving;
      if (!unreachable.contains(endpoint.address)) continue;
      if (++standing.unreachable == 1) standing.first = member_text(endpoint);
    }
  }
  return standing;
}

// Their lines are for debugging: what they cost a service is an alarm, or was logged as what led to
// it.
void note_standing(const std::string& group, const std::optional<GroupStanding>& standing,
                   events::Journal& journal) {
  GroupStanding now;
  now.bound = true;  // what is not there lacks nothing
  if (standing) now = *standing;
  const auto help = fmt::format("saspctl members {}", group);
  keep(journal, !now.bound,
       {{EventKind::unbound, {}, group},
        EventLevel::debug,
        HealthState::degraded,
        fmt::format("group {} has no service in the kernel", group),
        "ipvsadm -Ln"},
       fmt::format("group {} has a service in the kernel", group));
  keep(journal, now.unreachable > 0,
       {{EventKind::unreachable, {}, group},
        EventLevel::debug,
        HealthState::degraded,
        now.unreachable == 1
            ? fmt::format("{} of group {} cannot be reached: its next hop does not answer",
                          now.first, group)
            : fmt::format("{} and {} more servers of group {} cannot be reached: their next hops "
                          "do not answer",
                          now.first, now.unreachable - 1, group),
        help},
       fmt::format("every server of group {} that has a weight can be reached", group));
  keep(journal, now.serving > 0 && now.serving * 2 < now.servers,
       {{EventKind::few_servers, {}, group},
        EventLevel::debug,
        HealthState::degraded,
        fmt::format("{} of the {} servers of group {} have a weight", now.serving, now.servers,
                    group),
        help},
       fmt::format("at least half of the servers of group {} have a weight", group));
}

events::StateKey zero_key(const HeldZeros::key_type& of, const HeldZero& zero) {
  const auto& [service, endpoint] = of;
  const bool unclear = zero.zero.author == ZeroAuthor::unclear;
  return {unclear ? EventKind::unclear_zero : EventKind::foreign_zero,
          {},
          zero.group,
          lb::text(service),
          member_text(endpoint)};
}

events::State zero_state(const HeldZeros::key_type& of, const HeldZero& zero) {
  events::State state{zero_key(of, zero), EventLevel::warning};
  state.text = fmt::format("{} is held at weight 0: {}", state.key.member, explain(zero.zero));
  state.help = lifting_command(zero.group, of.second);
  state.logged = false;  // many of them are a line
  state.origin = zero.zero.keepalived ? "keepalived" : "another program";
  return state;
}

}  // namespace saspd::director
