// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/process_frame.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>

#include "controller/base/exit_codes.hpp"

namespace saspd::cli {
namespace {

// In pieces, because nothing can be put together without memory.
void say(const char* text) {
  (void)!::write(STDERR_FILENO, text, std::strlen(text));
}

[[noreturn]] void terminated() {
  if (std::current_exception()) {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      say(program_invocation_short_name);
      say(": internal error: out of memory\n");
      ::_exit(static_cast<int>(ExitCode::internal));
    } catch (const std::exception& error) {
      say(program_invocation_short_name);
      say(": internal error: ");
      say(error.what());
      say("\n");
    } catch (...) {
      // A core says more.
    }
  }
  std::abort();
}

}  // namespace

void ignore_user_signals() {
  for (const int signal : {SIGUSR1, SIGUSR2})
    std::signal(signal, SIG_IGN);
}

void end_in_order_without_memory() {
  std::set_terminate(terminated);
}

}  // namespace saspd::cli
