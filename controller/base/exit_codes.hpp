// SPDX-License-Identifier: Apache-2.0
// Exit codes of all programs, with the numbers of sysexits.h. Scripts and systemd units rely on
// them.
#pragma once

namespace saspd {

enum class ExitCode : int {
  ok = 0,
  not_healthy = 1,
  usage = 64,          // a flag of the command line is wrong
  data = 65,           // an input has bad content
  no_input = 66,       // an input file is missing
  unavailable = 69,    // the kernel has no IPVS; systemd tries again
  internal = 70,       // a bug
  io = 74,             // reading or writing failed
  try_again = 75,      // another saspd holds this backend
  no_permission = 77,  // a capability is missing
  configuration = 78,  // a line of the config file is wrong, or the flags do not fit together
};

}  // namespace saspd
