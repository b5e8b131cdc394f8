#include "controller/saspd/options.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/cli/cli.hpp"

namespace saspd {
namespace {

constexpr std::string_view service_form = "GROUP=tcp:ADDR:PORT, GROUP=tcp:[ADDR]:PORT";
constexpr std::string_view member_form = "GROUP=ADDR:PORT[,weight=N][,label=TEXT]";

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return {};
  return buffer.data();
}

// RFC 4678 5.2 and sasp-interop row 9.
Result<std::string> parse_lb_uid(std::string_view value) {
  if (value.empty() || value.size() > sasp::max_lb_uid || !is_clean_utf8(value)) {
    return refuse(
        fmt::format("'{}' has {} bytes, expected 1 to {} of text without control characters",
                    printable(value), value.size(), sasp::max_lb_uid));
  }
  return std::string(value);
}

Result<std::optional<std::chrono::seconds>> parse_interval(std::string_view value) {
  if (value == "auto") return std::optional<std::chrono::seconds>{};
  const auto seconds = cli::seconds(1, 3600)(value);
  if (!seconds) return refuse(seconds.error().detail + ", or auto");
  return std::optional{*seconds};
}

// "GROUP=REST", where GROUP is 1..255 bytes (RFC 4678 5.2) of clean text.
Result<std::pair<std::string, std::string_view>> split_group(std::string_view value,
                                                             std::string_view form) {
  const auto equals = value.find('=');
  if (equals == std::string_view::npos) {
    return refuse(fmt::format("'{}' has no group; write {}", value, form));
  }
  const std::string_view group = value.substr(0, equals);
  if (group.empty() || group.size() > sasp::max_text || !is_clean_utf8(group)) {
    return refuse(fmt::format(
        "'{}': the group has {} bytes, expected 1 to {} of text without control characters",
        printable(value), group.size(), sasp::max_text));
  }
  return std::pair{std::string(group), value.substr(equals + 1)};
}

GroupSettings* find_group(std::vector<GroupSettings>& groups, std::string_view name) {
  const auto found = std::find_if(groups.begin(), groups.end(),
                                  [&](const auto& group) { return group.name == name; });
  return found == groups.end() ? nullptr : &*found;
}

Result<lb::ServiceKey> parse_service_spec(std::string_view spec) {
  const auto comma = spec.find(',');
  if (comma != std::string_view::npos) {
    return refuse(fmt::format("service option '{}' is not built yet in this version ({})",
                              spec.substr(comma + 1), SASPD_VERSION));
  }
  const auto key = lb::parse_service(spec);
  if (!key) return fail(key.error());
  const auto* at = std::get_if<lb::VirtualEndpoint>(&*key);
  if (at == nullptr || at->protocol != lb::Protocol::tcp) {
    return refuse(
        fmt::format("'{}': only tcp services are built yet in this version ({}); write {}", spec,
                    SASPD_VERSION, service_form));
  }
  if (at->endpoint.port == 0) {
    return refuse(
        fmt::format("'{}': port 0 is not built yet in this version ({}); expected 1 to 65535", spec,
                    SASPD_VERSION));
  }
  return *key;
}

Result<void> add_service(std::vector<GroupSettings>& groups, std::string_view value) {
  const auto split = split_group(value, service_form);
  if (!split) return fail(split.error());
  const auto key = parse_service_spec(split->second);
  if (!key) return fail(key.error());
  for (const auto& group : groups) {
    if (std::find(group.services.begin(), group.services.end(), *key) != group.services.end()) {
      return refuse(fmt::format("'{}': {} is already the service of group '{}'", value,
                                lb::text(*key), group.name));
    }
  }
  GroupSettings* group = find_group(groups, split->first);
  if (group == nullptr) group = &groups.emplace_back(GroupSettings{split->first, {}, {}});
  group->services.push_back(*key);
  return {};
}

struct MemberText {
  Endpoint endpoint;
  MemberSettings settings;
};

Result<MemberText> parse_member(std::string_view value) {
  MemberText member;
  const auto comma = value.find(',');
  const auto endpoint = Endpoint::parse(value.substr(0, comma));
  if (!endpoint) return refuse(fmt::format("{}; write {}", endpoint.error().detail, member_form));
  if (endpoint->port == 0) return refuse(fmt::format("'{}': port 0, expected 1 to 65535", value));
  member.endpoint = *endpoint;
  std::string_view rest = comma == std::string_view::npos ? "" : value.substr(comma + 1);
  while (!rest.empty()) {
    if (rest.starts_with("label=")) {  // the rest of the value: a label may contain commas
      member.settings.label = rest.substr(6);
      break;
    }
    if (!rest.starts_with("weight=")) {
      return refuse(fmt::format("'{}': unknown option '{}'; write {}", value, rest, member_form));
    }
    const auto end = rest.find(',');
    const auto weight =
        parse_number(rest.substr(7, end == std::string_view::npos ? end : end - 7), 0, 65535);
    if (!weight) return refuse(fmt::format("'{}': weight: {}", value, weight.error().detail));
    member.settings.weight = static_cast<std::uint32_t>(*weight);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
  }
  const std::string& label = member.settings.label;
  if (label.size() > sasp::max_text || !is_clean_utf8(label)) {  // RFC 4678 5.1
    return refuse(
        fmt::format("'{}': the label has {} bytes, expected 0 to {} of text without control "
                    "characters",
                    printable(value), label.size(), sasp::max_text));
  }
  return member;
}

Result<void> add_member(std::vector<GroupSettings>& groups, std::string_view value) {
  const auto split = split_group(value, member_form);
  if (!split) return fail(split.error());
  const auto member = parse_member(split->second);
  if (!member) return fail(member.error());
  GroupSettings* group = find_group(groups, split->first);
  if (group == nullptr) {
    return refuse(fmt::format("'{}': no --service names group '{}'", value, split->first));
  }
  const Family wanted = member->endpoint.address.family();
  if (std::none_of(group->services.begin(), group->services.end(),
                   [&](const auto& service) { return lb::family(service) == wanted; })) {
    return refuse(fmt::format("'{}': an {} member, but group '{}' has only {} services", value,
                              wanted == Family::v4 ? "IPv4" : "IPv6", group->name,
                              wanted == Family::v4 ? "IPv6" : "IPv4"));
  }
  if (!group->members.emplace(member->endpoint, member->settings).second) {
    return refuse(fmt::format("'{}': member {} of group '{}' was given before", value,
                              member->endpoint.text(), group->name));
  }
  return {};
}

// An option of which one value is built so far and another is documented.
cli::Cli::Accept only(std::string_view built, std::string_view not_built) {
  return [=](std::string_view value) -> Result<void> {
    if (value == built) return {};
    if (value == not_built) {
      return refuse(
          fmt::format("'{}' is not built yet in this version ({})", value, SASPD_VERSION));
    }
    return refuse(fmt::format("'{}' is not {}", value, built));
  };
}

void add_gwm_options(cli::Cli& cli, Options& options) {
  cli.section("Group Workload Manager");
  cli.add_list(
      "--gwm", "HOST[:PORT]",
      [&options](std::string_view value) -> Result<void> {
        const auto peer = cli::parse_host_port(value, sasp::default_port);
        if (!peer) return fail(peer.error());
        if (std::find(options.gwms.begin(), options.gwms.end(), *peer) != options.gwms.end()) {
          return refuse(fmt::format("'{}' was given before", value));
        }
        options.gwms.push_back(*peer);
        return {};
      },
      "a GWM that advises the weights; port 3860 unless given. Of several, the first connected one "
      "counts");
  cli.option("--lb-uid", "UID", options.lb_uid, parse_lb_uid,
             "name of this director for the GWM, 1 to 64 bytes; must differ per director",
             host_name());
  cli.option("--mode", "pull|push", options.push,
             cli::one_of<bool>({{"pull", false}, {"push", true}}),
             "pull: ask for weights every interval; push: let the GWM send them", "pull");
  cli.flag("--trust", options.trust,
           "let members register, deregister and quiesce themselves with the GWM");
  cli.flag("--no-change", options.no_change, "let the GWM send only what changed");
  cli.option("--interval", "auto|SECONDS", options.interval, parse_interval,
             "polling interval, 1 to 3600; auto: the GWM's advice, else 60", "auto");
  cli.option(
      "--retry-min", "SECONDS", options.retry_min, cli::seconds(1, 300),
      "shortest wait before the next connection attempt (RFC 4678 9.2: 20; less only for loopback)",
      "20");
  cli.flag("--insecure-plaintext", options.insecure_plaintext,
           "allow a GWM that is not on this machine without TLS");
}

void add_service_options(cli::Cli& cli, Options& options) {
  cli.section("Services and weights");
  cli.add_option("--backend", "ipvs", only("ipvs", "xdp"), "what distributes the connections",
                 "ipvs");
  cli.add_list(
      "--service", "GROUP=SPEC",
      [&options](std::string_view value) { return add_service(options.groups, value); },
      "feeds an IPVS service with the advice for GROUP; SPEC: tcp:192.0.2.10:443 or "
      "tcp:[2001:db8::1]:443");
  cli.add_list(
      "--member", "GROUP=ADDR:PORT[,weight=N][,label=TEXT]",
      [&options](std::string_view value) { return add_member(options.groups, value); },
      "label for the GWM, and static weight (0 to 65535), of a server; label is last and may hold "
      "commas");
  cli.option("--reconcile-interval", "SECONDS", options.reconcile_interval, cli::seconds(1, 3600),
             "how often the kernel is read and foreign weights are overwritten", "5");
  cli.option("--on-all-zero", "hold|apply", options.policy.hold_all_zero,
             cli::one_of<bool>({{"hold", true}, {"apply", false}}),
             "advice that leaves a service without any server is held back, or applied", "hold");
  cli.flag("--dry-run", options.dry_run, "write nothing to the kernel; log what would be written");
}

// What needs more than one flag.
std::optional<ExitCode> check(const cli::Cli& cli, const Options& options) {
  if (options.gwms.empty()) return cli.refuse(ExitCode::usage, "no --gwm HOST[:PORT] given");
  if (options.groups.empty()) {
    return cli.refuse(ExitCode::usage,
                      fmt::format("no --service given; write --service {}", service_form));
  }
  for (const auto& gwm : options.gwms) {
    const bool loopback = cli::check_plaintext(gwm.host, false).has_value();
    if (options.retry_min < std::chrono::seconds{20} && !loopback) {
      return cli.refuse(
          ExitCode::usage,
          fmt::format("--retry-min {}: less than 20 s (RFC 4678 9.2) is only for a GWM on "
                      "loopback, not for {}",
                      options.retry_min.count(), gwm.text()));
    }
    const auto allowed = cli::check_plaintext(gwm.host, options.insecure_plaintext);
    if (!allowed) {
      return cli.refuse(ExitCode::configuration,
                        fmt::format("--gwm {}: {}", gwm.text(), allowed.error().detail));
    }
  }
  return std::nullopt;
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  bool check_only = false;
  cli::Cli cli(
      "saspd", "Turns the advice of a Group Workload Manager (SASP, RFC 4678) into IPVS weights.",
      "Example:\n"
      "  ipvsadm -A -t 192.0.2.10:80 -s wrr\n"
      "  ipvsadm -a -t 192.0.2.10:80 -r 10.0.0.1:80 -m\n"
      "  saspd --gwm 127.0.0.1 --service web=tcp:192.0.2.10:80\n\n"
      "Exit codes: 0 ok, 64 usage, 66 no config file, 69 the kernel has no IPVS, 70 internal,\n"
      "74 I/O, 75 another saspd runs here, 77 CAP_NET_ADMIN missing, 78 configuration.");
  cli.with_config_file();
  add_gwm_options(cli, options);
  add_service_options(cli, options);
  cli.section("Operation");
  cli.option("--control", "PATH", options.control, cli::text(1, 107),
             "the control socket, for saspctl", "/run/saspd/control");
  cli.action("--check", check_only, "check the flags and the config file, and end");
  cli::add_log_options(cli, options.log);
  cli.not_built_yet({"--gwm-merge", "--adopt", "--interface", "--xdp-mode", "--attach", "--detach",
                     "--stale-after", "--on-stale", "--drift", "--min-change", "--max-step",
                     "--metrics", "--tls-ca", "--tls-cert", "--tls-key", "--tls-crl", "--tls-name",
                     "--tls-min"});
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (const auto end = check(cli, options)) return *end;
  if (cli.print_config()) {
    fmt::print("{}", cli.config_text());
    return ExitCode::ok;
  }
  if (check_only) {
    fmt::print("saspd: the configuration is good\n");
    return ExitCode::ok;
  }
  return options;
}

}  // namespace saspd
