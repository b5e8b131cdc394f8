// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/status.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controller/base/member_name.hpp"
#include "controller/base/version.hpp"

namespace saspd::director {
namespace {

using report::seconds_between;
using report::unless_empty;

template <class To, class From, class Convert>
std::vector<To> each(const std::vector<From>& from, Convert convert) {
  std::vector<To> all;
  all.reserve(from.size());
  for (const auto& one : from)
    all.push_back(convert(one));
  return all;
}

report::Dictionary<std::uint64_t> tolerances(const sasp::ToleranceCounts& counts) {
  report::Dictionary<std::uint64_t> all;
  for (std::size_t i = 0; i < sasp::tolerance_count; ++i) {
    const auto tolerance = static_cast<sasp::Tolerance>(i);
    if (counts[tolerance] > 0) all.emplace_back(sasp::name(tolerance), counts[tolerance]);
  }
  return all;
}

report::Gwm gwm(const GwmStatus& from, TimePoint now) {
  report::Gwm gwm;
  gwm.endpoint = from.endpoint;
  gwm.state = from.state;
  gwm.state_since_s = seconds_between(from.state_since, now);
  if (from.last_message) gwm.last_message_age_s = seconds_between(*from.last_message, now);
  gwm.interval_s = from.interval.count();
  gwm.last_error = unless_empty(from.last_error);
  gwm.protocol_errors = from.protocol_errors;
  gwm.tolerances = tolerances(from.tolerances);
  gwm.duplicate_uid = from.duplicate_suspected;
  return gwm;
}

std::vector<report::Gwm> gwms(const Status& status, TimePoint now) {
  return each<report::Gwm>(status.gwms, [now](const auto& one) { return gwm(one, now); });
}

// Rounded up: what is still to come is not there yet.
std::int64_t seconds_until(TimePoint then, TimePoint now) {
  return std::max<std::int64_t>(std::chrono::ceil<std::chrono::seconds>(then - now).count(), 0);
}

report::Advice advice(const Advice& from, TimePoint now) {
  return {from.weight,
          {from.contact(), from.quiesced(), from.registered_by_lb(), from.confident()},
          from.state,
          seconds_between(from.received, now)};
}

report::Member member(const Status& status, const Reconciler::MemberView& from, TimePoint now) {
  report::Member member;
  member.address = from.endpoint.address.text();
  member.port = from.endpoint.port;
  // A system member has neither protocol nor port (RFC 4678 5.1).
  if (from.protocol != 0) member.protocol = lb::name(static_cast<lb::Protocol>(from.protocol));
  member.label = from.label;
  member.service = lb::text(from.service);
  if (from.advice) member.advice = advice(*from.advice, now);
  member.effective_weight = from.effective_weight;
  member.kernel_weight = from.kernel_weight;
  member.reason = from.reason;
  if (from.pending)
    member.pending =
        report::Pending{from.pending->rule, from.target, seconds_until(from.pending->until, now)};
  if (from.quiesced_by) member.quiesced_by = status.gwms.at(*from.quiesced_by).endpoint;
  if (from.zero.author != ZeroAuthor::nobody)
    member.zero = {from.zero.author, from.zero.doubt, from.zero.keepalived};
  if (from.state) member.state = *from.state;
  return member;
}

std::vector<report::Member> members(const Status& status, const Reconciler::GroupView& group,
                                    TimePoint now) {
  return each<report::Member>(group.members,
                              [&](const auto& one) { return member(status, one, now); });
}

constexpr std::string_view held_prefix = "held_";

// Why advice is held back, if it is; of several services the worst.
std::optional<std::string> held(const Reconciler::GroupView& group) {
  std::optional<Reason> held;
  for (const auto& service : group.services) {
    if (held != Reason::held_all_zero && service.held) held = service.held;
  }
  return held ? std::optional<std::string>(name(*held).substr(held_prefix.size())) : std::nullopt;
}

report::Service service(const Reconciler::ServiceView& from) {
  report::Service service{lb::text(from.key), from.present, from.managed, {}};
  if (from.present) service.scheduler = from.scheduler;
  return service;
}

report::Drift drift(const Drift& from, TimePoint now) {
  const ForeignWrite& write = from.write;
  report::Drift drift;
  drift.service = lb::text(write.service);
  if (write.endpoint) {
    drift.address = write.endpoint->address.text();
    drift.port = write.endpoint->port;
  }
  if (write.weights) {
    drift.old_weight = write.weights->before;
    drift.weight = write.weights->now;
  }
  drift.what = write.kind == ForeignWrite::Kind::changed ? write.what : write.deed();
  drift.follows = from.follows;
  drift.age_s = seconds_between(from.when, now);
  return drift;
}

void add_freshness(report::GroupSummary& group, const Freshness& from, TimePoint now) {
  const auto state = from.state(now);
  group.advice_state = state;
  if (from.last) group.advice_age_s = seconds_between(*from.last, now);
  group.advice_lack = unless_empty(std::string(name_of(from.lack(now))));
  if (from.stale_at && state != report::AdviceState::stale)
    group.stale_in_s = seconds_between(now, *from.stale_at);
  group.on_stale = from.on_stale;
}

report::GroupSummary summary(const Status& status, const Reconciler::GroupView& from,
                             TimePoint now) {
  report::GroupSummary group;
  group.name = from.name;
  if (from.gwm) group.gwm = status.gwms.at(*from.gwm).endpoint;
  for (const std::size_t gwm : from.gwms)
    group.gwms.push_back(status.gwms.at(gwm).endpoint);
  group.bound = std::any_of(from.services.begin(), from.services.end(),
                            [](const auto& one) { return one.present; });
  group.held = held(from);
  if (from.freshness) add_freshness(group, *from.freshness, now);
  group.drift_total = from.drift.total;
  if (from.drift.last) group.last_drift = drift(*from.drift.last, now);
  group.alarms = each<report::Alarm>(from.alarms, [](const Alarm& alarm) {
    return report::Alarm{std::string(alarm.name), alarm.urgent, unless_empty(alarm.service),
                         alarm.detail};
  });
  group.services = each<report::Service>(from.services, service);
  return group;
}

report::Change change(const lb::Change& from) {
  using enum lb::Action;
  report::Change change;
  change.action = name(from.action);
  change.service = lb::text(from.service);
  change.text = from.text();
  if (from.action == add_service || from.action == set_service) return change;
  change.address = from.destination.endpoint.address.text();
  change.port = from.destination.endpoint.port;
  if (from.action != add_destination) change.old_weight = from.listed.weight;
  if (from.action != remove_destination) change.weight = from.destination.weight;
  return change;
}

std::vector<report::Change> changes(const lb::Plan& plan) {
  return each<report::Change>(plan, change);
}

// What no fresh advice makes of a weight.
std::string explain_stale(const Freshness& freshness, TimePoint now) {
  const std::string why = fmt::format("no fresh advice for longer than --stale-after ({}): ",
                                      words(freshness.lack(now)));
  switch (freshness.on_stale) {
    case OnStale::drain:
      return why + "it gets no new connections until a GWM advises again (--on-stale drain)";
    case OnStale::static_: return why + "its static weight (--on-stale static)";
    case OnStale::hold: break;
  }
  return why + "the last advice stands until a GWM advises again (--on-stale hold)";
}

std::string explain_advice(const Reconciler::MemberView& member) {
  const std::uint32_t advised = member.advice ? member.advice->weight : 0;
  std::string text = fmt::format("the GWM advises weight {}", advised);
  if (member.unscaled != advised)
    text += fmt::format("; --min-change rounds it to {}", member.unscaled);
  if (member.target != member.unscaled)
    text += fmt::format("; scaled to {} for the service's scheduler", member.target);
  return text;
}

std::string explain_pending(const Reconciler::MemberView& member, TimePoint now) {
  if (!member.pending) return {};
  const auto seconds = seconds_until(member.pending->until, now);
  if (member.pending->rule == PaceRule::max_step)
    return fmt::format("; it is {}, and moves by --max-step with each write: {} within {} s",
                       member.effective_weight, member.target, seconds);
  return fmt::format("; it is {}, written less than a second ago: {} within {} s",
                     member.effective_weight, member.target, seconds);
}

std::string explain_rule(const Status& status, const Reconciler::MemberView& member,
                         const std::optional<Freshness>& freshness, TimePoint now) {
  switch (member.reason) {
    case Reason::override_:
      return fmt::format(
          "the operator set its weight to {}; saspctl release returns it to the advice",
          member.effective_weight);
    case Reason::held_operator:
      return "the operator holds the group: nothing is written; saspctl release ends that";
    case Reason::leaving:
      return "it no longer belongs to the managed service: no new connections, and it is removed "
             "when the last one has ended, or after drain=SECONDS";
    case Reason::foreign_zero:
    case Reason::unclear_zero:
      return fmt::format(
          "the advice may not change its weight of 0: {}; saspctl undrain returns it to the advice",
          explain(member.zero));
    case Reason::quiesced:
      if (!member.quiesced_by) return "the GWM says that it is quiesced: no new connections";
      return fmt::format(
          "the GWM {} quiesced it, and no GWM that knew of that has lifted it: no new connections. "
          "The GWM that is followed now does not say so; saspctl undrain lifts it",
          status.gwms.at(*member.quiesced_by).endpoint);
    case Reason::no_contact: return "the GWM cannot reach it: no new connections";
    case Reason::not_confident:
      if (!member.nobody_known && member.effective_weight > 0)
        return "the GWM does not know its state, nor that of more than a third of the servers: "
               "those that serve keep their weights (RFC 4678 5.3 would have them avoided)";
      if (!member.nobody_known)
        return "the GWM does not know its state, but knows that of others in the group: it is "
               "avoided (RFC 4678 5.3)";
      return member.effective_weight == 0
                 ? "the GWM no longer knows the state of any member of the group; this one was "
                   "avoided while it knew others, and gets its weight back if that lasts for three "
                   "minutes (RFC 4678 5.3)"
                 : "the GWM knows the state of no member of the group: that is not advice, so the "
                   "weight stays (RFC 4678 5.3)";
    case Reason::advice: return explain_advice(member);
    case Reason::foreign_weight:
      return "another program or person wrote it, and it stands until other advice comes (--drift)";
    case Reason::held_stale:
      return freshness ? explain_stale(*freshness, now) : std::string("the advice is stale");
    case Reason::static_weight:
      if (freshness && freshness->on_stale == OnStale::static_ && freshness->acts(now))
        return explain_stale(*freshness, now);
      return member.advice
                 ? "static weight"
                 : "no GWM has advised a weight for it yet: its static weight, or the one "
                   "it has";
    case Reason::held_all_zero:
      return "the advice would leave the service without any server, so it is held back "
             "(--on-all-zero hold)";
    case Reason::held_panic:
      return "the advice would leave the service too few servers, so it is held back (--panic)";
    case Reason::unbound: return "it is not in the kernel's table";
  }
  return {};
}

std::string explain(const Status& status, const Reconciler::MemberView& member,
                    const std::optional<Freshness>& freshness, TimePoint now) {
  return explain_rule(status, member, freshness, now) + explain_pending(member, now);
}

}  // namespace

report::Trace trace_answer(const lb::Trace& trace) {
  report::Trace answer;
  answer.is_service = trace.is_service;
  answer.verdict = "pass: no service of ours";
  if (!trace.is_service) return answer;
  report::FlowPath path;
  path.forward = trace.forward == lb::Forward::tunnel ? "ipip" : "l2";
  path.slot = trace.slot;
  path.known_flow = trace.known_flow;
  if (trace.destination) path.destination = trace.destination->text();
  if (trace.next_hop) path.next_hop = lb::frame_text(*trace.next_hop);
  answer.path = std::move(path);
  answer.verdict = !trace.destination ? "drop: no server of the service has a weight (no_backend)"
                   : !trace.reachable ? "drop: the next hop is not known (no_next_hop)"
                   : trace.known_flow ? "sent: the flow is known"
                                      : "sent: by its slot";
  return answer;
}

report::Status status_answer(const Status& status, TimePoint now) {
  report::Status answer;
  answer.version = program_version;
  answer.lb_uid = status.lb_uid;
  answer.backend = status.backend;
  if (!status.packets.empty()) answer.packets = status.packets;
  if (!status.kernel_settings.empty())
    answer.kernel_settings.emplace(status.kernel_settings.begin(), status.kernel_settings.end());
  answer.dry_run = status.dry_run;
  answer.kernel_error = unless_empty(status.kernel_error);
  answer.problems = each<report::Problem>(status.problems, [](const lb::Problem& problem) {
    return report::Problem{problem.name, problem.subject, problem.detail};
  });
  answer.attach_requests = status.attach_requests;
  answer.attach_request = unless_empty(status.attach_request);
  answer.ledger_error = unless_empty(status.ledger_error);
  answer.keepalived_error = unless_empty(status.keepalived_error);
  answer.tls_error = unless_empty(status.tls_error);
  answer.config_error = unless_empty(status.config_error);
  answer.health = status.health;
  answer.overrides = status.overrides;
  answer.gwm = gwms(status, now);
  answer.groups = each<report::Group>(status.groups, [&](const auto& group) {
    return report::Group{summary(status, group, now), members(status, group, now)};
  });
  return answer;
}

report::Gwms gwms_answer(const Status& status, TimePoint now) {
  report::Gwms answer;
  answer.gwm = gwms(status, now);
  return answer;
}

report::Groups groups_answer(const Status& status, TimePoint now) {
  report::Groups answer;
  answer.groups = each<report::CountedGroup>(status.groups, [&](const auto& group) {
    return report::CountedGroup{summary(status, group, now), {group.members.size()}};
  });
  return answer;
}

Result<report::Members> members_answer(const Status& status,
                                       const std::optional<std::string>& wanted, TimePoint now) {
  report::Members answer;
  for (const auto& group : status.groups) {
    if (!wanted || group.name == *wanted)
      answer.groups.push_back({group.name, members(status, group, now)});
  }
  if (wanted && answer.groups.empty()) {
    return fail(std::errc::no_such_device_or_address, fmt::format("no group '{}'", *wanted));
  }
  return answer;
}

report::Watch watch_answer(const Status& status) {
  report::Watch answer;
  auto& items = answer.items;
  items.emplace_back("kernel", status.kernel_error.empty() ? "ok" : status.kernel_error);
  for (const auto& problem : status.problems)
    items.emplace_back(fmt::format("problem {} {}", problem.name, problem.subject), problem.detail);
  for (const auto& gwm : status.gwms)
    items.emplace_back(fmt::format("gwm {}", gwm.endpoint), name(gwm.state));
  for (const auto& group : status.groups) {
    for (const std::size_t gwm : group.gwms)
      items.emplace_back(
          fmt::format("advice for {} by {}", group.name, status.gwms.at(gwm).endpoint), "counts");
    for (const auto& service : group.services) {
      items.emplace_back(fmt::format("service {} of {}", lb::text(service.key), group.name),
                         !service.present ? "not in the kernel"
                         : service.held   ? "advice is held back"
                                          : "ok");
    }
    for (const auto& member : group.members) {
      items.emplace_back(
          fmt::format("{} of {} {}", member_text(member.endpoint), group.name,
                      lb::text(member.service)),
          fmt::format("weight {}, {}", member.effective_weight, name(member.reason)));
    }
  }
  return answer;
}

Result<report::Why> why_answer(const Status& status, std::string_view wanted, TimePoint now) {
  const auto name = MemberName::parse(wanted);
  if (!name) return fail(name.error());
  report::Why answer;
  for (const auto& group : status.groups) {
    if (name->group && group.name != *name->group) continue;
    for (const auto& candidate : group.members) {
      if (candidate.endpoint != name->endpoint) continue;
      answer.members.push_back({member(status, candidate, now), group.name,
                                explain(status, candidate, group.freshness, now)});
    }
  }
  if (answer.members.empty()) {
    return fail(std::errc::no_such_device_or_address, fmt::format("no member '{}'", wanted));
  }
  return answer;
}

report::Export export_answer(std::vector<std::string> rules) {
  report::Export answer;
  answer.rules = std::move(rules);
  return answer;
}

report::Plan plan_answer(const lb::Plan& plan) {
  report::Plan answer;
  answer.plan = changes(plan);
  return answer;
}

report::Undrain undrain_answer(std::string_view member, std::size_t services) {
  report::Undrain answer;
  answer.member = member;
  answer.services = services;
  return answer;
}

report::GwmRetry gwm_retry_answer(std::string_view gwm) {
  report::GwmRetry answer;
  answer.gwm = gwm;
  return answer;
}

report::Reconcile reconcile_answer(const Work& done, bool dry_run, std::size_t remaining) {
  report::Reconcile answer;
  answer.dry_run = dry_run;
  (dry_run ? answer.plan : answer.written) = changes(done.applied);
  answer.failures =
      each<std::string>(done.failures, [](const Error& failure) { return failure.detail; });
  answer.remaining = remaining;
  return answer;
}

}  // namespace saspd::director
