// SPDX-License-Identifier: Apache-2.0

#include "controller/report/commands.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controller/base/version.hpp"

namespace saspd::report {

namespace {

using enum Support;

constexpr Argument a_member{"MEMBER", "member"};
constexpr std::string_view needs_member = "a member: ADDR:PORT or GROUP/ADDR:PORT";

constexpr std::array rows{
    CommandRow{Command::status,
               "status",
               {},
               {},
               {reads, reads},
               "GWMs, groups and members with advice and weights (default)"},
    CommandRow{Command::gwm, "gwm", {}, {}, {reads, none}, "the GWMs alone"},
    CommandRow{Command::lbs, "lbs", {}, {}, {none, reads}, "the load balancers of sasp-gwm"},
    CommandRow{Command::groups, "groups", {}, {}, {reads, reads}, "the groups, one per line"},
    CommandRow{Command::members,
               "members",
               {{{"[GROUP]", "group"}}},
               {},
               {reads, reads},
               "the members of each group, or of one"},
    CommandRow{Command::why,
               "why",
               {{a_member}},
               needs_member,
               {reads, reads},
               "why a member has its weight; MEMBER is ADDR:PORT or GROUP/ADDR:PORT, without :PORT "
               "if it has none"},
    CommandRow{Command::watch,
               "watch",
               {},
               {},
               {reads, reads},
               "the state, one line per item, and then one line per change, checked every second, "
               "until ^C"},
    CommandRow{Command::plan,
               "plan",
               {},
               {},
               {reads, none},
               "what saspd would write now, after reading the kernel"},
    CommandRow{Command::reconcile,
               "reconcile",
               {},
               {},
               {writes, none},
               "read the kernel at once and write what differs, without waiting for "
               "--reconcile-interval; exit code 1 if the kernel refused something"},
    CommandRow{Command::drain,
               "drain",
               {{a_member}},
               needs_member,
               {planned, writes},
               "sasp-gwm has every load balancer give the member no new connections. Needs root or "
               "the group saspd-admin"},
    CommandRow{Command::undrain,
               "undrain",
               {{a_member}},
               needs_member,
               {writes, writes},
               "sasp-gwm ends that. saspd returns a weight of 0 that another program wrote, or may "
               "have written, to the advice. Needs root or the group saspd-admin"},
    CommandRow{Command::export_rules,
               "export",
               {},
               {},
               {reads, none},
               "the whole IPVS table as rules for ipvsadm -R, with the thresholds that ipvsadm -S "
               "leaves out; the weights are those in the kernel now"},
    CommandRow{Command::trace,
               "trace",
               {{{"CLIENT", "source"}, {"SERVICE", "destination"}}},
               "the client's ADDR:PORT and the service, tcp:ADDR:PORT",
               {reads, none},
               "what happens to a packet from CLIENT, ADDR:PORT, to SERVICE, tcp:ADDR:PORT or "
               "udp:ADDR:PORT: slot, destination, next hop (--backend xdp)"},
    // The rest of the documented face.
    CommandRow{Command::history, "history", {}, {}, {planned, planned}, {}},
    CommandRow{Command::set_weight, "set-weight", {}, {}, {planned, planned}, {}},
    CommandRow{Command::hold, "hold", {}, {}, {planned, planned}, {}},
    CommandRow{Command::release, "release", {}, {}, {planned, planned}, {}},
    CommandRow{Command::doctor, "doctor", {}, {}, {planned, planned}, {}},
    CommandRow{Command::decode, "decode", {}, {}, {planned, planned}, {}},
    CommandRow{Command::reload, "reload", {}, {}, {planned, planned}, {}},
    CommandRow{Command::log_level, "log-level", {}, {}, {planned, planned}, {}},
};

Program other(Program program) {
  return program == Program::saspd ? Program::sasp_gwm : Program::saspd;
}

bool does(const CommandRow& row, Program program) {
  return row.of(program) == reads || row.of(program) == writes;
}

}  // namespace

std::string_view name(Program program) {
  return program == Program::saspd ? "saspd" : "sasp-gwm";
}

bool CommandRow::is_built() const {
  return does(*this, Program::saspd) || does(*this, Program::sasp_gwm);
}

std::size_t CommandRow::max_arguments() const {
  return static_cast<std::size_t>(std::count_if(arguments.begin(), arguments.end(),
                                                [](const auto& one) { return !one.key.empty(); }));
}

std::size_t CommandRow::min_arguments() const {
  return static_cast<std::size_t>(
      std::count_if(arguments.begin(), arguments.end(),
                    [](const auto& one) { return !one.key.empty() && !one.is_optional(); }));
}

std::string CommandRow::usage() const {
  std::string text(name);
  for (std::size_t i = 0; i < max_arguments(); ++i)
    text += fmt::format(" {}", arguments.at(i).shown);
  return text;
}

std::span<const CommandRow> commands() {
  return rows;
}

const CommandRow* find_command(std::string_view name) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

const CommandRow& row_of(Command command) {
  return *std::find_if(rows.begin(), rows.end(),
                       [&](const auto& row) { return row.command == command; });
}

std::optional<std::string> refusal(Program program, std::string_view command) {
  const auto* row = find_command(command);
  if (row == nullptr || !row->is_built())
    return fmt::format("unknown command '{}'; this is {}", command, name(program));
  if (does(*row, program)) return std::nullopt;
  if (row->of(program) == none) {
    return fmt::format("{} is for {}, this is {}", command, name(other(program)), name(program));
  }
  return fmt::format("{} is not built yet in {} of this version ({}); for {}: saspctl --of {} {}",
                     command, name(program), program_version, name(other(program)),
                     name(other(program)), row->usage());
}

bool only_reads(std::string_view command) {
  const auto* row = find_command(command);
  if (row == nullptr) return false;
  const auto any = [row](Support wanted) {
    return std::find(row->support.begin(), row->support.end(), wanted) != row->support.end();
  };
  return any(reads) && !any(writes);
}

}  // namespace saspd::report
