#include "controller/ctl/options.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/cli/cli.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::ctl {
namespace {

// The rest of the documented face.
constexpr std::array<std::string_view, 18> not_built{
    "gwm",   "groups",  "members",    "history", "watch",   "plan",
    "drain", "undrain", "set-weight", "hold",    "release", "reconcile",
    "trace", "doctor",  "export",     "decode",  "reload",  "log-level"};

std::string footer() {
  return fmt::format(
      "Commands:\n"
      "  status                          GWMs, groups and members with advice and weights "
      "(default)\n"
      "  status --check                  the same, and exit code 1 if something is not healthy: "
      "no\n"
      "                                  GWM is established, a group is not in the kernel, its\n"
      "                                  advice is held back, or the kernel cannot be written\n"
      "  why MEMBER                      why a member has its weight; MEMBER is ADDR:PORT or\n"
      "                                  GROUP/ADDR:PORT\n"
      "Not built yet: {}\n"
      "  {}\n\n"
      "Examples:\n"
      "  saspctl\n"
      "  saspctl --json status | jq '.groups[].members[] | {{address, kernel_weight}}'\n"
      "  saspctl why web/192.0.2.1:80\n\n"
      "Exit codes: 0 ok, 1 not healthy (status --check), 64 usage, 65 no such member or an answer "
      "that\n"
      "is not understood, 69 saspd is not running, 74 I/O, 75 no answer in time, 77 no permission.",
      fmt::join(std::span(not_built).first(11), " "),
      fmt::join(std::span(not_built).subspan(11), " "));
}

Result<Command> parse_command(std::string_view word) {
  if (word == "status") return Command::status;
  if (word == "why") return Command::why;
  if (std::find(not_built.begin(), not_built.end(), word) != not_built.end()) {
    return fail(std::errc::not_supported,
                fmt::format("{} is not built yet in this version ({})", word, SASPD_VERSION));
  }
  return fail(std::errc::invalid_argument,
              fmt::format("unknown command '{}', expected status or why", word));
}

// What is wrong with command and argument together.
std::optional<std::string> check(const Options& options,
                                 const std::optional<std::string>& argument) {
  const bool is_why = options.command == Command::why;
  if (is_why && !argument) return "why needs a member: ADDR:PORT or GROUP/ADDR:PORT";
  if (!is_why && argument) return fmt::format("status takes no argument, got '{}'", *argument);
  if (is_why && options.check) return "--check is for status only";
  return std::nullopt;
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  std::optional<std::string> command;
  std::optional<std::string> argument;
  cli::Cli cli("saspctl", "Asks a running saspd what it does and why.", footer());
  cli.option("--socket", "PATH", options.socket, cli::text(1, 107), "the control socket of saspd",
             "/run/saspd/control");
  cli.option("--timeout", "SECONDS", options.timeout, cli::seconds(1, 3600),
             "how long to wait for the answer", "5");
  cli.flag("--json", options.json, "print the answer as JSON, for scripts");
  cli.flag("--check", options.check, "with status: exit code 1 if something is not healthy");
  cli.flag("--no-color", options.no_color, "no colours on a terminal; the same as NO_COLOR=1");
  cli.positional("COMMAND", command, "status or why; status if none is given");
  cli.positional("ARGUMENT", argument, "of the command");
  if (const auto end = cli.parse(argc, argv)) return *end;

  const auto parsed = parse_command(command.value_or("status"));
  if (!parsed) return cli.refuse(ExitCode::usage, parsed.error().detail);
  options.command = *parsed;
  if (const auto error = check(options, argument)) return cli.refuse(ExitCode::usage, *error);
  options.member = argument.value_or("");
  return options;
}

boost::json::object request(const Options& options) {
  if (options.command == Command::why) return {{"command", "why"}, {"member", options.member}};
  return {{"command", "status"}};
}

}  // namespace saspd::ctl
