// SPDX-License-Identifier: Apache-2.0

#include "controller/ctl/render.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "controller/cli/settings.hpp"
#include "controller/ctl/render_events.hpp"
#include "controller/ctl/table.hpp"

namespace saspd::ctl {
namespace {

using report::AdviceState;
using report::LinkState;
using report::Reason;

// In the table of a service: bpf/lb.h.
constexpr unsigned xdp_slots = 65537;

template <class Value>
std::string number_or_dash(const std::optional<Value>& value) {
  return value ? std::to_string(*value) : "-";
}

std::string name_of(const report::Member& member) {
  return member_name(member.address, member.port);
}

std::string advice_text(const report::Member& member) {
  if (!member.advice) return "-";
  return std::to_string(member.advice->weight) + doubts(member.advice->flags);
}

Color color_of(const report::Word<Reason>& reason) {
  if (reason == Reason::advice) return Color::good;
  const bool bad = reason == Reason::no_contact || reason == Reason::unbound ||
                   reason == Reason::held_all_zero || reason == Reason::held_panic ||
                   reason == Reason::held_stale;
  return bad ? Color::bad : Color::doubtful;
}

// With the XDP data plane: where it is reached, or why it is not.
std::string next_hop(const lb::DestinationState& state) {
  if (state.reachable) return or_dash(state.next_hop);
  return state.next_hop.empty() ? "unknown" : state.next_hop;
}

Row member_row(const report::Member& member, bool with_slots, bool with_service) {
  const bool as_decided = member.kernel_weight == member.effective_weight;
  Row row{{name_of(member)},
          {or_dash(member.label)},
          {advice_text(member)},
          {std::to_string(member.effective_weight)},
          {number_or_dash(member.kernel_weight), as_decided ? Color::none : Color::doubtful},
          {or_dash(member.reason.text()), color_of(member.reason)}};
  if (with_slots) {
    const auto& state = member.state;
    row.push_back({state ? std::to_string(state->slots) : "-"});
    row.push_back({state ? next_hop(*state) : "unknown",
                   state && state->reachable ? Color::none : Color::bad});
  }
  if (with_service) row.push_back({or_dash(member.service)});
  return row;
}

std::string members_table(const std::vector<report::Member>& members, bool with_service,
                          bool colors) {
  if (members.empty()) return "  no members\n";
  std::vector<Row> rows{{{"MEMBER"}, {"LABEL"}, {"ADVICE"}, {"WEIGHT"}, {"KERNEL"}, {"REASON"}}};
  const bool with_slots = std::any_of(members.begin(), members.end(),
                                      [](const auto& member) { return member.state.has_value(); });
  if (with_slots) {
    rows.front().push_back({"SLOTS"});
    rows.front().push_back({"NEXT HOP"});
  }
  if (with_service) rows.front().push_back({"SERVICE"});
  for (const auto& member : members)
    rows.push_back(member_row(member, with_slots, with_service));
  return table(rows, colors);
}

// "no_fallback of tcp:192.0.2.10:80"
std::string alarm_name(const report::Alarm& alarm) {
  const auto name = or_dash(alarm.name);
  return alarm.service ? name + " of " + *alarm.service : name;
}

std::string render_alarms(const report::Group& group, bool colors) {
  std::string out;
  for (const auto& alarm : group.alarms) {
    out += fmt::format("  {} {}: {}\n",
                       painted(alarm.urgent ? "alarm" : "warning",
                               alarm.urgent ? Color::bad : Color::doubtful, colors),
                       alarm_name(alarm), or_dash(alarm.detail));
  }
  return out;
}

// "75 s old, ageing"; null is a service that is not in the kernel.
Cell advice_age(const report::GroupSummary& group) {
  if (!group.advice_state) return {"-"};
  const auto state = *group.advice_state;
  const std::string old =
      group.advice_age_s ? duration(*group.advice_age_s, "?") + " old" : std::string("none yet");
  if (state == AdviceState::fresh) return {old};
  return {old + ", " + or_dash(state.text()),
          state == AdviceState::stale ? Color::bad : Color::doubtful};
}

// What --on-stale does to the weights, or will.
std::string_view consequence(const report::GroupSummary& group) {
  const auto action = group.on_stale.value_or(report::OnStale::hold);
  if (action == report::OnStale::drain && group.advice_age_s) return "no new connections";
  return action == report::OnStale::static_ ? "static weights" : "the weights stay";
}

// "no_answer; stale in 1 min 45 s: the weights stay"
std::string advice_outlook(const report::GroupSummary& group) {
  std::string text = or_dash(group.advice_lack);
  if (group.stale_in_s) text += "; stale in " + duration(*group.stale_in_s, "?");
  return fmt::format("{}: {}", text, consequence(group));
}

std::string render_advice_age(const report::GroupSummary& group, bool colors) {
  if (!group.advice_state) return {};
  const auto [text, color] = advice_age(group);
  std::string out = "  advice " + painted(text, color, colors);
  if (group.advice_state != AdviceState::fresh) out += ", " + advice_outlook(group);
  return out + '\n';
}

std::string render_drift(const report::GroupSummary& group) {
  if (!group.last_drift) return {};
  const auto& last = *group.last_drift;
  const std::string of =
      last.address ? " " + member_name(*last.address, last.port.value_or(0)) : std::string();
  return fmt::format("  written by other programs {} times; last, {} ago: {}{} {}: {}\n",
                     group.drift_total, duration(last.age_s, "?"), or_dash(last.service), of,
                     or_dash(last.what), or_dash(last.follows));
}

std::string render_group(const report::Group& group, bool colors) {
  std::string out = painted("group " + or_dash(group.name), Color::bold, colors);
  if (group.held) out += painted("  held back: " + or_dash(group.held), Color::bad, colors);
  out += '\n';
  for (const auto& service : group.services) {
    out += fmt::format("  service {}  ", or_dash(service.spec));
    out += service.present ? or_dash(service.scheduler)
                           : painted("not in the kernel", Color::bad, colors);
    if (service.managed) out += ", managed";
    out += '\n';
  }
  return out + render_advice_age(group, colors) +
         members_table(group.members, group.services.size() > 1, colors) + render_drift(group) +
         render_alarms(group, colors);
}

std::string render_gwms(const std::vector<report::Gwm>& gwms, bool colors) {
  std::vector<Row> rows{
      {{"GWM"}, {"STATE"}, {"SINCE"}, {"LAST MESSAGE"}, {"INTERVAL"}, {"LAST ERROR"}}};
  for (const auto& gwm : gwms) {
    rows.push_back({{or_dash(gwm.endpoint)},
                    {or_dash(gwm.state.text()),
                     gwm.state == LinkState::established ? Color::good : Color::bad},
                    {duration(gwm.state_since_s, "-")},
                    {age(gwm.last_message_age_s)},
                    {duration(gwm.interval_s, "-")},
                    {or_dash(gwm.last_error)}});
  }
  return rows.size() == 1 ? "  no GWM\n" : table(rows, colors);
}

// Only what happened, sent and passed packets first.
std::string render_packets(const report::Status& status) {
  if (!status.packets) return {};
  std::string out = "\npackets";
  for (const auto& [reason, count] : *status.packets) {
    if (count > 0) out += fmt::format("  {} {}", reason, count);
  }
  return out == "\npackets" ? "\npackets  none yet\n" : out + '\n';
}

std::string all_flags_text(const report::Flags& flags) {
  return fmt::format("{}, {}, {}, registered by the {}", flags.contact ? "contact" : "no contact",
                     flags.quiesce ? "quiesced" : "not quiesced",
                     flags.confident ? "confident" : "not confident",
                     flags.registered_by_lb ? "load balancer" : "member");
}

std::string render_advice(const std::optional<report::Advice>& advice) {
  if (!advice) return "  advice   none yet\n";
  return fmt::format("  advice   weight {}, {}, {} old\n", advice->weight,
                     all_flags_text(advice->flags), duration(advice->age_s, "?"));
}

std::string render_member(const report::ExplainedMember& member, bool colors) {
  std::string out =
      painted(fmt::format("{}/{}", or_dash(member.group), name_of(member)), Color::bold, colors);
  if (!member.label.empty()) out += "  " + member.label;
  out += fmt::format("\n  service  {}\n", or_dash(member.service));
  out += fmt::format("  rule     {}: {}\n",
                     painted(or_dash(member.reason.text()), color_of(member.reason), colors),
                     or_dash(member.detail));
  out += render_advice(member.advice);
  out += fmt::format("  weight   {}\n", member.effective_weight);
  out += fmt::format("  kernel   {}\n",
                     member.kernel_weight ? std::to_string(*member.kernel_weight) : "not there");
  if (!member.state) return out;
  out += fmt::format("  slots    {} of {}\n", member.state->slots, xdp_slots);
  out += fmt::format("  next hop {}\n", next_hop(*member.state));
  return out + fmt::format("  traffic  {} packets, {} bytes, {} flows\n", member.state->packets,
                           member.state->bytes, member.state->flows);
}

constexpr std::string_view nothing_to_write = "nothing to write: the kernel is as decided\n";

// A line per change.
std::string lines(const std::vector<report::Change>& changes) {
  std::string out;
  for (const auto& change : changes)
    out += or_dash(change.text) + '\n';
  return out;
}

}  // namespace

std::string render(const report::Status& status, bool colors) {
  std::string out = render(status.health, colors);
  out += render_overrides(status.overrides, colors);
  out += fmt::format("saspd {}, LB UID {}, backend {}", or_dash(status.version),
                     or_dash(status.lb_uid), or_dash(status.backend));
  if (status.dry_run) out += painted(", dry run: nothing is written", Color::doubtful, colors);
  out += "\n\n" + render_gwms(status.gwm, colors);
  for (const auto& group : status.groups)
    out += "\n" + render_group(group, colors);
  out += render_packets(status);
  return out;
}

std::string render(const report::Gwms& gwms, bool colors) {
  return render_gwms(gwms.gwm, colors);
}

std::string render(const report::Groups& groups, bool colors) {
  std::vector<Row> rows{
      {{"GROUP"}, {"GWM"}, {"MEMBERS"}, {"IN THE KERNEL"}, {"HELD BACK"}, {"ALARMS"}, {"ADVICE"}}};
  for (const auto& group : groups.groups) {
    const auto alarms = group.alarms.size();
    rows.push_back(
        {{or_dash(group.name)},
         {or_dash(group.gwm)},
         {std::to_string(group.member_counts.all)},
         {group.bound ? "yes" : "no", group.bound ? Color::none : Color::bad},
         {or_dash(group.held), group.held ? Color::bad : Color::none},
         {alarms == 0 ? "-" : std::to_string(alarms), alarms == 0 ? Color::none : Color::doubtful},
         advice_age(group)});
  }
  return rows.size() == 1 ? "  no groups\n" : table(rows, colors);
}

std::string render(const report::Members& members, bool colors) {
  std::string out;
  for (const auto& group : members.groups) {
    if (!out.empty()) out += '\n';
    out += painted("group " + or_dash(group.name), Color::bold, colors) + '\n';
    out += members_table(group.members, true, colors);
  }
  return out.empty() ? "  no groups\n" : out;
}

std::string render(const report::Why& why, bool colors) {
  std::string out;
  for (const auto& member : why.members) {
    if (!out.empty()) out += '\n';
    out += render_member(member, colors);
  }
  return out;
}

std::string render(const report::Plan& plan, bool) {
  return plan.plan.empty() ? std::string(nothing_to_write) : lines(plan.plan);
}

std::string render(const report::Reconcile& reconcile, bool colors) {
  const auto& written = reconcile.written;
  const auto& failures = reconcile.failures;
  std::string out = lines(reconcile.plan) + lines(written);
  for (const auto& failure : failures)
    out += painted("not written: ", Color::bad, colors) + failure + '\n';
  if (!reconcile.plan.empty()) return out + "dry run: nothing was written, this is what would be\n";
  if (written.empty() && failures.empty()) return std::string(nothing_to_write);
  out += fmt::format("{} change{} written", written.size(), written.size() == 1 ? "" : "s");
  if (!failures.empty()) out += fmt::format(", {} not written", failures.size());
  if (reconcile.remaining > 0) out += fmt::format(", {} more follow", reconcile.remaining);
  return out + '\n';
}

std::string render(const report::Trace& trace, bool colors) {
  std::string out;
  if (trace.path) {
    out += fmt::format("slot         {}\n", trace.path->slot);
    out += fmt::format("known flow   {}\n", trace.path->known_flow ? "yes" : "no");
    out += fmt::format("destination  {}\n", or_dash(trace.path->destination));
    out += fmt::format("forwarding   {}\n", or_dash(trace.path->forward));
    out += fmt::format("next hop     {}\n", or_dash(trace.path->next_hop));
  }
  const bool drop = trace.verdict.starts_with("drop");
  return out + fmt::format("verdict      {}\n", painted(or_dash(trace.verdict),
                                                        drop ? Color::bad : Color::good, colors));
}

std::string render(const report::Export& rules, bool) {
  std::string out;
  for (const auto& rule : rules.rules)
    out += rule + '\n';
  return out;
}

std::string render(const report::Undrain& done, bool) {
  return fmt::format("{}: its weight of 0 is returned to the advice\n", or_dash(done.member));
}

std::string render(const report::Overridden& done, bool colors) {
  const bool lifts = done.done == "release";
  if (lifts) return fmt::format("released {}\n", done.overrides.size());
  return render_overrides(done.overrides, colors) +
         (done.kept ? "" : "a restart of saspd forgets it: see --overrides\n");
}

std::string render(const report::Reload& done, bool /*colors*/) {
  std::string text;
  for (const auto& change : done.changes) {
    for (const auto& line : cli::Change{change.key, change.repeats, true, change.removed,
                                        change.added, change.reordered}
                                .lines())
      text += line + "\n";
  }
  if (!done.config) {
    text += fmt::format(
        "without --config FILE only other files are read again; restart {} for new flags\n",
        done.program);
  } else if (done.changes.empty()) {
    text += fmt::format("{}: nothing has changed\n", *done.config);
  }
  if (done.dry_run) text += "dry run: nothing was taken over\n";
  return text;
}

std::string render(const report::GwmRetry& done, bool) {
  return fmt::format("{}: connecting; saspctl gwm shows what becomes of it\n", or_dash(done.gwm));
}

}  // namespace saspd::ctl
