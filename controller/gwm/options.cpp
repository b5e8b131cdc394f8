// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "controller/cli/cli.hpp"
#include "controller/cli/parsers.hpp"
#include "controller/cli/tls_options.hpp"

namespace saspd::gwm {
namespace {

constexpr const char* default_listen = "127.0.0.1:3860";

// systemd.exec(5): the folder of the unit's StateDirectory=, or several.
std::string default_state_path() {
  const char* folders = std::getenv("STATE_DIRECTORY");
  if (folders == nullptr || *folders != '/') return {};
  const std::string_view all = folders;
  return fmt::format("{}/state", all.substr(0, all.find(':')));
}

constexpr std::string_view footer =
    R"(A line of the weights file is  GROUP [tcp:|udp:|sctp:]ADDR:PORT WEIGHT|quiesce|down|unknown
or  GROUP ADDR ...  for a system. Members without a line and without a probe are unknown: load
balancers stop sending to them while others of their group are known. The file is read again when
it changes and on SIGHUP; if a line is bad, or the last one has no newline, the old weights stay.
Replace the file by renaming a new one over it; appending a line is safe too. Certificates are read
again as well; open connections keep theirs.

A line of the drains file is  ADDR:PORT  or  GROUP/ADDR:PORT  as in saspctl drain. It is read again
like the weights file; if a line is bad, the old drains stay.

Exit codes: 0 ok, 64 usage, 65 bad weights, drains or authority file, 66 no such file,
74 cannot listen, 75 another program has the control socket, 77 not permitted,
78 configuration.)";

// "off", or the path of a file; empty: off.
Result<std::optional<std::string>> parse_state_path(std::string_view value) {
  if (value == "off") return std::optional<std::string>("");
  if (value.starts_with('/') && !value.ends_with('/') && value.size() <= 4000)
    return std::optional<std::string>(value);
  return fail(std::errc::invalid_argument,
              fmt::format("'{}': expected the absolute path of a file, or off", value));
}

std::string state_path_text(const std::optional<std::string>& path) {
  return !path ? default_state_path() : path->empty() ? "off" : *path;
}

cli::Refusals check(const Options& options) {
  cli::Refusals refusals;
  const auto refuse = [&refusals](ExitCode code, std::string text) {
    refusals.push_back({code, std::move(text)});
  };
  if (const auto complete = cli::check_tls(options.tls, TlsRole::server); !complete)
    refuse(ExitCode::configuration, complete.error().detail);
  if (options.foreign_members && !options.authority.empty()) {
    refuse(ExitCode::configuration,
           "--allow-foreign-members is for use without --authority; in the file, a line with "
           "member=* does the same");
  }
  for (const Endpoint& endpoint : options.listen) {
    if (std::count(options.listen.begin(), options.listen.end(), endpoint) > 1) {
      refuse(ExitCode::usage, fmt::format("--listen {} is given twice", endpoint.text()));
      break;
    }
    const auto plain = cli::check_plaintext(endpoint.address.text(),
                                            options.insecure_plaintext || options.tls.used());
    if (!plain) {
      refuse(ExitCode::configuration,
             fmt::format("--listen {}: {}", endpoint.text(), plain.error().detail));
    }
  }
  return refusals;
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv,
                                              cli::Errors* errors) {
  Options options;
  std::chrono::seconds interval{options.registry.interval};
  std::optional<std::string> state;
  cli::Cli cli("sasp-gwm", "Advises load balancers about the weights of their servers (RFC 4678).",
               std::string(footer));
  cli.with_config_file();
  cli.section("Network");
  cli.list("--listen", "ADDR:PORT", options.listen, cli::listen_endpoint(sasp::default_port),
           "where load balancers and members connect");
  cli.shown_default(default_listen);
  cli.flag("--insecure-plaintext", options.insecure_plaintext,
           "listen without TLS on an address that is not loopback");
  cli.list("--allow", "ADDR[/BITS]", options.allowed, IpNetwork::parse,
           "an address or network that may connect");
  cli.shown_default("any address");
  cli::add_tls_options(cli, options.tls, TlsRole::server);
  cli.section("Authority (who may speak for whom; refused with 0x11)");
  cli.option(
      "--authority", "FILE", options.authority, cli::text(1, 4096),
      "the authority file: which load balancers and members a peer may speak for. Without it, "
      "a peer with TLS may use the LB UIDs that its certificate names, a peer without TLS "
      "any");
  cli.flag("--allow-foreign-members", options.foreign_members,
           "without an authority file: let members speak for any address, not only for their own");
  cli.section("Advice");
  cli.option("--weights", "FILE", options.weights, cli::text(1, 4096), "the weights file");
  cli.option("--weights-memory", "SECONDS", options.weights_memory, cli::seconds(0, 86400),
             "how long a member that vanished from the weights file keeps its last advice; a file "
             "that lost more than half of its members is held back ten times as long, or until "
             "SIGHUP. 0: neither");
  cli.option("--drains", "FILE", options.drains, cli::text(1, 4096),
             "the drains file: members that get no new work, in addition to those that saspctl "
             "drains");
  cli.add_list(
      "--probe", "[GROUP=]none|tcp|http:PATH|agent:PORT",
      [&options](std::string_view value) { return options.probes.add(value); },
      "how members are probed: tcp connects, http expects 2xx or 3xx, agent speaks HAProxy's "
      "agent-check. Without GROUP: for all groups that have no probe of their own. Several add up");
  cli.shown_default("none");
  cli.option("--probe-interval", "SECONDS", options.probing.interval, cli::seconds(1, 3600),
             "time between two probes of a server; half of it while its state is in doubt");
  cli.option("--probe-timeout", "SECONDS", options.probing.timeout, cli::seconds(1, 60),
             "limit for a whole probe");
  cli.option("--probe-rise", "N", options.probing.rules.rise, cli::number<unsigned>(1, 100),
             "successes in a row that bring a server up");
  cli.option("--probe-fall", "N", options.probing.rules.fall, cli::number<unsigned>(1, 100),
             "failures in a row that bring it down");
  cli.option("--agent-send", "TEXT", options.probing.agent_send, cli::text(1, 255),
             "a line that is sent to agents before they answer, for those that wait for one");
  cli.option("--agent-max", "PERCENT", options.weigher.agent_max, cli::number<unsigned>(1, 25600),
             "the largest percentage that an agent may report; a larger one counts as this");
  cli.option("--max-share", "PERCENT", options.weigher.max_share, cli::number<unsigned>(1, 100),
             "the largest part of a group's weights that a member gets because of its agent, never "
             "less than twice an equal part. 100: no limit");
  cli.option("--probe-concurrency", "N", options.probing.concurrency,
             cli::number<std::size_t>(1, 10'000), "probes at a time");
  cli.option("--interval", "SECONDS", interval, cli::seconds(1, 3600),
             "polling interval recommended to load balancers, and interval of pushes");
  cli.option("--max-weight", "N", options.weigher.max_weight, cli::number<std::uint16_t>(1, 65535),
             "weight of a group's best member by its probes. Weights from the weights file stay as "
             "they are, and its largest one in a group replaces this");
  cli.option("--slow-start", "SECONDS", options.weigher.slow_start, cli::seconds(0, 3600),
             "time until a member that was down has its full weight again, from a tenth on");
  cli.option("--damping", "PERCENT", options.weigher.damping, cli::number<unsigned>(0, 95),
             "how much of the old value remains at each new one from an agent, 0 to 95");
  cli.section("Registry");
  cli.option(
      "--state", "PATH|off", state, cli::with_text(parse_state_path, state_path_text),
      "the state file: who is registered, quiesced and drained, and what the probes know, so "
      "that a restart changes nothing. Each sasp-gwm needs its own");
  cli.shown_default("state in systemd's StateDirectory=; off without systemd");
  cli.option("--start-grace", "SECONDS", options.start_grace, cli::seconds(0, 3600),
             "after a start without such a file, how long members may take to register themselves "
             "again: until then no member of such a group counts as known, so that load balancers "
             "keep their weights. 0: no such time");
  cli.option("--retention", "SECONDS", options.registry.retention, cli::seconds(0, 604800),
             "how long a load balancer without a connection is remembered");
  cli.flag("--mixed-groups", options.registry.mixed_groups,
           "accept systems and applications in one group");
  cli.section("Limits");
  cli.option("--max-connections", "N", options.server.max_connections,
             cli::number<std::size_t>(1, 1'000'000), "connections at once");
  cli.option("--max-request-rate", "N", options.server.max_requests_per_second,
             cli::number<unsigned>(0, 1'000'000),
             "requests per second on one connection; further ones are read later. 0: no limit");
  cli.option("--max-connection-rate", "N", options.server.max_new_per_second,
             cli::number<unsigned>(0, 1'000'000),
             "new connections per second from one address, loopback excepted. 0: no limit");
  cli.option("--max-message", "BYTES", options.server.max_message,
             cli::number<std::size_t>(1024, 0x7FFFFFFF), "longest message");
  cli.option("--max-lbs", "N", options.registry.max_lbs, cli::number<std::size_t>(1, 1'000'000),
             "load balancers");
  cli.option("--max-groups", "N", options.registry.max_groups,
             cli::number<std::size_t>(1, 10'000'000), "groups of all load balancers together");
  cli.option("--max-members", "N", options.registry.max_members,
             cli::number<std::size_t>(1, 100'000'000), "members of all groups together");
  cli.option("--max-self-registered", "N", options.registry.max_self_registered,
             cli::number<std::size_t>(1, 100'000'000),
             "members, and new groups, that one address may register by itself; those of a peer "
             "that may speak for any address count for its own");
  cli.section("General");
  cli::add_common_options(cli, options,
                          {.control = "/run/sasp-gwm/control",
                           .control_may_lack = true,
                           .metrics_port = 9861,
                           .member_metrics = "four"});
  // What SaspGwm::take_over() takes over.
  cli.live({"--listen",
            "--insecure-plaintext",
            "--allow",
            "--probe",
            "--probe-interval",
            "--probe-timeout",
            "--probe-rise",
            "--probe-fall",
            "--probe-concurrency",
            "--agent-send",
            "--agent-max",
            "--max-share",
            "--interval",
            "--max-weight",
            "--slow-start",
            "--damping",
            "--retention",
            "--mixed-groups",
            "--max-connections",
            "--max-request-rate",
            "--max-connection-rate",
            "--max-lbs",
            "--max-groups",
            "--max-members",
            "--max-self-registered"});
  const auto complete = [&] {
    if (options.listen.empty()) options.listen.push_back(*Endpoint::parse(default_listen));
    options.weigher.settle = 2 * options.probing.interval + options.probing.timeout;
    options.state = state.value_or(default_state_path());
    options.registry.interval = static_cast<std::uint16_t>(interval.count());
    return check(options);
  };
  if (const auto end = cli::finish(cli, options, argc, argv, complete, errors)) return *end;
  return options;
}

}  // namespace saspd::gwm
