// SPDX-License-Identifier: Apache-2.0
// What root does for the XDP program: saspd --attach, --reattach and --detach. Each says on stdout
// what it did, or in the log why it did not.
#pragma once

#include "controller/base/exit_codes.hpp"
#include "controller/cli/log.hpp"
#include "controller/saspd/options.hpp"

namespace saspd::programs {

ExitCode attach(const director::Options& options, cli::Log& log);
ExitCode reattach(const director::XdpOptions& options, cli::Log& log);
ExitCode detach(const director::XdpOptions& options, cli::Log& log);

}  // namespace saspd::programs
