// SPDX-License-Identifier: Apache-2.0

#include "controller/member/options.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/cli/cli.hpp"
#include "controller/cli/tls_options.hpp"
#include "controller/sasp/names.hpp"

namespace saspd::member {
namespace {

using std::chrono::seconds;

constexpr std::string_view footer = R"(
A load balancer must allow its members to speak for themselves: saspd --trust.

Example, in the unit of a web server:
  ExecStartPost=-sasp-member register --config /etc/sasp-member.conf --wait 30
  ExecStop=-sasp-member deregister --config /etc/sasp-member.conf --drain 30

Exit codes: 0 every GWM has acknowledged (run: ended by a signal), 64 usage, 66 no such file,
69 a GWM cannot be reached, 74 I/O, 75 try again: the GWM does not know the load balancer or the
member yet, or there was no answer, 77 members may not speak for themselves, 78 configuration.)";

struct CommandRow {
  std::string_view name;
  Command command;
  std::string_view argument;
  std::string_view help;
};
constexpr std::array<CommandRow, 6> commands{{
    {"run", Command::run, "",
     "registers the members with every GWM and keeps running: reports their state, and registers "
     "them again with a GWM that was restarted. On SIGTERM it quiesces them, waits --drain seconds, "
     "deregisters them and exits; a second signal ends the wait"},
    {"register", Command::register_once, "", "registers them, not quiesced, and exits"},
    {"deregister", Command::deregister, "",
     "deregisters them; with --drain, after a quiesce and that many seconds"},
    {"quiesce", Command::quiesce, "", "stops new connections to them"},
    {"resume", Command::resume, "", "ends that quiesce"},
    {"state", Command::state, "N",
     "reports a state from 0 to 255 to the load balancer, and resumes"},
}};

std::vector<cli::HelpEntry> help_of_commands() {
  std::vector<cli::HelpEntry> entries;
  for (const auto& row : commands) {
    entries.push_back(
        {fmt::format("{}{}{}", row.name, row.argument.empty() ? "" : " ", row.argument),
         std::string(row.help)});
  }
  return entries;
}

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

Result<std::string> parse_group(std::string_view text) {
  if (const auto fits = sasp::check_group_name(text); !fits) return fail(fits.error());
  return std::string(text);
}

Result<std::optional<std::uint8_t>> parse_report(std::string_view text) {
  if (text == "load") return std::optional<std::uint8_t>{};
  const auto number = cli::number<std::uint8_t>(0, 255)(text);
  if (!number) return refuse(number.error().detail + ", or load");
  return std::optional{*number};
}

std::string report_text(const std::optional<std::uint8_t>& state) {
  return state ? fmt::to_string(*state) : "load";
}

// The command and, for state, its number.
Result<void> take_command(const std::optional<std::string>& command,
                          const std::optional<std::string>& argument, Options& options) {
  constexpr std::string_view expected = "run, register, deregister, quiesce, resume or state N";
  if (!command) return refuse(fmt::format("no command: {}", expected));
  const auto* const known = std::find_if(commands.begin(), commands.end(),
                                         [&](const auto& each) { return each.name == *command; });
  if (known == commands.end()) {
    return refuse(fmt::format("unknown command '{}', expected {}", *command, expected));
  }
  options.command = known->command;
  if (options.command != Command::state) {
    if (!argument) return {};
    return refuse(fmt::format("{} takes no argument, got '{}'", *command, *argument));
  }
  const auto number = cli::number<std::uint8_t>(0, 255)(argument.value_or(""));
  if (!number) return refuse(fmt::format("state N: {}", number.error().detail));
  options.state = *number;
  return {};
}

cli::Refusals check(const Options& options) {
  cli::Refusals refusals;
  const auto usage = [&refusals](std::string text) {
    refusals.push_back({ExitCode::usage, std::move(text)});
  };
  cli::add(refusals, cli::check_gwms(options));
  if (options.lb_uid.empty()) usage("no --lb-uid UID given: that of the load balancer");
  if (options.group.empty()) usage("no --group GROUP given");
  if (options.members.empty()) usage("no --member tcp:ADDR:PORT given");
  // sasp-interop row 26
  const auto is_system = [](const sasp::MemberData& member) { return member.protocol == 0; };
  const auto systems = std::count_if(options.members.begin(), options.members.end(), is_system);
  if (systems != 0 && static_cast<std::size_t>(systems) != options.members.size()) {
    refusals.push_back(
        {ExitCode::configuration,
         "--member: a group holds systems (ADDR) or applications (tcp:ADDR:PORT), not both"});
  }
  cli::add(refusals, cli::check_security(options));
  return refusals;
}

struct Raw {
  std::optional<std::string> command;
  std::optional<std::string> argument;
  std::vector<sasp::MemberKey> members;
  std::string label;
};

void add_flags(cli::Cli& cli, Options& options, Raw& raw) {
  cli.positional("COMMAND", raw.command, "see below");
  cli.positional("N", raw.argument, "of state");
  cli.with_config_file();
  cli.section("Group Workload Manager");
  cli::add_gwm_options(
      cli, options, "a GWM with which to register, by default at port 3860",
      "shortest wait before the next connection attempt, and before a GWM that does not know "
      "the load balancer yet is asked again (RFC 4678 9.2: 20; less only for loopback)");
  cli::add_tls_options(cli, options.tls, TlsRole::client);
  cli.section("Members");
  cli.option("--lb-uid", "UID", options.lb_uid, sasp::parse_lb_uid,
             "the load balancer that the members are for");
  cli.option("--group", "GROUP", options.group, parse_group, "their group");
  cli.add_list("--member", "tcp:ADDR:PORT", cli::each_once(raw.members, sasp::parse_member),
               "a server: tcp:, udp: or sctp:ADDR:PORT, or ADDR alone for a whole system");
  cli.option("--label", "TEXT", raw.label, cli::text(0, sasp::max_text),
             "the name under which load balancers may show them");
  cli.option("--report", "load|N", options.state, cli::with_text(parse_report, report_text),
             "the state that is reported to the load balancer: a number from 0 to 255, or with run "
             "this machine's load, 0 idle to 255 overloaded");
  cli.section("Time");
  cli.option(
      "--drain", "SECONDS", options.drain, cli::seconds(0, 86400),
      "run and deregister: how long connections may continue between quiesce and deregistration; "
      "longer than the load balancer takes to learn of the quiesce");
  cli.option("--heartbeat", "SECONDS", options.heartbeat, cli::seconds(1, 3600),
             "run: how often a GWM is asked whether it still knows the members");
  cli.option("--timeout", "SECONDS", options.timeout, cli::seconds(1, 3600),
             "how long to wait for an answer");
  cli.option("--wait", "SECONDS", options.wait, cli::seconds(0, 86400),
             "not for run: how long to keep trying, for load balancers that start later");
}

void add_general_flags(cli::Cli& cli, Options& options) {
  cli.section("General");
  cli.option("--ready", "start|registered", options.ready_when_registered,
             cli::one_of<bool>({{"start", false}, {"registered", true}}),
             "run: when it reports to systemd that it is ready: at once, or when a GWM has "
             "registered the members");
  cli::add_common_options(cli, options, {.metrics_port = 9862, .metrics = false});
}

}  // namespace

std::string Options::subject() const {
  return fmt::format("{} of group '{}' of '{}'",
                     listed(members, 1, [](const auto& member) { return member.key().text(); }),
                     group, lb_uid);
}

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv,
                                              cli::Errors* errors) {
  Options options;
  Raw raw;
  cli::Cli cli("sasp-member",
               "Registers the servers of this machine with Group Workload Managers (RFC 4678).",
               std::string(footer));
  cli.commands(help_of_commands());
  add_flags(cli, options, raw);
  add_general_flags(cli, options);
  // What SaspMember::take_over() takes over.
  cli.live({"--gwm", "--report", "--drain", "--heartbeat"});
  const auto complete = [&]() -> cli::Refusals {
    for (const auto& member : raw.members)
      options.members.push_back(sasp::MemberData::of(member, raw.label));
    if (const auto taken = take_command(raw.command, raw.argument, options); !taken)
      return {{ExitCode::usage, taken.error().detail}};
    return check(options);
  };
  if (const auto end = cli::finish(cli, options, argc, argv, complete, errors)) return *end;
  return options;
}

}  // namespace saspd::member
