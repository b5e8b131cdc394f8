// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

namespace saspd::net {

// Who asks over a control socket, by SO_PEERCRED (unix(7)).
struct ControlPeer {
  uid_t uid = 0;
  pid_t pid = 0;
  bool may_write = false;  // root, the user of this program, and members of report::admin_group
};

}  // namespace saspd::net
