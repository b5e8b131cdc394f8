// SPDX-License-Identifier: Apache-2.0
// The options of sasp-gwm, checked as far as possible without files and the network.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controller/cli/common_options.hpp"
#include "controller/gwm/probe_schedule.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

// What peers may cost.
struct ServerLimits {
  std::size_t max_connections = 4096;
  std::size_t max_message = sasp::default_max_message;  // bytes
  unsigned max_requests_per_second = 1000;              // of one connection; 0: no limit
  unsigned max_new_per_second = 100;                    // connections from one address; 0: no limit
};

struct Options : cli::CommonOptions {
  std::vector<Endpoint> listen;
  RegistryConfig registry;
  ServerLimits server;
  WeigherConfig weigher;
  ProbePlan probes;
  ProbeConfig probing;
  std::vector<IpNetwork> allowed;  // who may connect at all; empty: any address
  bool foreign_members = false;    // without an authority file: members speak for any address
  std::string authority;           // path of the authority file; empty: none
  std::string weights;             // path of the weights file; empty: none
  std::chrono::seconds weights_memory{60};  // how long the last advice for a member stays
  std::string drains;                       // path of the drains file; empty: none
  std::string state;                        // path of the state file; empty: none
  // See Weigher::wait_until().
  std::chrono::seconds start_grace{120};
};

// Either the options, or the exit code, with everything already printed, or in `errors`.
std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv,
                                              cli::Errors* errors = nullptr);

}  // namespace saspd::gwm
