// SPDX-License-Identifier: Apache-2.0

#include "controller/ctl/options.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/nearest.hpp"
#include "controller/base/version.hpp"
#include "controller/cli/cli.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::ctl {
namespace {

// What --help says below the flags, beside the commands.
constexpr std::string_view examples_and_codes = R"(Examples:
  saspctl
  saspctl --json status | jq '.groups[].members[] | {address, kernel_weight}'
  saspctl why web/192.0.2.1:80
  saspctl --of sasp-gwm status --check
  saspctl export > ipvs.rules     # later, on an empty table: ipvsadm -R < ipvs.rules

Exit codes: 0 ok, 1 not healthy (status --check) or not all written (reconcile), 64 usage,
65 no such member, or an answer that cannot be understood or comes from another program, 69 the
program is not running, 74 I/O or the kernel cannot be read, 75 no answer in time, 77 no permission,
78 reload refused.)";

std::vector<cli::HelpEntry> help_of_commands() {
  std::vector<cli::HelpEntry> entries;
  for (const auto& row : report::commands()) {
    if (!row.is_built()) continue;
    entries.push_back({row.usage(), std::string(row.help)});
    if (row.command == Command::status) {
      entries.push_back(
          {"status --check",
           "the same, and exit code 1 unless the health is ok: its first line says so, and the "
           "problems below it since when, and which command helps"});
    }
  }
  return entries;
}

std::string footer() {
  std::vector<std::string_view> not_built;
  for (const auto& row : report::commands()) {
    if (!row.is_built()) not_built.push_back(row.name);
  }
  return fmt::format("Not built yet: {}\n\n{}", fmt::join(not_built, " "), examples_and_codes);
}

Result<Command> parse_command(std::string_view word) {
  const auto* row = report::find_command(word);
  if (row != nullptr && row->is_built()) return row->command;
  if (row != nullptr) {
    return fail(std::errc::not_supported,
                fmt::format("{} is not built yet in this version ({})", word, program_version));
  }
  std::vector<std::string_view> names;
  for (const auto& known : report::commands()) {
    const bool is_one_word = known.name.find(' ') == std::string_view::npos;
    if (known.is_built() && is_one_word) names.push_back(known.name);
  }
  return fail(std::errc::invalid_argument,
              fmt::format("unknown command '{}', expected one of {}{}", word,
                          fmt::join(names, ", "), did_you_mean(word, names)));
}

// Commands that both programs know always go to the same one: monitoring must not get the health of
// another program.
std::string_view default_program(Command command) {
  return report::row_of(command).of(report::Program::saspd) == report::Support::none
             ? gwm_program
             : saspd_program;
}

