// SPDX-License-Identifier: Apache-2.0
// The flags that all programs have, declared once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/base/exit_codes.hpp"
#include "controller/base/tls_settings.hpp"
#include "controller/cli/cli.hpp"
#include "controller/cli/log.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::cli {

// What is wrong, a line each.
using Errors = std::vector<std::string>;

struct CommonOptions {
  Verb verb = Verb::run;            // never print_config, which finish() has answered
  std::string control;              // path of the control socket
  bool control_is_wanted = true;    // false: not asked for, so it may be lacking
  std::optional<Endpoint> metrics;  // nothing: off
  bool metrics_members = true;
  TlsSettings tls;
  bool insecure_plaintext = false;
  LogOptions log;
  std::string config;  // path of the config file; empty: none
  Settings settings;   // all of the above and what the program adds, as text
};

// For a program that connects to GWMs.
struct ClientOptions : CommonOptions {
  std::vector<HostPort> gwms;  // in order of precedence
  std::chrono::seconds retry_min{20};
};

// Where a program differs from the others in these flags.
struct CommonDefaults {
  std::string_view control{};     // path; empty: the program has no control socket
  bool control_may_lack = false;  // unless --control is given
  std::uint16_t metrics_port = 0;
  bool metrics = true;                // by default, on loopback
  std::string_view member_metrics{};  // how many each member has; empty: the program has none
};

// --control, --metrics, --metrics-members, --check and those of the log.
void add_common_options(Cli& cli, CommonOptions& options, const CommonDefaults& defaults);

// --gwm, --insecure-plaintext and --retry-min; `gwm` and `retry` are what their help says.
void add_gwm_options(Cli& cli, ClientOptions& options, std::string gwm, std::string retry);

// Why a run is refused.
struct Refusal {
  ExitCode code{};
  std::string text;
};
using Refused = std::optional<Refusal>;
using Refusals = std::vector<Refusal>;
inline void add(Refusals& all, Refused one) {
  if (one) all.push_back(std::move(*one));
}

// Whether these flags make sense together. The first names what is missing or wrong on the command
// line (ExitCode::usage), the second what must not be (ExitCode::configuration).
Refused check_gwms(const ClientOptions& options);
Refused check_security(const ClientOptions& options);

// The end of reading: the command line is parsed and `complete` asked what does not make sense as a
// whole; --print-config prints. Nothing: the program goes on. The code is the first refusal's.
// `errors`: see Cli::collect; nullptr: they are printed.
std::optional<ExitCode> finish(Cli& cli, CommonOptions& options, int argc, const char* const* argv,
                               const std::function<Refusals()>& complete, Errors* errors);

}  // namespace saspd::cli
