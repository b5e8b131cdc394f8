#include "controller/ctl/render.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base/text.hpp"

namespace saspd::ctl {

namespace json = boost::json;

namespace {

// --- reading an answer
// -------------------------------------------------------------------------------

const json::value* find(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string text(const json::value& value) {
  if (const auto* string = value.if_string()) return printable(*string);
  return printable(json::serialize(value));
}

std::string text(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value == nullptr ? "-" : text(*value);
}

bool is_true(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::optional<std::int64_t> number(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value == nullptr ? nullptr : value->if_object();
}

// The objects of an array; none if there is no array.
std::vector<const json::object*> objects(const json::object& object, std::string_view key) {
  std::vector<const json::object*> found;
  const auto* value = find(object, key);
  const auto* array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return found;
  for (const auto& element : *array) {
    if (const auto* item = element.if_object()) found.push_back(item);
  }
  return found;
}

// The texts of an array, none if there is no array.
std::vector<std::string> texts(const json::object& object, std::string_view key) {
  std::vector<std::string> found;
  const auto* value = find(object, key);
  const auto* array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return found;
  for (const auto& element : *array)
    found.push_back(text(element));
  return found;
}

// --- writing it down
// ---------------------------------------------------------------------------------

enum class Color { none, bold, good, doubtful, bad };

std::string painted(std::string_view text, Color color, bool colors) {
  if (!colors || color == Color::none) return std::string(text);
  const int code = color == Color::bold       ? 1
                   : color == Color::good     ? 32
                   : color == Color::doubtful ? 33
                                              : 31;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

struct Cell {
  std::string text;
  Color color = Color::none;
};
using Row = std::vector<Cell>;

// Characters of clean UTF-8; that some take two columns is left to the reader.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Columns as wide as their widest cell; the first row is the heading.
std::string table(const std::vector<Row>& rows, bool colors) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width(row[i].text));
  }
  std::string out;
  for (const auto& row : rows) {
    out += "  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += painted(row[i].text, row[i].color, colors);
      if (i + 1 < row.size()) out.append(widths[i] - width(row[i].text) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string duration(std::optional<std::int64_t> seconds, std::string_view otherwise) {
  if (!seconds) return std::string(otherwise);
  const auto s = *seconds;
  if (s < 120) return fmt::format("{} s", s);
  if (s < 7200) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 172'800) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
  return fmt::format("{} d {} h", s / 86'400, s % 86'400 / 3600);
}

std::string age(std::optional<std::int64_t> seconds) {
  return seconds ? duration(seconds, "") + " ago" : "never";
}

// "192.0.2.1:80", "[2001:db8::1]:80"; a system member has no port (RFC 4678 5.1): "192.0.2.1".
std::string member_name(const json::object& member) {
  auto address = text(member, "address");
  if (number(member, "port") == 0) return address;
  const bool v6 = address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", text(member, "port"));
}

// RFC 4678 5.3: of the flags only what an operator should look at.
std::string advice_text(const json::object& member) {
  const auto* advice = object_at(member, "advice");
  if (advice == nullptr) return "-";
  std::string out = text(*advice, "weight");
  const auto* flags = object_at(*advice, "flags");
  if (flags == nullptr) return out;
  if (is_true(*flags, "quiesce")) out += ", quiesced";
  if (!is_true(*flags, "contact")) out += ", no contact";
  if (!is_true(*flags, "confident")) out += ", not confident";
  return out;
}

Color reason_color(std::string_view reason) {
  if (reason == "advice" || reason == "override") return Color::good;
  if (reason == "no_contact" || reason == "unbound" || reason.starts_with("held_all") ||
      reason.starts_with("held_stale"))
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

std::string render_members(const json::object& group, bool with_service, bool colors) {
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
  return out + render_members(group, services.size() > 1, colors) + render_alarms(group, colors);
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
                          text(answer, "schema_version"), SASPD_VERSION, schema_version));
}

std::vector<std::string> problems(const json::object& status) {
  std::vector<std::string> found;
  const auto gwms = objects(status, "gwm");
  const bool established = std::any_of(gwms.begin(), gwms.end(), [](const json::object* gwm) {
    return text(*gwm, "state") == "established";
  });
  if (!established) found.emplace_back("no GWM is established");
  if (find(status, "kernel_error") != nullptr) {
    found.push_back(fmt::format("the kernel: {}", text(status, "kernel_error")));
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
      if (is_true(*alarm, "urgent")) {
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

}  // namespace saspd::ctl
