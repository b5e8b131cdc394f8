#include "controller/ctl/render_gwm.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/ctl/table.hpp"

namespace saspd::ctl::gwm {

namespace json = boost::json;

namespace {

std::string lbs_table(const json::object& answer, bool colors) {
  std::vector<Row> rows{{{"LB UID"},
                         {"CONNECTION"},
                         {"MODE"},
                         {"TRUST"},
                         {"HEALTH"},
                         {"GROUPS"},
                         {"MEMBERS"},
                         {"REPLACED"}}};
  for (const auto* lb : objects(answer, "lbs")) {
    const bool connected = is_true(*lb, "connected");
    const auto left = duration(number(*lb, "forgotten_in_s"), "?");
    const std::string mode = is_true(*lb, "no_change") ? ", changes only" : "";
    rows.push_back({{text(*lb, "uid")},
                    {connected ? text(*lb, "endpoint") : "none, forgotten in " + left,
                     connected ? Color::good : Color::bad},
                    {text(*lb, "mode") + mode},
                    {is_true(*lb, "trust") ? "yes" : "no"},
                    {text(*lb, "health")},
                    {text(*lb, "groups")},
                    {text(*lb, "members")},
                    {text(*lb, "replacements"),
                     number(*lb, "replacements") == 0 ? Color::none : Color::doubtful}});
  }
  return rows.size() == 1 ? "  no load balancers\n" : table(rows, colors);
}

// "12 members: 10 available, 2 quiesced"
std::string counts_text(const json::object& object) {
  const auto* counts = object_at(object, "member_counts");
  if (counts == nullptr) return "-";
  std::vector<std::string> parts;
  for (const auto& [key, name] :
       std::vector<std::pair<std::string_view, std::string_view>>{{"available", "available"},
                                                                  {"quiesced", "quiesced"},
                                                                  {"no_contact", "no contact"},
                                                                  {"not_confident", "not known"}}) {
    if (number(*counts, key).value_or(0) > 0)
      parts.push_back(fmt::format("{} {}", text(*counts, key), name));
  }
  const auto all = text(*counts, "all");
  return parts.empty() ? all : fmt::format("{}: {}", all, fmt::join(parts, ", "));
}

Color member_color(const json::object& flags) {
  if (is_true(flags, "quiesce")) return Color::doubtful;
  if (!is_true(flags, "contact")) return Color::bad;
  return is_true(flags, "confident") ? Color::good : Color::doubtful;
}

// "available", or what speaks against it.
Cell state_cell(const json::object& member) {
  const auto* flags = object_at(member, "flags");
  if (flags == nullptr) return {"-"};
  const auto against = doubts(*flags);
  return {against.empty() ? "available" : against.substr(2), member_color(*flags)};
}

std::string registered_by(const json::object& member) {
  const auto* flags = object_at(member, "flags");
  return flags != nullptr && is_true(*flags, "registered_by_lb") ? "load balancer" : "member";
}

std::string members_table(const json::object& group, bool colors) {
  std::vector<Row> rows{
      {{"MEMBER"}, {"PROTOCOL"}, {"LABEL"}, {"WEIGHT"}, {"STATE"}, {"REGISTERED BY"}}};
  for (const auto* member : objects(group, "members")) {
    const auto label = text(*member, "label");
    rows.push_back({{member_name(*member)},
                    {text(*member, "protocol")},
                    {label.empty() ? "-" : label},
                    {text(*member, "weight")},
                    state_cell(*member),
                    {registered_by(*member)}});
  }
  return rows.size() == 1 ? "  no members\n" : table(rows, colors);
}

std::string group_heading(const json::object& group, bool colors) {
  return painted(fmt::format("group {}", text(group, "name")), Color::bold, colors) + " of " +
         text(group, "lb_uid") + '\n';
}

// --- why

std::string agent_text(const json::object& probe) {
  const auto* agent = object_at(probe, "agent");
  if (agent == nullptr) return {};
  return fmt::format("; it says {}, {}, {}%", text(*agent, "health"), text(*agent, "admin"),
                     text(*agent, "percent"));
}

std::string probe_text(const json::object& probe, bool colors) {
  const auto state = text(probe, "state");
  const auto color = state == "up" ? Color::good : state == "down" ? Color::bad : Color::doubtful;
  std::string out = fmt::format("  probe    {} {}: {}", text(probe, "probe"),
                                text(probe, "endpoint"), painted(state, color, colors));
  const auto* last = object_at(probe, "last");
  if (last == nullptr) return out + ", not probed yet\n";
  return out + fmt::format(" for {}, {} of {} failed{}\n           last {}: {}, in {} ms\n",
                           duration(number(probe, "state_since_s"), "?"), text(probe, "failures"),
                           text(probe, "samples"), agent_text(probe), age(number(*last, "age_s")),
                           text(*last, "detail"), text(*last, "duration_ms"));
}

std::string file_text(const json::object& member) {
  const auto* file = object_at(member, "weights_file");
  if (file == nullptr) return "  file     does not name it\n";
  const bool weight = find(*file, "weight") != nullptr;
  const auto left = number(*file, "remembered_s");
  return fmt::format(
      "  file     {} {}{}{}\n", left ? "said" : "says", text(*file, "says"),
      weight ? " " + text(*file, "weight") : "",
      left ? fmt::format(", and names it no more; remembered for {}", duration(left, "?")) : "");
}

std::string told_text(const json::object& member) {
  const auto* told = object_at(member, "told");
  if (told == nullptr) return "  told     nothing yet on this connection\n";
  return fmt::format("  told     weight {}{}\n", text(*told, "weight"), doubts(*told));
}

std::string render_case(const json::object& member, bool colors) {
  std::string out = painted(fmt::format("{}/{}", text(member, "group"), member_name(member)),
                            Color::bold, colors) +
                    " of " + text(member, "lb_uid");
  const auto label = text(member, "label");
  if (!label.empty() && label != "-") out += "  " + label;
  const auto state = state_cell(member);
  out += fmt::format("\n  weight   {}, {}\n", text(member, "weight"),
                     painted(state.text, state.color, colors));
  out += fmt::format("  why      {}\n", text(member, "detail"));
  const auto origins = texts(member, "quiesced_by");
  if (!origins.empty()) out += fmt::format("  quiesced by the {}\n", fmt::join(origins, ", the "));
  out += file_text(member);
  for (const auto* probe : objects(member, "probes"))
    out += probe_text(*probe, colors);
  return out + told_text(member);
}

// Which members are not available, and what the weights file names in vain.
std::string noteworthy(const json::object& status, bool colors) {
  std::string out;
  for (const auto* member : objects(status, "unavailable")) {
    out += painted(
        fmt::format("  {} of group {} of {}: {}\n", text(*member, "member"), text(*member, "group"),
                    text(*member, "lb_uid"), text(*member, "detail")),
        Color::doubtful, colors);
  }
  if (const auto more = number(status, "unavailable_left_out").value_or(0); more > 0)
    out += fmt::format("  and {} more, see saspctl members\n", more);
  for (const auto* stray : objects(status, "unregistered")) {
    const bool is_member = find(*stray, "member") != nullptr;
    const bool is_near = find(*stray, "nearest") != nullptr;
    out += painted(
        fmt::format("the weights file names {}group {}, which nobody has registered{}\n",
                    is_member ? fmt::format("{} of ", text(*stray, "member")) : "",
                    text(*stray, "group"),
                    is_near ? fmt::format("; did you mean {}?", text(*stray, "nearest")) : ""),
        Color::doubtful, colors);
  }
  return out;
}

}  // namespace

std::vector<std::string> problems(const json::object& status) {
  std::vector<std::string> found;
  if (find(status, "weights_error") != nullptr) {
    found.push_back(fmt::format("{}; the old weights stay", text(status, "weights_error")));
  }
  if (find(status, "authority_error") != nullptr) {
    found.push_back(
        fmt::format("{}; who may speak for whom stays as it was", text(status, "authority_error")));
  }
  if (find(status, "tls_error") != nullptr) {
    found.push_back(fmt::format("{}; the old certificates stay in use", text(status, "tls_error")));
  }
  for (const auto* alarm : objects(status, "alarms"))
    found.push_back(fmt::format("{}: {}", text(*alarm, "name"), text(*alarm, "detail")));
  for (const auto* lb : objects(status, "lbs")) {
    if (!is_true(*lb, "connected")) {
      found.push_back(fmt::format("load balancer {} is not connected", text(*lb, "uid")));
    }
  }
  return found;
}

std::string render_status(const json::object& status, bool colors) {
  std::string out =
      fmt::format("sasp-gwm {} on {}, {} connections\n", text(status, "version"),
                  fmt::join(texts(status, "listen"), ", "), text(status, "connections"));
  out += fmt::format("groups   {}\n", text(status, "groups"));
  out += fmt::format("members  {}\n", counts_text(status));
  out += noteworthy(status, colors);
  for (const auto& name : texts(status, "drained"))
    out += painted(fmt::format("drained by the operator: {}\n", name), Color::doubtful, colors);
  out += '\n' + lbs_table(status, colors);
  const auto found = problems(status);
  if (!found.empty()) out += '\n';
  for (const auto& problem : found)
    out += painted("not healthy: " + problem, Color::bad, colors) + '\n';
  return out;
}

std::string render_lbs(const json::object& lbs, bool colors) {
  return lbs_table(lbs, colors);
}

std::string render_groups(const json::object& groups, bool colors) {
  std::vector<Row> rows{{{"GROUP"}, {"LB UID"}, {"MEMBERS"}}};
  for (const auto* group : objects(groups, "groups")) {
    rows.push_back({{text(*group, "name")}, {text(*group, "lb_uid")}, {counts_text(*group)}});
  }
  return rows.size() == 1 ? "  no groups\n" : table(rows, colors);
}

std::string render_members(const json::object& members, bool colors) {
  std::string out;
  for (const auto* group : objects(members, "groups")) {
    if (!out.empty()) out += '\n';
    out += group_heading(*group, colors) + members_table(*group, colors);
  }
  if (const auto left_out = number(members, "left_out").value_or(0); left_out > 0) {
    out += painted(fmt::format("\n{} more members are left out: ask for one group\n", left_out),
                   Color::doubtful, colors);
  }
  return out.empty() ? "  no groups\n" : out;
}

std::string render_why(const json::object& why, bool colors) {
  std::string out;
  for (const auto* member : objects(why, "members")) {
    if (!out.empty()) out += '\n';
    out += render_case(*member, colors);
  }
  return out;
}

std::string render_done(const json::object& done) {
  const auto member = text(done, "member");
  if (text(done, "done") == "undrain") {
    return fmt::format("{} is drained no more; whoever else quiesced it has to lift that\n",
                       member);
  }
  return fmt::format(
      "{} is drained in {} group{}: no new connections, until undrain or a restart of sasp-gwm\n",
      member, text(done, "members"), number(done, "members") == 1 ? "" : "s");
}

}  // namespace saspd::ctl::gwm
