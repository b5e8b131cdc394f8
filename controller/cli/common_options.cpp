// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/common_options.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "controller/cli/tls_options.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::cli {
namespace {

const IpAddress loopback = IpAddress::v4(std::array<std::uint8_t, 4>{127, 0, 0, 1});

// RFC 4678 9.2
constexpr std::chrono::seconds least_retry{20};

void add_control_option(Cli& cli, CommonOptions& options, const CommonDefaults& defaults) {
  const std::string path(defaults.control);
  const auto take = [&options](std::string_view given) -> Result<void> {
    auto taken = text(1, 107)(given);
    if (!taken) return fail(taken.error());
    options.control = std::move(*taken);
    options.control_is_wanted = true;
    return {};
  };
  if (!defaults.control_may_lack) {
    cli.add_option("--control", "PATH", take, "the control socket, for saspctl", path);
    return;
  }
  options.control = path;
  options.control_is_wanted = false;
  cli.add_option(
      "--control", "PATH", take,
      fmt::format("the control socket, for saspctl. Default: {}, or none if that cannot be "
                  "created",
                  path));
}

void add_metrics_options(Cli& cli, CommonOptions& options, const CommonDefaults& defaults) {
  if (defaults.metrics) options.metrics = Endpoint{loopback, defaults.metrics_port};
  cli.option("--metrics", "ADDR:PORT|off", options.metrics, listen_or_off(defaults.metrics_port),
             "metrics for Prometheus at http://ADDR:PORT/metrics, open to every client that can "
             "reach the address; one that is in use is tried again");
  if (defaults.member_metrics.empty()) return;
  cli.option("--metrics-members", "on|off", options.metrics_members,
             one_of<bool>({{"on", true}, {"off", false}}),
             fmt::format("off: omit the metrics of the members, of which each has {}",
                         defaults.member_metrics));
  cli.live({"--metrics-members"});
}

}  // namespace

void add_common_options(Cli& cli, CommonOptions& options, const CommonDefaults& defaults) {
  if (!defaults.control.empty()) add_control_option(cli, options, defaults);
  add_metrics_options(cli, options, defaults);
  cli.verb("--check", Verb::check, "check flags and files, certificates too, and exit");
  add_log_options(cli, options.log);
}

void add_gwm_options(Cli& cli, ClientOptions& options, std::string gwm, std::string retry) {
  cli.add_list("--gwm", "HOST[:PORT]", each_once(options.gwms, host_port(sasp::default_port)),
               std::move(gwm));
  cli.flag("--insecure-plaintext", options.insecure_plaintext,
           "allow a connection without TLS to a GWM that is not on this machine");
  cli.live({"--insecure-plaintext"});
  cli.option("--retry-min", "SECONDS", options.retry_min, seconds(1, 300), std::move(retry));
}

Refused check_gwms(const ClientOptions& options) {
  if (options.gwms.empty()) return Refusal{ExitCode::usage, "no --gwm HOST[:PORT] given"};
  for (const auto& gwm : options.gwms) {
    if (options.retry_min >= least_retry || check_plaintext(gwm.host, false)) continue;
    return Refusal{
        ExitCode::usage,
        fmt::format("--retry-min {}: less than {} s (RFC 4678 9.2) is only for a GWM on loopback, "
                    "not for {}",
                    options.retry_min.count(), least_retry.count(), gwm.text())};
  }
  return std::nullopt;
}

Refused check_security(const ClientOptions& options) {
  if (const auto complete = check_tls(options.tls, TlsRole::client); !complete)
    return Refusal{ExitCode::configuration, complete.error().detail};
  for (const auto& gwm : options.gwms) {
    const auto allowed =
        check_plaintext(gwm.host, options.insecure_plaintext || options.tls.used());
    if (!allowed) {
      return Refusal{ExitCode::configuration,
                     fmt::format("--gwm {}: {}", gwm.text(), allowed.error().detail)};
    }
  }
  return std::nullopt;
}

std::optional<ExitCode> finish(Cli& cli, CommonOptions& options, int argc, const char* const* argv,
                               const std::function<Refusals()>& complete, Errors* errors) {
  if (errors != nullptr) cli.collect(*errors);
  if (const auto end = cli.parse(argc, argv)) return end;
  options.verb = cli.verb();
  options.config = cli.config_path();
  options.settings = cli.settings();
  if (const auto refused = complete(); !refused.empty()) {
    for (auto each = refused.begin(); each + 1 != refused.end(); ++each)
      cli.complain(each->text);
    cli.refuse(refused.back().code, refused.back().text);
    return refused.front().code;
  }
  if (options.verb == Verb::print_config) return cli.show(cli.config_text());
  return std::nullopt;
}

}  // namespace saspd::cli
