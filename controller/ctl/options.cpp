#include "controller/ctl/options.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/nearest.hpp"
#include "controller/base/version.hpp"
#include "controller/cli/cli.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::ctl {
namespace {

struct CommandForm {
  Command command;
  std::string_view name;
  std::size_t at_least = 0;  // arguments
  std::size_t at_most = 0;
  std::string_view needs = {};                        // in words, if there are too few
  std::array<std::string_view, 2> keys = {"member"};  // of the arguments, in the request
};
constexpr std::string_view a_member = "a member: ADDR:PORT or GROUP/ADDR:PORT";
constexpr std::array<CommandForm, 13> commands{
    {{Command::status, "status"},
     {Command::gwm, "gwm"},
     {Command::lbs, "lbs"},
     {Command::groups, "groups"},
     {Command::members, "members", 0, 1, "", {"group"}},
     {Command::why, "why", 1, 1, a_member},
     {Command::watch, "watch"},
     {Command::plan, "plan"},
     {Command::reconcile, "reconcile"},
     {Command::drain, "drain", 1, 1, a_member},
     {Command::undrain, "undrain", 1, 1, a_member},
     {Command::export_rules, "export"},
     {Command::trace,
      "trace",
      2,
      2,
      "the client's ADDR:PORT and the service, tcp:ADDR:PORT",
      {"source", "destination"}}}};

// Commands that are documented but do not exist yet.
constexpr std::array<std::string_view, 8> not_built{"history", "set-weight", "hold",   "release",
                                                    "doctor",  "decode",     "reload", "log-level"};

std::string footer() {
  return fmt::format(R"(Commands:
  status                          GWMs, groups and members with advice and weights (default)
  status --check                  the same, and exit code 1 if something is not healthy: no GWM is
                                  established, a group is not in the kernel, its advice is held
                                  back, it has an urgent alarm, or the kernel cannot be written
  gwm                             the GWMs alone
  lbs                             the load balancers of sasp-gwm
  groups                          the groups, one per line
  members [GROUP]                 the members of each group, or of one
  why MEMBER                      why a member has its weight; MEMBER is ADDR:PORT or
                                  GROUP/ADDR:PORT, without :PORT if it has none
  watch                           the state, one line per item, and then one line per change,
                                  checked every second, until ^C
  drain MEMBER, undrain MEMBER    sasp-gwm has every load balancer give the member no new
                                  connections, and ends that. saspd: undrain returns a weight of 0
                                  that another program wrote, or may have written, to the advice.
                                  Needs root or the group saspd-admin
  plan                            what saspd would write now, after reading the kernel
  reconcile                       read the kernel at once and write what differs, without waiting
                                  for --reconcile-interval; exit code 1 if the kernel refused
                                  something
  export                          the whole IPVS table as rules for ipvsadm -R, with the thresholds
                                  that ipvsadm -S leaves out; the weights are those in the kernel
                                  now
  trace CLIENT SERVICE            what happens to a packet from CLIENT, ADDR:PORT, to SERVICE,
                                  tcp:ADDR:PORT or udp:ADDR:PORT: slot, destination, next hop
                                  (--backend xdp)
Not built yet: {}

Examples:
  saspctl
  saspctl --json status | jq '.groups[].members[] | {{address, kernel_weight}}'
  saspctl why web/192.0.2.1:80
  saspctl --of sasp-gwm status --check
  saspctl export > ipvs.rules     # later, on an empty table: ipvsadm -R < ipvs.rules

Exit codes: 0 ok, 1 not healthy (status --check) or not all written (reconcile), 64 usage,
65 no such member, or an answer that cannot be understood or comes from another program, 69 the
program is not running, 74 I/O or the kernel cannot be read, 75 no answer in time, 77 no permission.)",
                     fmt::join(not_built, " "));
}

const CommandForm& form_of(Command command) {
  return *std::find_if(commands.begin(), commands.end(),
                       [&](const auto& known) { return known.command == command; });
}

Result<Command> parse_command(std::string_view word) {
  std::vector<std::string_view> names;
  for (const auto& form : commands) {
    if (word == form.name) return form.command;
    names.push_back(form.name);
  }
  if (std::find(not_built.begin(), not_built.end(), word) != not_built.end()) {
    return fail(std::errc::not_supported,
                fmt::format("{} is not built yet in this version ({})", word, program_version));
  }
  return fail(std::errc::invalid_argument,
              fmt::format("unknown command '{}', expected one of {}{}", word,
                          fmt::join(names, ", "), did_you_mean(word, names)));
}

// Commands that both programs know always go to the same one: monitoring must not get the health of
// another program.
std::string_view default_program(Command command) {
  return command == Command::lbs ? gwm_program : saspd_program;
}

// Checks the command and its arguments together.
std::optional<std::string> check(const Options& options) {
  const auto& form = form_of(options.command);
  const auto& arguments = options.arguments;
  if (arguments.size() < form.at_least) return fmt::format("{} needs {}", form.name, form.needs);
  if (arguments.size() > form.at_most) {
    return fmt::format("{} takes {}, got '{}'", form.name,
                       form.at_most == 0   ? "no argument"
                       : form.at_most == 1 ? "one argument"
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
  cli::Cli cli("saspctl", "Asks a running saspd or sasp-gwm what it does and why.", footer());
  cli.option("--of", "saspd|sasp-gwm", options.program,
             cli::one_of<std::string>({{saspd_program, std::string(saspd_program)},
                                       {gwm_program, std::string(gwm_program)}}),
             "the program to ask; no other answers in its place. Default: sasp-gwm for lbs, and "
             "saspd for everything else");
  cli.option(
      "--socket", "PATH", options.socket, cli::text(1, 107),
      fmt::format("the control socket; without --of, the program that listens there is asked "
                  "[{}, or {} for sasp-gwm]",
                  saspd_socket, gwm_socket));
  cli.option("--timeout", "SECONDS", options.timeout, cli::seconds(1, 3600),
             "how long to wait for the answer", "5");
  cli.flag("--json", options.json, "print the answer as JSON, for scripts");
  cli.flag("--check", options.check, "with status: exit with 1 if something is not healthy");
  cli.flag("--no-color", options.no_color,
           "print no colours on a terminal; the same as NO_COLOR=1");
  cli.positional("COMMAND", command, "see below; status if none is given");
  cli.positional("ARGUMENT", first, "of the command");
  cli.positional("ARGUMENT2", second, "of trace");
  if (const auto end = cli.parse(argc, argv)) return *end;

  const auto parsed = parse_command(command.value_or("status"));
  if (!parsed) return cli.refuse(ExitCode::usage, parsed.error().detail);
  options.command = *parsed;
  for (const auto& argument : {first, second}) {
    if (argument) options.arguments.push_back(*argument);
  }
  if (const auto error = check(options)) return cli.refuse(ExitCode::usage, *error);
  if (options.socket.empty()) {
    if (options.program.empty()) options.program = default_program(options.command);
    options.socket = options.program == gwm_program ? gwm_socket : saspd_socket;
  }
  return options;
}

boost::json::object request(const Options& options) {
  const auto& form = form_of(options.command);
  boost::json::object request{{"command", form.name}};
  for (std::size_t i = 0; i < options.arguments.size(); ++i)
    request[form.keys.at(i)] = options.arguments[i];
  return request;
}

}  // namespace saspd::ctl
