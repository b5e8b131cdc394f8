#include "controller/gwm/options.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "controller/cli/cli.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::gwm {
namespace {

constexpr std::string_view footer =
    "A line of the weights file is  GROUP [tcp:|udp:|sctp:]ADDR:PORT WEIGHT|quiesce|down|unknown\n"
    "or  GROUP ADDR ...  for a system. Members that no line names are advised as unknown. The file "
    "is\n"
    "read again when it changes and on SIGHUP; if a line is bad the old weights stay. Replace it "
    "by\n"
    "renaming a new file over it.\n"
    "Exit codes: 0 ok, 64 usage, 65 bad weights file, 66 no such file, 74 cannot listen,\n"
    "77 not permitted, 78 configuration.";

// "none" is all there is so far.
Result<std::string> parse_probe(std::string_view text) {
  if (text == "none") return std::string(text);
  return fail(
      std::errc::invalid_argument,
      fmt::format("'{}' is not built yet in this version ({}); only none is", text, SASPD_VERSION));
}

std::optional<ExitCode> check(const cli::Cli& cli, const Options& options, bool insecure) {
  for (const Endpoint& endpoint : options.listen) {
    if (std::count(options.listen.begin(), options.listen.end(), endpoint) > 1) {
      return cli.refuse(ExitCode::usage,
                        fmt::format("--listen {} is given twice", endpoint.text()));
    }
    if (const auto plain = cli::check_plaintext(endpoint.address.text(), insecure); !plain) {
      return cli.refuse(ExitCode::configuration,
                        fmt::format("--listen {}: {}", endpoint.text(), plain.error().detail));
    }
  }
  return {};
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  std::vector<std::string> probes;
  std::chrono::seconds interval{};
  bool insecure = false;
  cli::Cli cli("sasp-gwm", "Advises load balancers about the weights of their servers (RFC 4678).",
               std::string(footer));
  cli.with_config_file();
  cli.section("Network");
  cli.list("--listen", "ADDR:PORT", options.listen, cli::listen_endpoint,
           "where load balancers and members connect [127.0.0.1:3860]");
  cli.flag("--insecure-plaintext", insecure,
           "listen without TLS on an address that is not loopback");
  cli.section("Advice");
  cli.option("--weights", "FILE", options.weights, cli::text(1, 4096), "the weights file");
  cli.list("--probe", "none", probes, parse_probe, "how members are probed [none]");
  cli.option("--interval", "SECONDS", interval, cli::seconds(1, 3600),
             "how often load balancers are told to ask", "10");
  cli.section("Registry");
  cli.option("--retention", "SECONDS", options.registry.retention, cli::seconds(0, 604800),
             "how long a load balancer without connection is remembered", "300");
  cli.option("--member-address", "own|any", options.registry.any_member_address,
             cli::one_of<bool>({{"own", false}, {"any", true}}),
             "members speak for their own address only (loopback peers for any), or for any",
             "own");
  cli.flag("--mixed-groups", options.registry.mixed_groups,
           "accept systems and applications in one group");
  cli.section("General");
  cli.action("--check", options.check, "check flags, config file and weights file, and end");
  cli::add_log_options(cli, options.log);
  cli.not_built_yet({"--control", "--metrics", "--tls-ca", "--tls-cert", "--tls-key", "--tls-crl",
                     "--tls-name", "--tls-min"});
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (options.listen.empty()) options.listen.push_back(*Endpoint::parse("127.0.0.1:3860"));
  options.registry.interval = static_cast<std::uint16_t>(interval.count());
  if (const auto end = check(cli, options, insecure)) return *end;
  if (cli.print_config()) {
    fmt::print("{}", cli.config_text());
    return ExitCode::ok;
  }
  return options;
}

}  // namespace saspd::gwm
