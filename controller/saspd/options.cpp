// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/options.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/nearest.hpp"
#include "controller/cli/cli.hpp"
#include "controller/cli/tls_options.hpp"
#include "controller/lb/map_sizes.hpp"
#include "controller/lb/service_options.hpp"
#include "controller/sasp/names.hpp"
#include "controller/saspd/service_spec.hpp"

namespace saspd::director {
namespace {

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

// Always that of the start: one that has changed since makes no other director of this one.
const std::string& host_name() {
  static const std::string name = [] {
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return std::string();
    return std::string(buffer.data());
  }();
  return name;
}

Result<std::optional<std::chrono::seconds>> parse_interval(std::string_view value) {
  if (value == "auto") return std::optional<std::chrono::seconds>{};
  const auto seconds = cli::seconds(1, 3600)(value);
  if (!seconds) return refuse(seconds.error().detail + ", or auto");
  return std::optional{*seconds};
}

Result<std::optional<Duration>> parse_stale_after(std::string_view value) {
  const auto seconds = cli::seconds(1, 86400)(value);
  if (!seconds) return fail(seconds.error());
  return std::optional<Duration>{*seconds};
}

Result<std::string> parse_path(std::string_view value) {
  if (value.starts_with('/') && !value.ends_with('/') && value.size() <= 4000)
    return std::string(value);
  return refuse(fmt::format("'{}': expected the absolute path of a file", value));
}

Result<std::string> parse_ledger(std::string_view value) {
  if (value == "none") return std::string();
  const auto path = parse_path(value);
  if (!path) return refuse(path.error().detail + ", or none");
  return *path;
}

const std::string& itself(const std::string& text) {
  return text;
}

std::string interval_text(const std::optional<std::chrono::seconds>& interval) {
  return interval ? fmt::to_string(interval->count()) : "auto";
}

std::string ledger_text(const std::string& path) {
  return path.empty() ? "none" : path;
}

void add_gwm_options(cli::Cli& cli, Options& options) {
  cli.section("Group Workload Manager");
  cli::add_gwm_options(
      cli, options,
      "a GWM that advises the weights, by default at port 3860. If several are given, each group "
      "follows the first that is connected and knows the group's servers, or all: see --gwm-merge",
      "shortest wait before the next connection attempt (RFC 4678 9.2: 20; less only for "
      "loopback)");
  cli.option("--gwm-merge", "primary|mean|min|max", options.merge,
             cli::one_of<GwmMerge>({{"primary", GwmMerge::primary},
                                    {"mean", GwmMerge::mean},
                                    {"min", GwmMerge::min},
                                    {"max", GwmMerge::max}}),
             "what several GWMs make of a group: primary: the first that knows it; mean, min, max: "
             "of the advice of all that know it");
  options.lb_uid = host_name();
  cli.option("--lb-uid", "UID", options.lb_uid, cli::with_text(sasp::parse_lb_uid, itself),
             "the name by which the GWM knows this director, 1 to 64 bytes; each needs its own");
  cli.option("--mode", "pull|push", options.push,
             cli::one_of<bool>({{"pull", false}, {"push", true}}),
             "pull: poll for weights at every interval; push: let the GWM send them");
  cli.flag("--trust", options.trust,
           "let members register, deregister and quiesce themselves with the GWM");
  cli.flag("--no-change", options.no_change, "let the GWM send only what changed");
  cli.option("--interval", "auto|SECONDS", options.interval,
             cli::with_text(parse_interval, interval_text),
             "polling interval, 1 to 3600; auto: what the GWM recommends, else 60");
}

void add_backend(cli::Cli& cli, const lb::Backend*& chosen, Backends backends) {
  cli::Words<const lb::Backend*> words;
  std::vector<std::string_view> names;
  std::vector<std::string_view> helps;
  for (const auto* backend : backends) {
    words.emplace_back(backend->name, backend);
    names.push_back(backend->name);
    helps.push_back(backend->help);
  }
  chosen = backends.front();
  cli.option("--backend", fmt::format("{}", fmt::join(names, "|")), chosen,
             cli::one_of(std::move(words)),
             fmt::format("what distributes the connections: {}", fmt::join(helps, ", or ")));
}

void add_service_options(cli::Cli& cli, Options& options, Backends backends) {
  cli.section("Services and weights");
  const auto refused = std::make_shared<std::set<std::string>>();  // groups of bad services
  add_backend(cli, options.backend, backends);
  cli.add_list(
      "--service", "GROUP=SPEC[,option...]",
      [&options, refused](std::string_view value) {
        auto added = add_service(options.groups, value, *options.backend);
        if (!added) refused->insert(std::string(value.substr(0, value.find('='))));
        return added;
      },
      "apply the advice for GROUP to a service; SPEC: tcp:192.0.2.10:443 "
      "udp:[2001:db8::1]:53 sctp:ADDR:PORT fwmark:7 fwmark6:7; options: see below");
  cli.flag("--adopt", options.adopt,
           "make every other IPVS service a group too, named by its SPEC, as soon as it appears");
  cli.add_list(
      "--member", "GROUP=ADDR:PORT[,weight=N][,label=TEXT]",
      [&options, refused](std::string_view value) -> Result<void> {
        // Its service was refused and reported already, which is all that has to be corrected.
        if (refused->contains(std::string(value.substr(0, value.find('='))))) return {};
        return add_member(options.groups, value);
      },
      "a server, its static weight (0 to 65535) and its label for the GWM; with manage, it is "
      "added to the service. A label with commas must come last or be quoted: label=\"a, b\". Port 0: a "
      "server without a port of its own (fwmark, VIP:0)");
  cli.option("--reconcile-interval", "SECONDS", options.reconcile_interval, cli::seconds(1, 3600),
             "how often the kernel is read, and weights of other programs are overwritten");
  cli.option(
      "--drift", "overwrite|report|adopt", options.drift,
      cli::one_of<DriftPolicy>({{"overwrite", DriftPolicy::overwrite},
                                {"report", DriftPolicy::report},
                                {"adopt", DriftPolicy::adopt}}),
      "with IPVS: what becomes of a weight that another program wrote: it is overwritten; it "
      "stands until other advice comes, with a warning; or it stands until then as if it had "
      "been advised. A weight of 0 stays in any case");
  cli.option(
      "--stale-after", "SECONDS", options.stale_after, parse_stale_after,
      "how long a service may be without fresh advice, whatever the reason, before it raises "
      "the alarm no_advice and --on-stale acts. Default: three times the interval, at least "
      "180");
  cli.option(
      "--on-stale", "hold|static|drain", options.policy.on_stale,
      cli::one_of<OnStale>(
          {{"hold", OnStale::hold}, {"static", OnStale::static_}, {"drain", OnStale::drain}}),
      "what then becomes of its weights, until a GWM advises again: they stay; the static "
      "weights; or 0, so that this director takes no new connections for it");
  cli.option("--on-all-zero", "hold|apply", options.policy.hold_all_zero,
             cli::one_of<bool>({{"hold", true}, {"apply", false}}),
             "hold back, or apply, advice that leaves a service without any server");
  cli.option("--panic", "PERCENT", options.policy.panic, cli::number<std::uint32_t>(0, 100),
             "also hold back advice that leaves fewer than this percentage of a service's servers "
             "with a weight; quiesced ones do not count. 0: only when no server is left");
  cli.option("--min-change", "PERCENT", options.policy.min_change,
             cli::number<std::uint32_t>(0, 100),
             "round advised weights to fixed values that are more than this apart, 0 to 100, so "
             "that most smaller changes are not written; 0: take them as they are");
  cli.option("--max-step", "PERCENT", options.max_step, cli::number<std::uint32_t>(0, 100),
             "change a weight by no more than this percentage of the service's largest weight at a "
             "time, once a second, 0 to 100; 0: at once. A change to 0 is never delayed");
  cli.flag("--dry-run", options.dry_run, "write nothing to the kernel; log what would be written");
}

void add_xdp_options(cli::Cli& cli, Options& options) {
  XdpOptions& xdp = options.xdp;
  const lb::MapSizes least;
  cli.section("XDP");
  cli.verb(
      "--attach", cli::Verb::attach,
      "as root: attach the XDP program to each --interface, hand its maps to --user, and exit. "
      "After --, give the options that saspd runs with, to make room for what they configure");
  cli.verb("--reattach", cli::Verb::reattach,
           "as root: where an interface lost the XDP program or was recreated, attach it again as "
           "before, with its maps and flows, and exit");
  cli.verb("--detach", cli::Verb::detach,
           "as root: detach the XDP program, delete its maps, and exit");
  cli.action("--replace", xdp.replace,
             "with --attach: discard maps that do not fit, together with the flows in them");
  cli.action("--force", xdp.force,
             "with --detach, and --attach --replace: proceed even while a saspd is using the maps");
  cli.action("--share", xdp.share,
             "with --attach: attach beside other XDP programs on the interface, in the dispatcher "
             "of libxdp");
  cli.flag(
      "--blackhole", xdp.blackhole,
      "with --attach: drop packets for a service address that the program does not forward and "
      "that this host would route, such as all of them while the program is missing: they would "
      "loop between host and router");
  cli.list("--interface", "IF", xdp.interfaces, cli::text(1, 15),
           "with --attach: an interface on which packets from clients arrive");
  cli.option("--xdp-mode", "auto|native|generic", xdp.mode,
             cli::one_of<XdpOptions::Mode>({{"auto", XdpOptions::Mode::automatic},
                                            {"native", XdpOptions::Mode::native},
                                            {"generic", XdpOptions::Mode::generic}}),
             "with --attach: native: in the driver; generic: behind it, slower; auto: native where "
             "possible");
  cli.option("--user", "USER", xdp.user, cli::text(1, 64),
             "with --attach: the user who may write the maps. Default: saspd if that user exists, "
             "else root");
  cli.option("--max-services", "N", xdp.max_services, cli::number<std::uint32_t>(1, most_services),
             fmt::format("with --attach: room for this many services. Default: twice the number of "
                         "--service, at least {}, and never less than before",
                         least.services));
  cli.option("--max-backends", "N", xdp.max_backends, cli::number<std::uint32_t>(1, most_backends),
             fmt::format("with --attach: room for this many destinations in all services. Default: "
                         "twice the number of --member of each service, at least {}, and never "
                         "less than before",
                         least.backends));
  cli.option("--max-flows", "N", xdp.max_flows, cli::number<std::uint32_t>(1024, 100'000'000),
             fmt::format("with --attach: how many flows are remembered; those silent longest are "
                         "forgotten first. Default: {}, and never less than before",
                         least.flows));
  cli.option("--syn", "store|defer", xdp.defer_syn,
             cli::one_of<bool>({{"store", false}, {"defer", true}}),
             "with --attach: remember a flow from its SYN on, or from the packet after it, which "
             "keeps SYN floods out of the table");
  cli.option("--new-flow-limit", "N", xdp.new_flow_limit,
             cli::number<std::uint32_t>(0, 100'000'000),
             "with --attach: remember at most this many new flows per second and CPU; 0: no limit");
  cli.option("--seed", "N", xdp.seed, cli::number<std::uint32_t>(0, 0xFFFFFFFF),
             "with --attach: the seed of the hash from flows to slots; directors that share a "
             "service with table=independent need the same. Default: a random number");
  cli.option("--pins", "DIR", xdp.pins, cli::text(1, 200),
             "where the XDP program and its maps are pinned, on the bpf file system");
  cli.option("--attach-request", "PATH", xdp.attach_request, parse_path,
             "a file that saspd writes while --reattach could repair a problem, for systemd's "
             "saspd-xdp-reattach.path to run it");
  cli.list("--decapsulate", "ADDR", xdp.decapsulate, IpAddress::parse,
           "with --attach, on a server without tunnel devices: remove the outer header that "
           "forward=ipip puts before packets to this service address. Give it --pins of its own");
}

bool concerns_pins(cli::Verb verb) {
  return verb == cli::Verb::attach || verb == cli::Verb::reattach || verb == cli::Verb::detach;
}

// Checks what the privileged verbs need, and what goes with one --backend only.
cli::Refused check_xdp(const Options& options) {
  const auto usage = [](std::string text) {
    return cli::Refusal{ExitCode::usage, std::move(text)};
  };
  const bool detaches = options.verb == cli::Verb::detach;
  // --reattach accepts the flags of --attach as well, and ignores them.
  const bool attaches = options.verb == cli::Verb::attach || options.verb == cli::Verb::reattach;
  if (options.dry_run && (attaches || detaches)) {
    return usage(
        "--attach, --reattach and --detach have no dry run: remove dry-run, or give "
        "--dry-run=false");
  }
  if (options.verb == cli::Verb::attach && options.xdp.interfaces.empty())
    return usage("--attach needs --interface IF");
  if (options.xdp.replace && !attaches) return usage("--replace goes with --attach only");
  if (options.xdp.share && (!attaches || !options.xdp.decapsulate.empty()))
    return usage("--share goes with --attach only, and not with --decapsulate");
  if (options.xdp.force && !detaches && !options.xdp.replace)
    return usage("--force goes with --detach, or with --attach --replace");
  return std::nullopt;
}

cli::Refused check_adopt(const Options& options, Backends backends) {
  if (!options.adopt || options.backend->not_adopted.empty()) return std::nullopt;
  std::vector<std::string_view> adopted;
  for (const auto* backend : backends) {
    if (backend->not_adopted.empty()) adopted.push_back(backend->name);
  }
  return cli::Refusal{ExitCode::usage,
                      fmt::format("--adopt is for --backend {}: {}", lb::listed(adopted),
                                  options.backend->not_adopted)};
}

// The managed service of `group` that no member fits; empty if there is none.
std::string service_without_members(const GroupSettings& group) {
  for (const auto& service : group.services) {
    const bool any = std::any_of(
        group.members.begin(), group.members.end(),
        [&](const auto& member) { return fits(group, service, member_of(service, member.first)); });
    if (service.manage && !any) return lb::text(service.key);
  }
  return {};
}

// Checks what concerns more than one flag.
cli::Refusals check(const Options& options) {
  cli::Refusals refusals;
  const auto usage = [&refusals](std::string text) {
    refusals.push_back({ExitCode::usage, std::move(text)});
  };
  cli::add(refusals, cli::check_gwms(options));
  if (options.groups.empty() && !options.adopt) {
    usage(fmt::format("no --service {} given, and no --adopt", service_form));
  }
  if (options.policy.panic > 0 && !options.policy.hold_all_zero) {
    usage(
        "--panic holds advice back, but --on-all-zero apply never does; give only one "
        "of them");
  }
  for (const auto& group : options.groups) {
    if (const auto lacks = service_without_members(group); !lacks.empty() && !options.trust) {
      usage(
          fmt::format("--service {}={},manage: it could never have a server; name some "
                      "with --member {}=ADDR:PORT, or let them register "
                      "themselves with --trust",
                      group.name, lacks, group.name));
    }
  }
  cli::add(refusals, cli::check_security(options));
  return refusals;
}

}  // namespace

std::string Options::spoken_uid() const {
  constexpr std::size_t longest = 64;  // RFC 4678 4.3
  constexpr std::string_view own = ".dry-run";
  if (!dry_run) return lb_uid;
  return lb_uid.substr(0, longest - own.size()).append(own);
}

std::vector<std::string> doubts(const Options& options) {
  std::vector<std::string> found;
  for (const auto& group : options.groups) {
    for (const auto& service : group.services) {
      const auto doubt = options.backend->doubt;
      const auto doubted = doubt != nullptr ? doubt(service) : std::nullopt;
      if (!doubted) continue;
      found.push_back(
          fmt::format("--service {}={}: {}", group.name, lb::text(service.key), *doubted));
    }
  }
  if (options.policy.on_stale == OnStale::drain) {
    found.emplace_back(
        "--on-stale drain: when no GWM advises any more, every service of this director refuses "
        "new connections; another director has to take them");
  }
  if (options.merge != GwmMerge::primary && options.gwms.size() < 2)
    found.emplace_back("--gwm-merge has no effect: there is one --gwm");
  if (options.tls.used() && options.insecure_plaintext) {
    found.emplace_back("--insecure-plaintext has no effect: a --tls option turns TLS on");
  }
  return found;
}

namespace {

using Parsed = std::variant<Options, ExitCode>;

constexpr std::string_view example =
    R"(Example:
  ipvsadm -A -t 192.0.2.10:80 -s wrr
  ipvsadm -a -t 192.0.2.10:80 -r 10.0.0.1:80 -m
  saspd --gwm 127.0.0.1 --service web=tcp:192.0.2.10:80)";
constexpr std::string_view exit_codes =
    R"(Exit codes: 0 ok, 64 usage, 66 no config file, 69 no IPVS in the kernel or no XDP program attached,
70 internal error, 74 I/O, 75 another saspd runs here, 77 CAP_NET_ADMIN missing, 78 configuration.)";

