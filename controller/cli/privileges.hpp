// SPDX-License-Identifier: Apache-2.0
// Least privilege: what a program may still do once it has opened what only root may open.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/base/capability.hpp"
#include "controller/base/error.hpp"

namespace saspd::cli {

struct Needs {
  std::string user;  // the user to become, with its group, if root started the program
  std::vector<Capability>
      keep{};  // the capabilities to keep; all others are dropped from every set
  std::vector<std::string> reads{};   // files that will be opened again
  std::vector<std::string> writes{};  // the same, for writing too
  std::vector<std::string> gives{};   // our sockets and folders, which then belong to that user
};

// Call it once, while there is one thread and before anything from outside is handled. Without that
// user, or if that user cannot open a file, root stays root: without the other capabilities, but
// with CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE if a file needs it, and with a warning, which is
// returned (else empty). Privileges cannot be regained (no_new_privs). Any other user only loses
// capabilities that are not needed.
Result<std::string> drop_privileges(const Needs& needs);

}  // namespace saspd::cli
