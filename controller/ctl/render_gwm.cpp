// SPDX-License-Identifier: Apache-2.0

#include "controller/ctl/render_gwm.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/ctl/table.hpp"

namespace saspd::ctl {
namespace {

namespace of = report::gwm;
using report::ProbeState;

std::string lbs_table(const std::vector<of::LoadBalancer>& lbs, bool colors) {
  std::vector<Row> rows{{{"LB UID"},
                         {"CONNECTION"},
                         {"MODE"},
                         {"TRUST"},
                         {"HEALTH"},
                         {"GROUPS"},
                         {"MEMBERS"},
                         {"REPLACED"}}};
  for (const auto& lb : lbs) {
    const auto left = duration(lb.forgotten_in_s, "?");
    rows.push_back(
        {{or_dash(lb.uid)},
         {lb.connected ? or_dash(lb.endpoint)
                       : fmt::format("none{}, forgotten in {}",
                                     lb.restored_s ? " since the start" : "", left),
          lb.connected ? Color::good : Color::bad},
         {or_dash(lb.mode) + (lb.no_change ? ", changes only" : "")},
         {lb.trust ? "yes" : "no"},
         {std::to_string(lb.health)},
         {std::to_string(lb.groups)},
         {std::to_string(lb.members)},
         {std::to_string(lb.replacements), lb.replacements == 0 ? Color::none : Color::doubtful}});
  }
  return rows.size() == 1 ? "  no load balancers\n" : table(rows, colors);
}

// "12: 10 available, 2 quiesced"
std::string counts_text(const of::MemberCounts& counts) {
  std::vector<std::string> parts;
  const auto add = [&parts](std::uint64_t count, std::string_view name) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, name));
  };
  add(counts.available, "available");
  add(counts.quiesced, "quiesced");
  add(counts.no_contact, "no contact");
  add(counts.not_confident, "not known");
  return parts.empty() ? std::to_string(counts.all)
                       : fmt::format("{}: {}", counts.all, fmt::join(parts, ", "));
}

std::string name_of(const of::Member& member) {
  return member_name(member.address, member.port);
}

Color color_of(const report::Flags& flags) {
  if (flags.quiesce) return Color::doubtful;
  if (!flags.contact) return Color::bad;
  return flags.confident ? Color::good : Color::doubtful;
}

// "available", or what speaks against it.
Cell state_cell(const of::Member& member) {
  const auto against = doubts(member.flags);
  std::string text = against.empty() ? "available" : against.substr(2);
  if (member.restored_s) text += ", restored";
  return {std::move(text), color_of(member.flags)};
}

std::string members_table(const std::vector<of::Member>& members, bool colors) {
  std::vector<Row> rows{
      {{"MEMBER"}, {"PROTOCOL"}, {"LABEL"}, {"WEIGHT"}, {"STATE"}, {"REGISTERED BY"}}};
  for (const auto& member : members) {
    rows.push_back({{name_of(member)},
                    {or_dash(member.protocol)},
                    {or_dash(member.label)},
                    {std::to_string(member.weight)},
                    state_cell(member),
                    {member.flags.registered_by_lb ? "load balancer" : "member"}});
  }
  return rows.size() == 1 ? "  no members\n" : table(rows, colors);
}

// --- why

std::string agent_text(const report::Maybe<of::Agent>& agent) {
  if (!agent) return {};
  return fmt::format("; it says {}, {}, {}%", or_dash(agent->health), or_dash(agent->admin),
                     agent->percent);
}

std::string probe_text(const of::Probe& probe, bool colors) {
  const auto color = probe.state == ProbeState::up     ? Color::good
                     : probe.state == ProbeState::down ? Color::bad
                                                       : Color::doubtful;
  std::string out =
      fmt::format("  probe    {} {}: {}", or_dash(probe.probe), or_dash(probe.endpoint),
                  painted(or_dash(probe.state.text()), color, colors));
  if (!probe.probed) return out + ", not probed yet\n";
  const auto& last = probe.probed->last;
  return out + fmt::format(" for {}, {} of {} failed{}\n           last {}: {}, in {} ms\n",
                           duration(probe.probed->state_since_s, "?"), probe.probed->failures,
                           probe.probed->samples, agent_text(probe.probed->agent), age(last.age_s),
                           or_dash(last.detail), last.duration_ms);
}

