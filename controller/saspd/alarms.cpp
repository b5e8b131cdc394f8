// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/alarms.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/member_name.hpp"
#include "controller/base/text.hpp"
#include "controller/saspd/scaling.hpp"
#include "controller/saspd/self_registered.hpp"

namespace saspd::director {
namespace {

using Alarms = std::vector<Alarm>;

// One service that is in the kernel.
struct Looked {
  const ServiceSettings& settings;
  const lb::Pool& pool;
  const ServiceDecision* decision;  // nothing: none yet
  std::string name;
  bool has_zero = false;  // a destination of weight 0
};

bool is_set(const lb::Pool& pool, std::uint32_t flag) {
  return (pool.flags & flag) != 0;
}

bool is_udp(const ServiceSettings& service) {
  return service.protocol == lb::Protocol::udp;
}

std::string first_of(const std::vector<std::string>& names) {
  return listed(names, 5, std::identity{});
}

std::optional<std::uint32_t> value_of(const lb::KernelSettings& kernel, std::string_view setting) {
  const auto found = kernel.find(setting);
  return found != kernel.end() ? found->second : std::nullopt;
}

std::string in_words(std::optional<std::uint32_t> value) {
  return value ? fmt::format("it is {}", *value) : "its value cannot be read";
}

// "2 quiesced, 1 foreign_zero"
std::string counted_by_reason(const ServiceDecision* decision) {
  std::map<std::string_view, std::size_t> counts;
  if (decision != nullptr) {
    for (const auto& [endpoint, member] : decision->members)
      ++counts[name(member.reason)];
  }
  std::vector<std::string> parts;
  for (const auto& [reason, count] : counts)
    parts.push_back(fmt::format("{} {}", count, reason));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void find_no_server(const Looked& service, const std::set<IpAddress>& unreachable, Alarms& alarms) {
  std::size_t weighted = 0;
  std::size_t reached = 0;
  for (const auto& [endpoint, destination] : service.pool.destinations) {
    if (destination.weight == 0) continue;
    ++weighted;
    if (!unreachable.contains(endpoint.address)) ++reached;
  }
  if (reached > 0) return;
  const std::size_t all = service.pool.destinations.size();
  const std::string why =
      all == 0       ? std::string("it has no destination")
      : weighted > 0 ? fmt::format("no next hop of its {} servers with a weight answers", weighted)
                     : fmt::format("none of its {} servers has a weight: {}", all,
                                   counted_by_reason(service.decision));
  alarms.push_back({"no_server", true, service.name, why + "; new connections fail"});
}

void find_held(const Looked& service, Alarms& alarms) {
  if (service.decision == nullptr || !service.decision->held) return;
  const Reason reason = *service.decision->held;
  alarms.push_back(
      {name(reason), true, service.name,
       fmt::format("the advice would leave {}: {}; what was lost lately keeps its weight",
                   reason == Reason::held_panic ? "fewer servers than --panic allows" : "no server",
                   counted_by_reason(service.decision))});
}

void find_sudden_loss(const Looked& service, const LossWatch& watch, Alarms& alarms) {
  if (!watch.loss()) return;
  const SuddenLoss& loss = *watch.loss();
  std::vector<std::string> lost;
  for (const auto& [endpoint, reason] : loss.lost)
    lost.push_back(fmt::format("{} {}", member_text(endpoint), name(reason)));
  alarms.push_back(
      {"sudden_loss", !loss.only_by_quiesce, service.name,
       fmt::format("advice took {} of {} servers and {} % of the weight away at once: {}",
                   lost.size(), loss.servers, loss.percent, first_of(lost))});
}

void find_restless(const Looked& service, const AlarmInput& input, Alarms& alarms) {
  const auto watch = input.moves.find(service.settings.key);
  if (watch == input.moves.end()) return;
  std::vector<std::string> restless;
  for (const auto& endpoint : watch->second.restless())
    restless.push_back(member_text(endpoint));
  if (restless.empty()) return;
  alarms.push_back(
      {"restless", false, service.name,
       fmt::format("the weight of {} does not come to rest: it moves more than {} times a minute, "
                   "and is written once per second at most; --min-change and --max-step calm it, "
                   "and so does a longer interval of the GWM",
                   first_of(restless), std::chrono::minutes{1} / RestlessWatch::usual)});
}

// Connections go on being distributed, and no server that fails or fills up is spared.
void find_no_advice(const Looked& service, const AlarmInput& input, Alarms& alarms) {
  const auto watch = input.advice.find(service.settings.key);
  if (watch == input.advice.end() || !watch->second.lack()) return;
  alarms.push_back({"no_advice", true, service.name,
                    explain_lack(watch->second, input.group.name, input.on_stale)});
}

void find_no_fallback(const Looked& service, Alarms& alarms) {
  const auto& scheduler = service.pool.scheduler;
  if (!lb::hashes_clients(scheduler) || service.settings.manage) return;
  if (is_set(service.pool, lb::service_flag::fallback)) return;
  alarms.push_back(
      {"no_fallback", service.has_zero, service.name,
       fmt::format("{0} without the flag {0}-fallback loses the connections of clients that it "
                   "hashes to a server of weight 0; set the flag with ipvsadm -E … -s {0} -b "
                   "{0}-fallback",
                   scheduler)});
}

void find_many_servers(const Looked& service, Alarms& alarms) {
  const auto& scheduler = service.pool.scheduler;
  const auto servers = useful_servers(scheduler);
  if (!servers || service.pool.destinations.size() <= *servers) return;
  alarms.push_back(
      {"many_servers", scheduler != "wrr", service.name,
       fmt::format("{} servers under {}: {}", service.pool.destinations.size(), scheduler,
                   scheduler == "wrr"
                       ? "each change of a weight walks all of them, and packets wait for it"
                       : fmt::format("those beyond {} get no connections", *servers))});
}

// ip_vs_check_template(): a template of a server at 0 is given up only with this setting.
void find_persistent_drain(const Looked& service, const lb::KernelSettings& kernel,
                           Alarms& alarms) {
  constexpr std::string_view setting = "expire_quiescent_template";
  if (kernel.empty() || !is_set(service.pool, lb::service_flag::persistent)) return;
  const auto value = value_of(kernel, setting);
  if (value && *value != 0) return;
  alarms.push_back(
      {"persistent_drain", value && service.has_zero, service.name,
       fmt::format("it is persistent: new connections of a client keep going to its server, even "
                   "at weight 0, while net.ipv4.vs.{0} is 0 ({1}); sysctl -w net.ipv4.vs.{0}=1",
                   setting, in_words(value))});
}

// A client that uses its port again is led by its old connection, whatever the weight of the server
// is: ip_vs_in_hook().
void find_port_reuse(const Looked& service, const lb::KernelSettings& kernel, Alarms& alarms) {
  if (!service.has_zero || service.settings.protocol != lb::Protocol::tcp) return;
  if (value_of(kernel, "conn_reuse_mode") != 0U) return;
  if (value_of(kernel, "expire_nodest_conn") != 0U) return;
  alarms.push_back({"port_reuse", false, service.name,
                    "a client that reuses a port gets its old server, even at weight 0, while "
                    "net.ipv4.vs.conn_reuse_mode and expire_nodest_conn are 0; sysctl -w "
                    "net.ipv4.vs.conn_reuse_mode=1"});
}

// IPVS leads a datagram by its flow for as long as the flow is not silent, also to a dead server.
void find_udp_stays(const Looked& service, const lb::KernelSettings& kernel, Alarms& alarms) {
  if (kernel.empty() || !is_udp(service.settings) || service.decision == nullptr) return;
  if (is_set(service.pool, lb::service_flag::one_packet)) return;
  std::vector<std::string> dead;
  for (const auto& [endpoint, member] : service.decision->members) {
    const auto found = service.pool.destinations.find(endpoint);
    if (member.reason != Reason::no_contact || found == service.pool.destinations.end()) continue;
    if (found->second.weight == 0 && found->second.observed.connections > 0)
      dead.push_back(member_text(endpoint));
  }
  if (dead.empty()) return;
  constexpr std::string_view setting = "expire_nodest_conn";
  alarms.push_back(
      {"udp_stays", true, service.name,
       fmt::format(
           "flows continue to {}, without contact: weight 0 does not move them, and each lasts "
           "until its client falls silent (ipvsadm --set). ipvsadm -d of the server ends them at "
           "once where net.ipv4.vs.{} is 1 ({}); so does one-packet scheduling",
           first_of(dead), setting, in_words(value_of(kernel, setting)))});
}

// --drift report: it is the operator's to know that the advice is not followed.
void find_foreign_weights(const Looked& service, const AlarmInput& input, Alarms& alarms) {
  if (input.drift != DriftPolicy::report || service.decision == nullptr) return;
  std::vector<std::string> foreign;
  for (const auto& [endpoint, member] : service.decision->members) {
    if (member.reason != Reason::foreign_weight) continue;
    foreign.push_back(
        fmt::format("{} {}, not {}", member_text(endpoint), member.weight, member.target));
  }
  if (foreign.empty()) return;
  alarms.push_back({"foreign_weight", false, service.name,
                    fmt::format("another program has written weights that stand until other advice "
                                "comes (--drift report): {}",
                                first_of(foreign))});
}

void look_at(const Looked& service, const AlarmInput& input, Alarms& alarms) {
  find_no_server(service, input.unreachable, alarms);
  find_held(service, alarms);
  const auto losses = input.losses.find(service.settings.key);
  if (losses != input.losses.end()) find_sudden_loss(service, losses->second, alarms);
  find_restless(service, input, alarms);
  find_no_advice(service, input, alarms);
  find_foreign_weights(service, input, alarms);
  find_no_fallback(service, alarms);
  find_many_servers(service, alarms);
  find_persistent_drain(service, input.kernel, alarms);
  find_port_reuse(service, input.kernel, alarms);
  find_udp_stays(service, input.kernel, alarms);
}

// RFC 4678 5.3 has a member that the GWM does not know avoided while it knows others: a line that
// is missing in its configuration takes a healthy server out. Of many, those that serve go on.
void find_partly_known(const AlarmInput& input, Alarms& alarms) {
  std::vector<std::string> avoided;
  std::vector<std::string> held;
  bool has_served = false;
  bool any_known = false;
  std::size_t members = 0;
  for (const auto& service : input.group.services) {
    const auto decision = input.decisions.find(service.key);
    if (decision == input.decisions.end()) continue;
    members += decision->second.members.size();
    for (const auto& [endpoint, member] : decision->second.members) {
      if (member.reason != Reason::not_confident) continue;
      if (member.weight > 0) {
        if (decision->second.few_known) held.push_back(member_text(endpoint));
        continue;
      }
      avoided.push_back(member_text(endpoint));
      has_served = has_served || member.has_served;
      any_known = any_known || !decision->second.nobody_known;
    }
  }
  if (!held.empty()) {
    alarms.push_back(
        {"partly_known",
         true,
         {},
         fmt::format(
             "the GWM knows the state of some members and not of {} of {}: more than a third "
             "of the servers would get no new connections (RFC 4678 5.3), so {} their "
             "weights: {}",
             avoided.size() + held.size(), members,
             avoided.empty() ? "all keep" : fmt::format("{} that still serve keep", held.size()),
             first_of(held))});
    return;
  }
  if (avoided.empty()) return;
  alarms.push_back(
      {"partly_known",
       has_served,
       {},
       fmt::format("{} {} of {}: {}; they get no new connections{} (RFC 4678 5.3)",
                   any_known ? "the GWM knows the state of some members and not of"
                             : "the GWM no longer knows the state of any member, and knew not of",
                   avoided.size(), members, first_of(avoided),
                   any_known ? "" : ", for three minutes at most")});
}

void find_vanished(const ServiceSettings& service, const AlarmInput& input, Alarms& alarms) {
  if (!input.vanished.contains(service.key)) return;
  alarms.push_back({"vanished", true, lb::text(service.key),
                    "it was in the kernel, and another program removed it within the last hour"});
}

// One for each service, whose text names the first of its servers.
void find_unclear_zeros(const AlarmInput& input, std::vector<Alarm>& alarms) {
  for (const auto& service : input.group.services) {
    std::size_t count = 0;
    const HeldZeros::value_type* first = nullptr;
    for (auto held = input.zeros.lower_bound({service.key, {}});
         held != input.zeros.end() && held->first.first == service.key; ++held) {
      if (held->second.zero.author != ZeroAuthor::unclear) continue;
      if (first == nullptr) first = &*held;
      ++count;
    }
    if (first == nullptr) continue;
    alarms.push_back({"unclear_zero", true, lb::text(service.key),
                      fmt::format("{}{} held at weight 0, {}; {}", first->first.second.text(),
                                  count > 1 ? fmt::format(" and {} more are", count - 1) : " is",
                                  explain(first->second.zero),
                                  lifting_command(input.group.name, first->first.second) +
                                      " returns it to the advice")});
  }
}

}  // namespace

std::vector<Alarm> find_alarms(const AlarmInput& input) {
  Alarms alarms;
  bool system = false;
  bool application = false;
  for (const auto& settings : input.group.services) {
    const auto found = input.actual.find(settings.key);
    if (found == input.actual.end()) {
      find_vanished(settings, input, alarms);
      continue;
    }
    const auto decision = input.decisions.find(settings.key);
    Looked service{settings, found->second,
                   decision != input.decisions.end() ? &decision->second : nullptr,
                   lb::text(settings.key)};
    for (const auto& [endpoint, destination] : service.pool.destinations) {
      service.has_zero = service.has_zero || destination.weight == 0;
      (endpoint.port == 0 ? system : application) = true;
    }
    look_at(service, input, alarms);
  }
  find_unclear_zeros(input, alarms);
  find_partly_known(input, alarms);
  if (system && application) {
    alarms.push_back({"mixed_kinds",
                      true,
                      {},
                      "destinations with a port and without one: a group holds one kind of member, "
                      "and those without are not registered with the GWM (RFC 4678 5.1)"});
  }
  if (input.left_out > 0) {
    alarms.push_back(
        {"many_members",
         true,
         {},
         fmt::format("{} members that registered themselves with the GWM are left out: "
                     "a group takes {} of these",
                     input.left_out, SelfRegistered::max_members)});
  }
  return alarms;
}

std::vector<AlarmChange> changes_between(const AlarmsByGroup& before, const AlarmsByGroup& now) {
  using What = AlarmChange::What;
  const auto find = [](const AlarmsByGroup& in, const std::string& group, const Alarm& alarm) {
    const auto raised = in.find(group);
    if (raised == in.end()) return static_cast<const Alarm*>(nullptr);
    const auto same = std::find_if(
        raised->second.begin(), raised->second.end(), [&alarm](const Alarm& candidate) {
          return candidate.name == alarm.name && candidate.service == alarm.service;
        });
    return same != raised->second.end() ? &*same : nullptr;
  };
  std::vector<AlarmChange> changes;
  for (const auto& [group, raised] : now) {
    for (const auto& alarm : raised) {
      const Alarm* old = find(before, group, alarm);
      if (old != nullptr && old->urgent == alarm.urgent) continue;
      const What what = old == nullptr ? What::begun
                        : alarm.urgent ? What::more_urgent
                                       : What::less_urgent;
      changes.push_back({what, group, alarm});
    }
  }
  for (const auto& [group, raised] : before) {
    for (const auto& alarm : raised) {
      if (find(now, group, alarm) == nullptr) changes.push_back({What::ended, group, alarm});
    }
  }
  return changes;
}

}  // namespace saspd::director
