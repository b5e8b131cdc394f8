// SPDX-License-Identifier: Apache-2.0
// What must not end a process the way the system or the C++ library would by default.
#pragma once

namespace saspd::cli {

// SIGUSR1 and SIGUSR2 have no meaning here: from the first moment on, and for commands as well.
void ignore_user_signals();

// Without memory even the unwinding of an exception may need some, which ends in std::terminate().
// Then the process ends with 70 and its reason on stderr, instead of an abort with a core. Every
// other cause is a bug, and aborts.
void end_in_order_without_memory();

}  // namespace saspd::cli
