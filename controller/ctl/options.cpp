#include "controller/ctl/options.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/cli/cli.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::ctl {
namespace {

struct CommandName {
  Command command;
  std::string_view name;
};
constexpr std::array<CommandName, 6> commands{{{Command::status, "status"},
                                               {Command::why, "why"},
                                               {Command::plan, "plan"},
                                               {Command::reconcile, "reconcile"},
                                               {Command::export_rules, "export"},
                                               {Command::trace, "trace"}}};

// The rest of the documented face.
constexpr std::array<std::string_view, 14> not_built{
    "gwm",        "groups", "members", "history", "watch",  "drain",  "undrain",
    "set-weight", "hold",   "release", "doctor",  "decode", "reload", "log-level"};

std::string footer() {
  return fmt::format(
      "Commands:\n"
      "  status                          GWMs, groups and members with advice and weights "
      "(default)\n"
      "  status --check                  the same, and exit code 1 if something is not healthy: "
      "no\n"
      "                                  GWM is established, a group is not in the kernel, its\n"
      "                                  advice is held back, it has an urgent alarm, or the "
      "kernel\n"
      "                                  cannot be written\n"
      "  why MEMBER                      why a member has its weight; MEMBER is ADDR:PORT or\n"
      "                                  GROUP/ADDR:PORT, without :PORT if it has none\n"
      "  plan                            what saspd would write now, after a look at the kernel\n"
      "  reconcile                       look at the kernel at once and write what differs, "
      "without\n"
      "                                  waiting for --reconcile-interval; exit code 1 if the "
      "kernel\n"
      "                                  refused something\n"
      "  export                          the whole IPVS table as rules for ipvsadm -R, with the\n"
      "                                  thresholds that ipvsadm -S leaves out; weights are those\n"
      "                                  that the kernel has now\n"
      "  trace CLIENT SERVICE            what becomes of a packet from CLIENT, ADDR:PORT, to "
      "SERVICE,\n"
      "                                  tcp:ADDR:PORT or udp:ADDR:PORT: slot, destination, next "
      "hop\n"
      "                                  (--backend xdp)\n"
      "Not built yet: {}\n"
      "  {}\n\n"
      "Examples:\n"
      "  saspctl\n"
      "  saspctl --json status | jq '.groups[].members[] | {{address, kernel_weight}}'\n"
      "  saspctl why web/192.0.2.1:80\n"
      "  saspctl export > ipvs.rules     # later, on an empty table: ipvsadm -R < ipvs.rules\n\n"
      "Exit codes: 0 ok, 1 not healthy (status --check) or not all written (reconcile), 64 usage,\n"
      "65 no such member or an answer that is not understood, 69 saspd is not running, 74 I/O or "
      "the\n"
      "kernel cannot be read, 75 no answer in time, 77 no permission.",
      fmt::join(std::span(not_built).first(9), " "),
      fmt::join(std::span(not_built).subspan(9), " "));
}

std::string_view name_of(Command command) {
  return std::find_if(commands.begin(), commands.end(),
                      [&](const auto& known) { return known.command == command; })
      ->name;
}

Result<Command> parse_command(std::string_view word) {
  for (const auto& [command, name] : commands) {
    if (word == name) return command;
  }
  if (std::find(not_built.begin(), not_built.end(), word) != not_built.end()) {
    return fail(std::errc::not_supported,
                fmt::format("{} is not built yet in this version ({})", word, SASPD_VERSION));
  }
  return fail(std::errc::invalid_argument,
              fmt::format("unknown command '{}', expected status, why, plan, reconcile, export or "
                          "trace",
                          word));
}

// What is wrong with command and arguments together.
std::optional<std::string> check(const Options& options,
                                 const std::vector<std::string>& arguments) {
  const std::size_t wanted = options.command == Command::why     ? 1
                             : options.command == Command::trace ? 2
                                                                 : 0;
  if (options.command == Command::why && arguments.empty()) {
    return "why needs a member: ADDR:PORT or GROUP/ADDR:PORT";
  }
  if (options.command == Command::trace && arguments.size() < wanted) {
    return "trace needs the client's ADDR:PORT and the service, tcp:ADDR:PORT";
  }
  if (arguments.size() > wanted) {
    return fmt::format("{} takes {}, got '{}'", name_of(options.command),
                       wanted == 0   ? "no argument"
                       : wanted == 1 ? "one argument"
                                     : "two arguments",
                       arguments.back());
  }
  if (options.check && options.command != Command::status) return "--check is for status only";
  return std::nullopt;
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  std::optional<std::string> command;
  std::optional<std::string> first;
  std::optional<std::string> second;
  cli::Cli cli("saspctl", "Asks a running saspd what it does and why.", footer());
  cli.option("--socket", "PATH", options.socket, cli::text(1, 107), "the control socket of saspd",
             "/run/saspd/control");
  cli.option("--timeout", "SECONDS", options.timeout, cli::seconds(1, 3600),
             "how long to wait for the answer", "5");
  cli.flag("--json", options.json, "print the answer as JSON, for scripts");
  cli.flag("--check", options.check, "with status: exit code 1 if something is not healthy");
  cli.flag("--no-color", options.no_color, "no colours on a terminal; the same as NO_COLOR=1");
  cli.positional("COMMAND", command, "see below; status if none is given");
  cli.positional("ARGUMENT", first, "of the command");
  cli.positional("ARGUMENT2", second, "of trace");
  if (const auto end = cli.parse(argc, argv)) return *end;

  const auto parsed = parse_command(command.value_or("status"));
  if (!parsed) return cli.refuse(ExitCode::usage, parsed.error().detail);
  options.command = *parsed;
  std::vector<std::string> arguments;
  for (const auto& argument : {first, second}) {
    if (argument) arguments.push_back(*argument);
  }
  if (const auto error = check(options, arguments)) return cli.refuse(ExitCode::usage, *error);
  if (options.command == Command::why) options.member = arguments[0];
  if (options.command == Command::trace) {
    options.source = arguments[0];
    options.service = arguments[1];
  }
  return options;
}

boost::json::object request(const Options& options) {
  boost::json::object request{{"command", name_of(options.command)}};
  if (options.command == Command::why) request["member"] = options.member;
  if (options.command == Command::trace) {
    request["source"] = options.source;
    request["destination"] = options.service;
  }
  return request;
}

}  // namespace saspd::ctl
