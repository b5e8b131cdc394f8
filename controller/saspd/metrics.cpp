// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/metrics.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controller/base/ascii.hpp"
#include "controller/base/version.hpp"

namespace saspd::director {

using metrics::add;
using metrics::counter;
using metrics::Families;
using metrics::gauge;
using metrics::Labels;

namespace {

// Not the family of an address, which the outer namespace has.
using metrics::Family;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void take(Families& families, std::initializer_list<Family> more) {
  families.insert(families.end(), more.begin(), more.end());
}

// --- the process and the kernel

void add_build(Families& families, const Status& status) {
  Family info = gauge("saspd_build_info", "Always 1; the version and the backend are labels.");
  add(info, 1, {{"version", std::string(program_version)}, {"backend", status.backend}});
  Family dry_run = gauge("saspd_dry_run", "1 if nothing is written to the kernel (--dry-run).");
  add(dry_run, status.dry_run ? 1 : 0);
  take(families, {std::move(info), std::move(dry_run)});
}

Family errors(std::string name, std::string help, const std::string& backend,
              const std::map<std::string, std::uint64_t>& counts) {
  Family family = counter(std::move(name), std::move(help));
  for (const auto& [error, count] : counts)
    add(family, static_cast<double>(count), {{"backend", backend}, {"errno", error}});
  return family;
}

void add_kernel(Families& families, const Status& status, const MetricCounters& counters) {
  Family well = gauge("saspd_kernel_ok", "1 if the last read and write of the kernel succeeded.");
  add(well, status.kernel_error.empty() ? 1 : 0);
  Family keepalived = gauge("saspd_keepalived_ok", "0 if the FIFO of keepalived cannot be read.");
  add(keepalived, status.keepalived_error.empty() ? 1 : 0);
  Family ledger = gauge("saspd_ledger_ok", "0 while the ledger is kept in memory only.");
  add(ledger, status.ledger_error.empty() ? 1 : 0);
  Family problems =
      gauge("saspd_dataplane_problems", "Problems that keep packets from the data plane.");
  add(problems, static_cast<double>(status.problems.size()));
  Family problem = gauge("saspd_dataplane_problem", "1 while there is this problem.");
  for (const auto& one : status.problems)
    add(problem, 1, {{"problem", one.name}, {"subject", one.subject}});
  Family requests =
      counter("saspd_attach_requests_total", "Requests to attach the XDP program again.");
  add(requests, static_cast<double>(status.attach_requests));
  Family duration{"saspd_apply_duration_seconds",
                  "Passes that wrote: reading, deciding and writing, until the kernel answered.",
                  prometheus::MetricType::Histogram,
                  {counters.write_passes.Collect()}};
  duration.metric.front().label = {{"backend", status.backend}};
  Family repairs = counter("saspd_repairs_total",
                           "Services written again because packets did not follow their weights: "
                           "after an interrupted write, or an edit by another program.");
  add(repairs, static_cast<double>(counters.repairs));
  Family lag = gauge("saspd_event_loop_lag_seconds", "How late the last periodic pass began.");
  add(lag, seconds(counters.loop_lag));
  Family packets =
      counter("saspd_xdp_packets_total", "Packets by what the XDP program did with them.");
  for (const auto& [reason, count] : status.packets)
    add(packets, static_cast<double>(count), {{"reason", reason}});
  take(families,
       {std::move(well), std::move(problems), std::move(problem), std::move(requests),
        errors("saspd_apply_errors_total", "Writes that the kernel refused or did not acknowledge.",
               status.backend, counters.apply_errors),
        errors("saspd_list_errors_total", "Failed reads of the kernel's table.", status.backend,
               counters.list_errors),
        std::move(repairs), std::move(duration), std::move(lag), std::move(packets),
        std::move(ledger), std::move(keepalived)});
}

// --- health and events

// Every word and kind has a series from the first scrape on.
void add_health(Families& families, const Status& status) {
  Family health = gauge("saspd_health", "1 for the state that holds: ok, degraded or failed.");
  for (const auto state :
       {report::HealthState::ok, report::HealthState::degraded, report::HealthState::failed}) {
    add(health, status.health.state == state ? 1 : 0, {{"state", std::string(name(state))}});
  }
  Family problem =
      gauge("saspd_problem", "Problems that last, by kind: see status, which names each of them.");
  Family events = counter("saspd_events_total", "Events since the start, by kind: see history.");
  std::map<std::string, std::uint64_t> lasting;
  for (const auto& one : status.health.problems)
    ++lasting[one.kind.text()];
  for (std::size_t i = 0; i <= static_cast<std::size_t>(report::EventKind::command); ++i) {
    const auto kind = static_cast<report::EventKind>(i);
    const std::string word(name(kind));
    const auto happened = status.event_counts.find(kind);
    add(events, happened != status.event_counts.end() ? static_cast<double>(happened->second) : 0.0,
        {{"kind", word}});
    add(problem, static_cast<double>(lasting[word]), {{"kind", word}});
  }
  take(families, {std::move(health), std::move(problem), std::move(events)});
}

// --- GWMs

void add_gwms(Families& families, const Status& status, TimePoint now, metrics::WallTime wall) {
  Family connected = gauge("saspd_gwm_connected", "1 if advice is received from this GWM.");
  Family heard = gauge("saspd_gwm_last_valid_message_timestamp_seconds",
                       "When the last valid message of this GWM arrived, in seconds since 1970.");
  Family interval = gauge("saspd_gwm_interval_seconds", "Polling interval of this GWM.");
  Family failures = counter("saspd_gwm_errors_total", "Invalid messages of this GWM.");
  Family tolerances =
      counter("saspd_gwm_tolerances_total", "Harmless deviations of this GWM from the protocol.");
  for (const auto& gwm : status.gwms) {
    const Labels labels{{"gwm", gwm.endpoint}};
    add(connected, gwm.state == report::LinkState::established ? 1 : 0, labels);
    add(interval, seconds(gwm.interval), labels);
    add(failures, static_cast<double>(gwm.protocol_errors),
        {{"gwm", gwm.endpoint}, {"reason", "protocol"}});
    if (gwm.last_message) {
      const auto age = now - *gwm.last_message;
      add(heard,
          metrics::unix_seconds(wall -
                                std::chrono::duration_cast<metrics::WallTime::duration>(age)),
          labels);
    }
    for (std::size_t i = 0; i < sasp::tolerance_count; ++i) {
      const auto kind = static_cast<sasp::Tolerance>(i);
      if (gwm.tolerances[kind] == 0) continue;
      add(tolerances, static_cast<double>(gwm.tolerances[kind]),
          {{"gwm", gwm.endpoint}, {"kind", std::string(sasp::name(kind))}});
    }
  }
  take(families, {std::move(connected), std::move(heard), std::move(interval), std::move(failures),
                  std::move(tolerances)});
}

// --- groups

bool is_bound(const Reconciler::GroupView& group) {
  return std::any_of(group.services.begin(), group.services.end(),
                     [](const auto& service) { return service.present; });
}

bool is_held(const Reconciler::GroupView& group, Reason reason) {
  return std::any_of(group.services.begin(), group.services.end(),
                     [reason](const auto& service) { return service.held == reason; });
}

// The age has no value before the first advice.
void add_freshness(Family& age, Family& state, Family& held, const Reconciler::GroupView& group,
                   TimePoint now) {
  using report::AdviceState;
  const auto& freshness = group.freshness;
  const bool holds = freshness && freshness->acts(now) && freshness->on_stale == OnStale::hold;
  add(held, holds ? 1 : 0, {{"group", group.name}, {"reason", "stale"}});
  for (const auto each : {AdviceState::fresh, AdviceState::ageing, AdviceState::stale})
    add(state, freshness && freshness->state(now) == each ? 1 : 0,
        {{"group", group.name}, {"state", std::string(report::name(each))}});
  if (freshness && freshness->last)
    add(age, seconds(now - *freshness->last), {{"group", group.name}});
}

void add_groups(Families& families, const Status& status, TimePoint now) {
  Family unbound = gauge("saspd_groups_unbound", "Groups without any service in the kernel.");
  add(unbound, static_cast<double>(std::count_if(status.groups.begin(), status.groups.end(),
                                                 [](const auto& g) { return !is_bound(g); })));
  Family held = gauge("saspd_group_held", "1 while advice for this group is held back.");
  Family alarms = gauge("saspd_group_alarm", "1 while this alarm is raised.");
  Family changes = counter("saspd_weight_changes_total", "Weights written, by the rule.");
  Family drift = counter("saspd_drift_total", "Writes of other programs to what saspd steers.");
  Family age = gauge("saspd_group_advice_age_seconds",
                     "Time since a GWM last gave fresh advice for this group.");
  Family state = gauge("saspd_group_advice_state",
                       "1 for the state of its advice: fresh, ageing (overdue) or stale.");
  Family followed = gauge("saspd_gwm_followed", "1 if the GWM's advice counts for the group.");
  for (const auto& group : status.groups) {
    add(held, is_held(group, Reason::held_all_zero) ? 1 : 0,
        {{"group", group.name}, {"reason", "all_zero"}});
    add(held, is_held(group, Reason::held_panic) ? 1 : 0,
        {{"group", group.name}, {"reason", "panic"}});
    add_freshness(age, state, held, group, now);
    for (std::size_t gwm = 0; gwm < status.gwms.size(); ++gwm) {
      const bool counts = std::find(group.gwms.begin(), group.gwms.end(), gwm) != group.gwms.end();
      add(followed, counts ? 1 : 0, {{"group", group.name}, {"gwm", status.gwms[gwm].endpoint}});
    }
    add(drift, static_cast<double>(group.drift.total), {{"group", group.name}});
    std::set<Labels> raised;  // one may be there for more than one reason
    for (const auto& alarm : group.alarms) {
      raised.insert({{"group", group.name},
                     {"service", alarm.service},
                     {"alarm", std::string(alarm.name)},
                     {"urgent", alarm.urgent ? "true" : "false"}});
    }
    for (const auto& labels : raised)
      add(alarms, 1, labels);
    std::map<Reason, std::uint64_t> written;
    for (const auto& service : group.services) {
      for (const auto& [reason, count] : service.weight_changes)
        written[reason] += count;
    }
    for (const auto& [reason, count] : written)
      add(changes, static_cast<double>(count),
          {{"group", group.name}, {"reason", std::string(name(reason))}});
  }
  take(families, {std::move(unbound), std::move(held), std::move(alarms), std::move(changes),
                  std::move(age), std::move(state), std::move(followed), std::move(drift)});
}

// --- members

// As node_exporter has them, from /proc/net/ip_vs: the protocol in capitals, or FWM with the mark.
Labels labels_of(const std::string& group, const Reconciler::MemberView& member) {
  Labels labels{{"group", group}};
  const auto* at = std::get_if<lb::VirtualEndpoint>(&member.service);
  const auto* mark = std::get_if<lb::FirewallMark>(&member.service);
  labels.emplace_back("local_address", at != nullptr ? at->endpoint.address.text() : "");
  labels.emplace_back("local_port", std::to_string(at != nullptr ? at->endpoint.port : 0));
  labels.emplace_back("remote_address", member.endpoint.address.text());
  labels.emplace_back("remote_port", std::to_string(member.endpoint.port));
  labels.emplace_back("proto", at != nullptr ? ascii::upper_case(lb::name(at->protocol)) : "FWM");
  labels.emplace_back("local_mark", mark != nullptr ? fmt::format("{:08X}", mark->mark) : "");
  // A mark is two services, one of each family; node_exporter has one series for both.
  if (mark != nullptr && mark->family == saspd::Family::v6) labels.emplace_back("family", "ipv6");
  return labels;
}

using Member = Reconciler::MemberView;
using MemberValue = std::optional<double> (*)(const Member&);

std::optional<double> optional_value(const std::optional<std::uint32_t>& value) {
  return value ? std::optional<double>(*value) : std::nullopt;
}

template <auto field>
std::optional<double> of_state(const Member& member) {
  if (!member.state) return std::nullopt;
  return static_cast<double>(*member.state.*field);
}

// A metric of each member, a row each; a member without a value has none.
struct MemberMetric {
  Family (*make)(std::string name, std::string help);
  const char* name;
  const char* help;
  MemberValue value;
};
using lb::DestinationState;
constexpr std::array<MemberMetric, 3> weight_metrics{{
    {gauge, "saspd_member_weight_received", "The weight that the GWM advises.",
     [](const Member& member) {
       return member.advice ? std::optional<double>(member.advice->weight) : std::nullopt;
     }},
    {gauge, "saspd_member_weight_effective", "The weight that was decided.",
     [](const Member& member) { return std::optional<double>(member.effective_weight); }},
    {gauge, "saspd_member_weight_kernel", "The weight that the kernel has.",
     [](const Member& member) { return optional_value(member.kernel_weight); }},
}};
constexpr std::array<MemberMetric, 5> state_metrics{{
    {gauge, "saspd_member_slots", "XDP: the member's slots in the service's table.",
     of_state<&DestinationState::slots>},
    {gauge, "saspd_member_reachable", "XDP: 1 if its next hop is known.",
     of_state<&DestinationState::reachable>},
    {counter, "saspd_member_packets_total", "XDP: packets sent to the member.",
     of_state<&DestinationState::packets>},
    {counter, "saspd_member_bytes_total", "XDP: bytes sent to the member.",
     of_state<&DestinationState::bytes>},
    {counter, "saspd_member_flows_total", "XDP: flows that the slot table assigned to the member.",
     of_state<&DestinationState::flows>},
}};

std::vector<Family> families_of(std::span<const MemberMetric> metrics) {
  std::vector<Family> families;
  for (const auto& metric : metrics)
    families.push_back(metric.make(metric.name, metric.help));
  return families;
}

void add_values(std::vector<Family>& families, std::span<const MemberMetric> metrics,
                const Member& member, const Labels& labels) {
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    if (const auto value = metrics[i].value(member)) add(families[i], *value, labels);
  }
}

void add_states(Family& state, const Member& member, const Labels& labels) {
  const auto add_state = [&](std::string name, bool is) {
    Labels with_state = labels;
    with_state.emplace_back("state", std::move(name));
    add(state, is ? 1 : 0, with_state);
  };
  if (member.advice) {
    add_state("contact", member.advice->contact());
    add_state("quiesced", member.advice->quiesced());
    add_state("confident", member.advice->confident());
  }
  add_state("held_foreign_zero", member.reason == Reason::foreign_zero);
  add_state("held_unclear_zero", member.reason == Reason::unclear_zero);
}

void add_members(Families& families, const Status& status) {
  auto weights = families_of(weight_metrics);
  Family state = gauge("saspd_member_state", "1 if the member is in this state.");
  auto states = families_of(state_metrics);
  for (const auto& group : status.groups) {
    for (const auto& member : group.members) {
      const auto labels = labels_of(group.name, member);
      add_values(weights, weight_metrics, member, labels);
      add_states(state, member, labels);
      add_values(states, state_metrics, member, labels);
    }
  }
  std::move(weights.begin(), weights.end(), std::back_inserter(families));
  families.push_back(std::move(state));
  std::move(states.begin(), states.end(), std::back_inserter(families));
}

}  // namespace

void MetricCounters::count(const Work& work, Duration took) {
  if (work.list_error) ++list_errors[metrics::error_name(work.list_error->code)];
  for (const auto& failure : work.failures)
    ++apply_errors[metrics::error_name(failure.code)];
  repairs += static_cast<std::uint64_t>(std::count_if(
      work.applied.begin(), work.applied.end(),
      [](const auto& change) { return change.action == lb::Action::repair_service; }));
  if (!work.applied.empty() || !work.failures.empty()) write_passes.Observe(seconds(took));
}

Families metric_families(const Status& status, const MetricCounters& counters, bool with_members,
                         TimePoint now, metrics::WallTime wall) {
  Families families;
  add_build(families, status);
  add_kernel(families, status, counters);
  add_health(families, status);
  add_gwms(families, status, now, wall);
  add_groups(families, status, now);
  if (with_members) add_members(families, status);
  return families;
}

}  // namespace saspd::director