std::string file_text(const std::optional<of::FileLine>& line) {
  if (!line) return "  file     does not name it\n";
  const auto& left = line->remembered_s;
  return fmt::format(
      "  file     {} {}{}{}\n", left ? "said" : "says", or_dash(line->says),
      line->weight ? fmt::format(" {}", *line->weight) : "",
      left ? fmt::format(", and no longer names it; remembered for {}", duration(*left, "?")) : "");
}

std::string told_text(const std::optional<of::Told>& told) {
  if (!told) return "  sent     nothing yet on this connection\n";
  return fmt::format("  sent     weight {}{}\n", told->weight, doubts(*told));
}

std::string render_case(const of::ExplainedMember& member, bool colors) {
  std::string out =
      painted(fmt::format("{}/{}", or_dash(member.group), name_of(member)), Color::bold, colors) +
      " of " + or_dash(member.lb_uid);
  if (!member.label.empty()) out += "  " + member.label;
  const auto state = state_cell(member);
  out +=
      fmt::format("\n  weight   {}, {}\n", member.weight, painted(state.text, state.color, colors));
  out += fmt::format("  why      {}\n", or_dash(member.detail));
  if (member.restored_s) {
    out += fmt::format("  restored from the state file {}, not confirmed since by {}\n",
                       age(*member.restored_s),
                       member.flags.registered_by_lb ? "its load balancer" : "itself");
  }
  if (!member.quiesced_by.empty())
    out += fmt::format("  quiesced by the {}\n", fmt::join(member.quiesced_by, ", the "));
  out += file_text(member.weights_file);
  for (const auto& probe : member.probes)
    out += probe_text(probe, colors);
  return out + told_text(member.told);
}

// --- status

// Which members are not available, and what the weights file names in vain.
std::string noteworthy(const of::Status& status, bool colors) {
  std::string out;
  for (const auto& member : status.unavailable) {
    out +=
        painted(fmt::format("  {} of group {} of {}: {}\n", or_dash(member.member),
                            or_dash(member.group), or_dash(member.lb_uid), or_dash(member.detail)),
                Color::doubtful, colors);
  }
  if (status.unavailable_left_out > 0)
    out += fmt::format("  and {} more, see saspctl members\n", status.unavailable_left_out);
  for (const auto& stray : status.unregistered) {
    out += painted(
        fmt::format("the weights file names {}group {}, which is not registered{}\n",
                    stray.member ? fmt::format("{} of ", or_dash(stray.member)) : "",
                    or_dash(stray.group),
                    stray.nearest ? fmt::format("; did you mean {}?", or_dash(stray.nearest)) : ""),
        Color::doubtful, colors);
  }
  return out;
}

// "drained by the operator: web/192.0.2.1:80, 2 h ago by uid 0 (pid 4711)"
std::string drain_text(const of::DrainedName& drain, const of::Status& status) {
  if (drain.origin == "file") {
    return fmt::format("drained by the drains file {}: {}\n", or_dash(status.drains_file),
                       or_dash(drain.member));
  }
  return fmt::format("drained by the operator: {}{}{}\n", or_dash(drain.member),
                     drain.since_s ? ", " + age(*drain.since_s) : "",
                     drain.by ? " by " + *drain.by : "");
}

// What an earlier life left, or what its absence costs; empty: nothing is open any more.
std::string restored_text(const of::Status& status) {
  if (status.waits_s) {
    return fmt::format(
        "no state of an earlier life: for {} more, no member of a group with members that "
        "registered themselves counts as known\n",
        duration(*status.waits_s, "?"));
  }
  const auto& restored = status.restored;
  if (!restored || restored->lbs_unconfirmed + restored->members_unconfirmed == 0) return {};
  return fmt::format(
      "restored from the state file {}, and not confirmed since: {} load balancers, {} members\n",
      age(restored->since_s), restored->lbs_unconfirmed, restored->members_unconfirmed);
}

}  // namespace

