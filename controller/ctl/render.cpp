#include "controller/ctl/render.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/text.hpp"
#include "controller/base/version.hpp"
#include "controller/ctl/table.hpp"

namespace saspd::ctl {

namespace json = boost::json;

namespace {

std::string advice_text(const json::object& member) {
  const auto* advice = object_at(member, "advice");
  if (advice == nullptr) return "-";
  const auto* flags = object_at(*advice, "flags");
  return text(*advice, "weight") + (flags != nullptr ? doubts(*flags) : "");
}

Color reason_color(std::string_view reason) {
  if (reason == "advice" || reason == "override") return Color::good;
  if (reason == "no_contact" || reason == "unbound" || reason == "held_all_zero" ||
      reason == "held_panic" || reason == "held_stale")
    return Color::bad;
  return Color::doubtful;
}

// Of the XDP data plane: where it is reached, or why it is not.
std::string next_hop(const json::object& member) {
  const auto path = text(member, "next_hop");
  return is_true(member, "reachable") ? path : path.empty() || path == "-" ? "unknown" : path;
}

Row member_row(const json::object& member, bool with_slots, bool with_service) {
  const auto reason = text(member, "reason");
  const auto effective = text(member, "effective_weight");
  const auto kernel = text(member, "kernel_weight");
  Row row{{member_name(member)},
          {text(member, "label")},
          {advice_text(member)},
          {effective},
          {kernel, kernel == effective ? Color::none : Color::doubtful},
          {reason, reason_color(reason)}};
  if (row[1].text.empty()) row[1].text = "-";
  if (with_slots) {
    const bool reachable = is_true(member, "reachable");
    row.push_back({text(member, "slots")});
    row.push_back({next_hop(member), reachable ? Color::none : Color::bad});
  }
  if (with_service) row.push_back({text(member, "service")});
  return row;
}

std::string members_table(const json::object& group, bool with_service, bool colors) {
  const auto members = objects(group, "members");
  if (members.empty()) return "  no members\n";
  std::vector<Row> rows{{{"MEMBER"}, {"LABEL"}, {"ADVICE"}, {"WEIGHT"}, {"KERNEL"}, {"REASON"}}};
  const bool with_slots = std::any_of(members.begin(), members.end(), [](const auto* member) {
    return find(*member, "slots") != nullptr;
  });
  if (with_slots) {
    rows.front().push_back({"SLOTS"});
    rows.front().push_back({"NEXT HOP"});
  }
  if (with_service) rows.front().push_back({"SERVICE"});
  for (const auto* member : members)
    rows.push_back(member_row(*member, with_slots, with_service));
  return table(rows, colors);
}

// "no_fallback of tcp:192.0.2.10:80"
std::string alarm_name(const json::object& alarm) {
  const auto name = text(alarm, "name");
  return find(alarm, "service") == nullptr ? name : name + " of " + text(alarm, "service");
}

std::string render_alarms(const json::object& group, bool colors) {
  std::string out;
  for (const auto* alarm : objects(group, "alarms")) {
    const bool urgent = is_true(*alarm, "urgent");
    out += fmt::format(
        "  {} {}: {}\n",
        painted(urgent ? "alarm" : "warning", urgent ? Color::bad : Color::doubtful, colors),
        alarm_name(*alarm), text(*alarm, "detail"));
  }
  return out;
}

std::string render_group(const json::object& group, bool colors) {
  std::string out = painted(fmt::format("group {}", text(group, "name")), Color::bold, colors);
  if (find(group, "held") != nullptr) {
    out += painted(fmt::format("  held back: {}", text(group, "held")), Color::bad, colors);
  }
  out += '\n';
  const auto services = objects(group, "services");
  for (const auto* service : services) {
    out += fmt::format("  service {}  ", text(*service, "spec"));
    out += is_true(*service, "present") ? text(*service, "scheduler")
                                        : painted("not in the kernel", Color::bad, colors);
    if (is_true(*service, "managed")) out += ", managed";
    out += '\n';
  }
  return out + members_table(group, services.size() > 1, colors) + render_alarms(group, colors);
}

std::string render_gwms(const json::object& status, bool colors) {
  std::vector<Row> rows{
      {{"GWM"}, {"STATE"}, {"SINCE"}, {"LAST MESSAGE"}, {"INTERVAL"}, {"LAST ERROR"}}};
  for (const auto* gwm : objects(status, "gwm")) {
    const auto state = text(*gwm, "state");
    rows.push_back({{text(*gwm, "endpoint")},
                    {state, state == "established" ? Color::good : Color::bad},
                    {duration(number(*gwm, "state_since_s"), "-")},
                    {age(number(*gwm, "last_message_age_s"))},
                    {duration(number(*gwm, "interval_s"), "-")},
                    {text(*gwm, "last_error")}});
  }
  return rows.size() == 1 ? "  no GWM\n" : table(rows, colors);
}

// Only what happened, sent and passed packets first.
std::string render_packets(const json::object& status) {
  const auto* packets = object_at(status, "packets");
  if (packets == nullptr) return {};
  std::string out = "\npackets";
  for (const auto& [reason, count] : *packets) {
    if (count.is_number() && count.to_number<std::uint64_t>() > 0) {
      out += fmt::format("  {} {}", printable(reason), text(count));
    }
  }
  return out == "\npackets" ? "\npackets  none yet\n" : out + '\n';
}

std::string all_flags_text(const json::object& advice) {
  const auto* flags = object_at(advice, "flags");
  if (flags == nullptr) return "no flags";
  return fmt::format("{}, {}, {}, registered by the {}",
                     is_true(*flags, "contact") ? "contact" : "no contact",
                     is_true(*flags, "quiesce") ? "quiesced" : "not quiesced",
                     is_true(*flags, "confident") ? "confident" : "not confident",
                     is_true(*flags, "registered_by_lb") ? "load balancer" : "member");
}

std::string render_member(const json::object& member, bool colors) {
  const auto reason = text(member, "reason");
  const auto label = text(member, "label");
  const auto* advice = object_at(member, "advice");
  const bool bound = find(member, "kernel_weight") != nullptr;
  std::string out = painted(fmt::format("{}/{}", text(member, "group"), member_name(member)),
                            Color::bold, colors);
  if (!label.empty() && label != "-") out += fmt::format("  {}", label);
  out += fmt::format("\n  service  {}\n", text(member, "service"));
  out += fmt::format("  rule     {}: {}\n", painted(reason, reason_color(reason), colors),
                     text(member, "detail"));
  out += advice == nullptr
             ? std::string("  advice   none yet\n")
             : fmt::format("  advice   weight {}, {}, {} old\n", text(*advice, "weight"),
                           all_flags_text(*advice), duration(number(*advice, "age_s"), "?"));
  out += fmt::format("  weight   {}\n", text(member, "effective_weight"));
  out += fmt::format("  kernel   {}\n", bound ? text(member, "kernel_weight") : "not there");
  if (find(member, "slots") != nullptr) {
    out += fmt::format("  slots    {} of 65537\n", text(member, "slots"));
    out += fmt::format("  next hop {}\n", next_hop(member));
    out += fmt::format("  traffic  {} packets, {} bytes, {} flows\n", text(member, "packets"),
                       text(member, "bytes"), text(member, "flows"));
  }
  return out;
}

constexpr std::string_view nothing_to_write = "nothing to write: the kernel is as decided\n";

// A line per change.
std::string lines(const std::vector<const json::object*>& changes) {
  std::string out;
  for (const auto* change : changes)
    out += text(*change, "text") + '\n';
  return out;
}

}  // namespace

Result<void> check_schema(const json::object& answer) {
  const auto version = number(answer, "schema_version");
  if (version == schema_version) return {};
  return fail(std::errc::not_supported,
              fmt::format("the answer has schema_version {}, this saspctl ({}) knows {}",
                          text(answer, "schema_version"), program_version, schema_version));
}

std::vector<std::string> problems(const json::object& status) {
  std::vector<std::string> found;
  const auto gwms = objects(status, "gwm");
  const bool established = std::any_of(gwms.begin(), gwms.end(), [](const json::object* gwm) {
    return text(*gwm, "state") == "established";
  });
  if (!established) found.emplace_back("no GWM is established");
  for (const auto* gwm : gwms) {
    if (!is_true(*gwm, "duplicate_uid")) continue;
    found.push_back(
        fmt::format("another load balancer seems to use the LB UID {}: GWM {} ends our connection "
                    "again and again",
                    text(status, "lb_uid"), text(*gwm, "endpoint")));
  }
  if (find(status, "kernel_error") != nullptr) {
    found.push_back(fmt::format("the kernel: {}", text(status, "kernel_error")));
  }
  for (const auto* problem : objects(status, "problems"))
    found.push_back(text(*problem, "detail"));
  if (find(status, "attach_request") != nullptr)
    found.push_back(fmt::format("the XDP program: {}", text(status, "attach_request")));
  if (find(status, "ledger_error") != nullptr) {
    found.push_back(
        fmt::format("the ledger is known in memory alone: {}; after a restart weights "
                    "of 0 would be unclear",
                    text(status, "ledger_error")));
  }
  if (find(status, "keepalived_error") != nullptr) {
    found.push_back(
        fmt::format("the FIFO of keepalived cannot be read: {}; its zeros over those of saspd are "
                    "not seen",
                    text(status, "keepalived_error")));
  }
  if (find(status, "tls_error") != nullptr) {
    found.push_back(fmt::format("{}; the old certificates stay in use", text(status, "tls_error")));
  }
  for (const auto* group : objects(status, "groups")) {
    const auto name = text(*group, "name");
    if (!is_true(*group, "bound")) {
      found.push_back(fmt::format("group {} has no service in the kernel", name));
    }
    if (find(*group, "held") != nullptr) {
      found.push_back(
          fmt::format("group {} holds its advice back: {}", name, text(*group, "held")));
    }
    for (const auto* member : objects(*group, "members")) {
      const bool waits = number(*member, "kernel_weight").value_or(0) > 0;
      if (waits && find(*member, "slots") != nullptr && !is_true(*member, "reachable")) {
        found.push_back(fmt::format("{} of group {} cannot be reached: next hop {}",
                                    member_name(*member), name, next_hop(*member)));
      }
    }
    for (const auto* alarm : objects(*group, "alarms")) {
      // What is held back was said above.
      if (is_true(*alarm, "urgent") && !text(*alarm, "name").starts_with("held_")) {
        found.push_back(fmt::format("group {} has the alarm {}", name, alarm_name(*alarm)));
      }
    }
  }
  return found;
}

std::string render_status(const json::object& status, bool colors) {
  std::string out = fmt::format("saspd {}, LB UID {}, backend {}", text(status, "version"),
                                text(status, "lb_uid"), text(status, "backend"));
  if (is_true(status, "dry_run"))
    out += painted(", dry run: nothing is written", Color::doubtful, colors);
  out += "\n\n" + render_gwms(status, colors);
  for (const auto* group : objects(status, "groups"))
    out += "\n" + render_group(*group, colors);
  out += render_packets(status);
  const auto found = problems(status);
  if (!found.empty()) out += '\n';
  for (const auto& problem : found)
    out += painted("not healthy: " + problem, Color::bad, colors) + "\n";
  return out;
}

std::string render_gwm(const json::object& gwms, bool colors) {
  return render_gwms(gwms, colors);
}

std::string render_groups(const json::object& groups, bool colors) {
  std::vector<Row> rows{
      {{"GROUP"}, {"GWM"}, {"MEMBERS"}, {"IN THE KERNEL"}, {"HELD BACK"}, {"ALARMS"}}};
  for (const auto* group : objects(groups, "groups")) {
    const auto* counts = object_at(*group, "member_counts");
    const bool bound = is_true(*group, "bound");
    const bool held = find(*group, "held") != nullptr;
    const auto alarms = objects(*group, "alarms").size();
    rows.push_back({{text(*group, "name")},
                    {text(*group, "gwm")},
                    {counts != nullptr ? text(*counts, "all") : "-"},
                    {bound ? "yes" : "no", bound ? Color::none : Color::bad},
                    {text(*group, "held"), held ? Color::bad : Color::none},
                    {alarms == 0 ? "-" : std::to_string(alarms),
                     alarms == 0 ? Color::none : Color::doubtful}});
  }
  return rows.size() == 1 ? "  no groups\n" : table(rows, colors);
}

std::string render_members(const json::object& members, bool colors) {
  std::string out;
  for (const auto* group : objects(members, "groups")) {
    if (!out.empty()) out += '\n';
    out += painted(fmt::format("group {}", text(*group, "name")), Color::bold, colors) + '\n';
    out += members_table(*group, true, colors);
  }
  return out.empty() ? "  no groups\n" : out;
}

std::string render_why(const json::object& why, bool colors) {
  std::string out;
  for (const auto* member : objects(why, "members")) {
    if (!out.empty()) out += '\n';
    out += render_member(*member, colors);
  }
  return out;
}

std::string render_plan(const json::object& plan) {
  const auto changes = objects(plan, "plan");
  if (changes.empty()) return std::string(nothing_to_write);
  return lines(changes);
}

bool all_written(const json::object& reconcile) {
  return texts(reconcile, "failures").empty();
}

std::string render_reconcile(const json::object& reconcile, bool colors) {
  const auto planned = objects(reconcile, "plan");
  const auto written = objects(reconcile, "written");
  const auto failures = texts(reconcile, "failures");
  const auto remaining = number(reconcile, "remaining").value_or(0);
  std::string out = lines(planned) + lines(written);
  for (const auto& failure : failures)
    out += painted("not written: ", Color::bad, colors) + failure + '\n';
  if (!planned.empty()) return out + "dry run: nothing was written, this is what would be\n";
  if (written.empty() && failures.empty()) return std::string(nothing_to_write);
  out += fmt::format("{} change{} written", written.size(), written.size() == 1 ? "" : "s");
  if (!failures.empty()) out += fmt::format(", {} not written", failures.size());
  if (remaining > 0) out += fmt::format(", {} more follow", remaining);
  return out + '\n';
}

std::string render_trace(const json::object& trace, bool colors) {
  std::string out;
  if (is_true(trace, "is_service")) {
    out += fmt::format("slot         {}\n", text(trace, "slot"));
    out += fmt::format("known flow   {}\n", is_true(trace, "known_flow") ? "yes" : "no");
    out += fmt::format("destination  {}\n", text(trace, "destination"));
    out += fmt::format("forwarding   {}\n", text(trace, "forward"));
    out += fmt::format("next hop     {}\n", text(trace, "next_hop"));
  }
  const auto verdict = text(trace, "verdict");
  const bool drop = verdict.starts_with("drop");
  return out + fmt::format("verdict      {}\n",
                           painted(verdict, drop ? Color::bad : Color::good, colors));
}

std::string render_export(const json::object& rules) {
  std::string out;
  for (const auto& rule : texts(rules, "rules"))
    out += rule + '\n';
  return out;
}

std::string render_undrain(const json::object& done) {
  return fmt::format("{}: its weight 0 is given back to the advice\n", text(done, "member"));
}

}  // namespace saspd::ctl