std::string footer(Backends backends) {
  std::vector<std::string_view> paragraphs{example};
  for (const auto* backend : backends)
    paragraphs.push_back(backend->service_help);
  paragraphs.push_back(exit_codes);
  return fmt::format("{}", fmt::join(paragraphs, "\n\n"));
}

// A dry run stands beside the saspd that writes, or is there before it starts.
void leave_to_the_writer(Options& options) {
  const auto is_given = [&options](std::string_view key) {
    return std::any_of(
        options.settings.begin(), options.settings.end(),
        [key](const auto& setting) { return setting.key == key && setting.is_given; });
  };
  if (!is_given("metrics")) options.metrics.reset();
  if (is_given("control")) return;
  options.control += ".dry-run";
  options.control_is_wanted = false;
}

// What the options are read for: to run saspd, or to make room in the maps.
enum class Purpose { run, make_room };

Parsed parse(std::span<const char* const> arguments, Backends backends, Purpose purpose,
             cli::Errors* errors) {
  Options options;
  cli::Cli cli(
      "saspd",
      "Turns the advice of a Group Workload Manager (SASP, RFC 4678) into weights of IPVS or XDP.",
      footer(backends));
  cli.with_config_file();
  add_gwm_options(cli, options);
  cli::add_tls_options(cli, options.tls, TlsRole::client);
  add_service_options(cli, options, backends);
  add_xdp_options(cli, options);
  cli.section("Operation");
  cli.option(
      "--ledger", "PATH|none", options.ledger, cli::with_text(parse_ledger, ledger_text),
      "records across restarts which weights of 0 are saspd's own and may be raised again, "
      "since when servers are lost, and quiesces whose GWM is gone; each saspd needs its own. "
      "none: in memory only");
  cli.option("--history", "PATH|none", options.history, cli::with_text(parse_ledger, ledger_text),
             "keeps what happened across restarts, for saspctl history; each saspd needs its own. "
             "none: in memory only");
  cli.option("--overrides", "PATH|none", options.overrides,
             cli::with_text(parse_ledger, ledger_text),
             "keeps across restarts what the operator decided with saspctl drain, set-weight and "
             "hold; each saspd needs its own. none: in memory only");
  cli.option("--keepalived-fifo", "PATH", options.keepalived_fifo, parse_path,
             "with IPVS: keepalived's lvs_notify_fifo, by which saspd distinguishes keepalived's "
             "zeros (inhibit_on_failure) from its own; created if it does not exist");
  cli::add_common_options(
      cli, options,
      {.control = "/run/saspd/control", .metrics_port = 9860, .member_metrics = "about eight"});
  // What Controller::reconfigure() takes over.
  cli.live({"--gwm", "--gwm-merge", "--service", "--member", "--adopt", "--mode", "--trust",
            "--no-change", "--interval", "--reconcile-interval", "--drift", "--stale-after",
            "--on-stale", "--on-all-zero", "--panic", "--min-change", "--max-step"});
  const auto complete = [&]() -> cli::Refusals {
    if (purpose == Purpose::make_room) {
      if (options.verb == cli::Verb::run) return {};
      return {{ExitCode::usage, "only the options that saspd runs with may follow --, not a verb"}};
    }
    if (auto why = check_xdp(options)) return {std::move(*why)};
    if (auto why = check_adopt(options, backends)) return {std::move(*why)};
    return concerns_pins(options.verb) ? cli::Refusals() : check(options);
  };
  const auto count = static_cast<int>(arguments.size());
  if (const auto end = cli::finish(cli, options, count, arguments.data(), complete, errors))
    return *end;
  if (options.dry_run) leave_to_the_writer(options);
  return options;
}

}  // namespace

Parsed parse_options(int argc, const char* const* argv, Backends backends, cli::Errors* errors) {
  const std::span given(argv, static_cast<std::size_t>(argc));
  const auto dashes = std::find(given.begin(), given.end(), std::string_view("--"));
  Parsed parsed = parse({given.begin(), dashes}, backends, Purpose::run, errors);
  auto* options = std::get_if<Options>(&parsed);
  if (dashes == given.end() || options == nullptr) return parsed;
  if (options->verb != cli::Verb::attach) {
    fmt::print(stderr,
               "saspd: -- goes with --attach only; the options that saspd runs with follow it\n");
    return ExitCode::usage;
  }
  std::vector<const char*> behind{dashes, given.end()};
  behind.front() = given.front();
  Parsed served = parse(behind, backends, Purpose::make_room, errors);
  auto* of_daemon = std::get_if<Options>(&served);
  if (of_daemon == nullptr) return served;
  if (of_daemon->backend->is_attached) options->groups = std::move(of_daemon->groups);
  return parsed;
}

}  // namespace saspd::director