// Checks the command and its arguments together.
std::optional<std::string> check(const Options& options) {
  const auto& row = report::row_of(options.command);
  const auto given = options.arguments.size();
  if (given < row.min_arguments()) return fmt::format("{} needs {}", row.name, row.takes.needs);
  if (given > row.max_arguments()) {
    return fmt::format("{} takes {}, got '{}'", row.name,
                       row.max_arguments() == 0   ? "no argument"
                       : row.max_arguments() == 1 ? "one argument"
                                                  : "two arguments",
                       options.arguments.back());
  }
  if (options.check && options.command != Command::status) return "--check is for status only";
  if (options.nagios && options.command != Command::status) return "--nagios is for status only";
  if (options.nagios && options.json) return "--nagios prints one line, and no JSON";
  const bool of_history = options.since || options.follow;
  if (of_history && options.command != Command::history)
    return "--since and --follow are for history only";
  const bool has_end = options.lasts || !options.until.empty() || options.forever;
  const bool takes_end = options.command == Command::drain ||
                         options.command == Command::set_weight || options.command == Command::hold;
  if ((has_end || !options.reason.empty()) && (!takes_end || options.program == gwm_program))
    return "--for, --until, --forever and --reason are for drain, set-weight and hold of saspd";
  if (options.dry_run && options.command != Command::reload) return "--dry-run is for reload only";
  return std::nullopt;
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  std::optional<std::string> command;
  std::optional<std::string> first;
  std::optional<std::string> second;
  cli::Cli cli("saspctl", "Asks a running saspd or sasp-gwm what it does and why.", footer());
  cli.commands(help_of_commands());
  cli.option("--of", "saspd|sasp-gwm", options.program,
             cli::one_of<std::string>({{saspd_program, std::string(saspd_program)},
                                       {gwm_program, std::string(gwm_program)}}),
             "the program to ask; no other answers in its place. Default: sasp-gwm for lbs, and "
             "saspd for everything else");
  cli.option("--socket", "PATH", options.socket, cli::text(1, 107),
             "the control socket; without --of, the program that listens there is asked");
  cli.shown_default(fmt::format("{}, or {} for sasp-gwm", saspd_socket, gwm_socket));
  cli.option("--timeout", "SECONDS", options.timeout, cli::seconds(1, 3600),
             "how long to wait for the answer");
  cli.flag("--json", options.json, "print the answer as JSON, for scripts");
  cli.flag("--check", options.check, "with status: exit with 1 if the health is not ok");
  cli.flag("--nagios", options.nagios,
           "with status: one line, and exit code 0 ok, 1 degraded, 2 failed or not running, 3 "
           "unknown");
  cli.option("--since", "TIME", options.since, cli::seconds(1, 31'622'400),
             "with history: what happened within that time, like 90s, 30m, 2h or 7d");
  cli.option("--limit", "N", options.limit, cli::number<std::size_t>(1, 10'000),
             "with history: no more than the newest N events");
  cli.option("--for", "TIME", options.lasts, cli::seconds(1, 31'622'400),
             "with drain, set-weight and hold of saspd: how long, like 90s, 30m, 2h or 7d");
  cli.option("--until", "TIME", options.until, cli::text(1, 32),
             "the same: until the next HH:MM of the local clock, or a time like "
             "2026-01-31T06:00:00.000Z");
  cli.flag("--forever", options.forever, "the same: until release or undrain");
  cli.option("--reason", "TEXT", options.reason, cli::text(1, 200),
             "the same: why, for status and history");
  cli.flag("--follow", options.follow, "with history: go on as it happens, until ^C");
  cli.flag("--dry-run", options.dry_run, "with reload: take nothing over");
  cli.flag("--no-color", options.no_color,
           "print no colours on a terminal; the same as NO_COLOR=1");
  cli.positional("COMMAND", command, "see below; status if none is given");
  cli.positional("ARGUMENT", first, "of the command");
  cli.positional("ARGUMENT2", second, "of trace and set-weight");
  if (const auto end = cli.parse(argc, argv)) return *end;

  // A command of two words.
  if (first && report::find_command(fmt::format("{} {}", *command, *first)) != nullptr) {
    *command += " " + *first;
    first = std::exchange(second, std::nullopt);
  }
  const auto parsed = parse_command(command.value_or("status"));
  if (!parsed) return cli.refuse(ExitCode::usage, parsed.error().detail);
  options.command = *parsed;
  for (const auto& argument : {first, second}) {
    if (argument) options.arguments.push_back(*argument);
  }
  if (const auto error = check(options)) return cli.refuse(ExitCode::usage, *error);
  options.check = options.check || options.nagios;
  if (options.socket.empty()) {
    if (options.program.empty()) options.program = default_program(options.command);
    options.socket = options.program == gwm_program ? gwm_socket : saspd_socket;
  }
  return options;
}

boost::json::object request(const Options& options) {
  const auto& row = report::row_of(options.command);
  boost::json::object request{{"command", row.name}};
  for (std::size_t i = 0; i < options.arguments.size(); ++i)
    request[row.takes.each.at(i).key] = options.arguments[i];
  if (options.dry_run) request["dry_run"] = true;
  if (options.lasts) request["for_s"] = options.lasts->count();
  if (!options.until.empty()) request["until"] = options.until;
  if (options.forever) request["forever"] = true;
  if (!options.reason.empty()) request["reason"] = options.reason;
  if (options.since) request["since_s"] = options.since->count();
  if (options.command == Command::history) request["limit"] = options.limit;
  return request;
}

}  // namespace saspd::ctl