std::vector<std::string> problems(const of::Status& status) {
  std::vector<std::string> found;
  if (status.weights_error)
    found.push_back(fmt::format("{}; the old weights stay", *status.weights_error));
  if (status.authority_error) {
    found.push_back(fmt::format("{}; the old rights stay", *status.authority_error));
  }
  if (status.config_error)
    found.push_back(
        fmt::format("{}; what was configured before stays in use", *status.config_error));
  if (status.tls_error)
    found.push_back(fmt::format("{}; the old certificates stay in use", *status.tls_error));
  if (status.drains_error)
    found.push_back(fmt::format("{}; the old drains stay", *status.drains_error));
  if (status.state_error) {
    found.push_back(fmt::format("the state is not kept: {}; after a restart, less is known",
                                *status.state_error));
  }
  for (const auto& alarm : status.alarms)
    found.push_back(fmt::format("{}: {}", or_dash(alarm.name), or_dash(alarm.detail)));
  for (const auto& lb : status.lbs) {
    if (!lb.connected)
      found.push_back(fmt::format("load balancer {} is not connected", or_dash(lb.uid)));
  }
  return found;
}

std::string render(const of::Status& status, bool colors) {
  std::string out = fmt::format("sasp-gwm {} on {}, {} connections\n", or_dash(status.version),
                                fmt::join(status.listen, ", "), status.connections);
  out += fmt::format("groups   {}\n", status.groups);
  out += fmt::format("members  {}\n", counts_text(status.member_counts));
  out += noteworthy(status, colors);
  out += painted(restored_text(status), Color::doubtful, colors);
  for (const auto& drain : status.drains)
    out += painted(drain_text(drain, status), Color::doubtful, colors);
  // An older sasp-gwm that still runs names no more.
  for (const auto& name : status.drained) {
    if (status.drains.empty())
      out += painted(fmt::format("drained by the operator: {}\n", name), Color::doubtful, colors);
  }
  out += '\n' + lbs_table(status.lbs, colors);
  const auto found = problems(status);
  if (!found.empty()) out += '\n';
  for (const auto& problem : found)
    out += painted("not healthy: " + problem, Color::bad, colors) + '\n';
  return out;
}

std::string render(const of::Lbs& lbs, bool colors) {
  return lbs_table(lbs.lbs, colors);
}

std::string render(const of::Groups& groups, bool colors) {
  std::vector<Row> rows{{{"GROUP"}, {"LB UID"}, {"MEMBERS"}}};
  for (const auto& group : groups.groups)
    rows.push_back(
        {{or_dash(group.name)}, {or_dash(group.lb_uid)}, {counts_text(group.member_counts)}});
  return rows.size() == 1 ? "  no groups\n" : table(rows, colors);
}

std::string render(const of::Members& members, bool colors) {
  std::string out;
  for (const auto& group : members.groups) {
    if (!out.empty()) out += '\n';
    out += painted("group " + or_dash(group.name), Color::bold, colors) + " of " +
           or_dash(group.lb_uid) + '\n' + members_table(group.members, colors);
  }
  if (members.left_out > 0) {
    out += painted(
        fmt::format("\n{} more members are left out: ask for one group\n", members.left_out),
        Color::doubtful, colors);
  }
  return out.empty() ? "  no groups\n" : out;
}

std::string render(const of::Why& why, bool colors) {
  std::string out;
  for (const auto& member : why.members) {
    if (!out.empty()) out += '\n';
    out += render_case(member, colors);
  }
  return out;
}

std::string render(const of::Drain& done, bool) {
  return fmt::format("{} is drained in {} group{}: no new connections, until undrain{}{}\n",
                     or_dash(done.member), done.members, done.members == 1 ? "" : "s",
                     done.kept ? "" : " or a restart of sasp-gwm",
                     done.note ? "; " + *done.note : "");
}

std::string render(const of::Undrain& done, bool) {
  if (done.note)
    return fmt::format("{} is no longer drained by the operator, but {}\n", or_dash(done.member),
                       *done.note);
  return fmt::format("{} is no longer drained; a quiesce by another source must be lifted there\n",
                     or_dash(done.member));
}

}  // namespace saspd::ctl
