// Least privilege: what a program may do once it has opened what only root may open.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/base/error.hpp"

namespace saspd::cli {

enum class Capability : std::uint8_t { net_admin, bpf };  // capabilities(7)

struct Needs {
  std::string user;                   // whom to become, with its group, when root has started us
  std::vector<Capability> keep{};     // all others go, from every set
  std::vector<std::string> reads{};   // files that will be opened again
  std::vector<std::string> writes{};  // the same, for writing too
  std::vector<std::string> gives{};   // sockets and folders of ours that then belong to that user
};

// To be called once, while there is one thread and before anything from outside is handled. Without
// that user, or where it cannot open a file, root stays root: without the other capabilities, but
// with CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE if there is no other way to a file, and with a
// warning, which is returned (else empty). Nothing can be gained again (no_new_privs). Whoever else
// has started us only loses what is not needed.
Result<std::string> drop_privileges(const Needs& needs);

}  // namespace saspd::cli
