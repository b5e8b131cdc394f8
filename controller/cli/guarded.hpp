// SPDX-License-Identifier: Apache-2.0
// The last place for an exception.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "controller/base/exit_codes.hpp"
#include "controller/cli/process_frame.hpp"
#include "controller/cli/standard_streams.hpp"

namespace saspd::cli {

// The code that a program ends with: 74 in place of 0 if what it printed has not arrived.
inline int final_code(std::string_view name, ExitCode code) {
  const bool arrived = flush_stdout();
  if (code != ExitCode::ok || arrived) return static_cast<int>(code);
  std::fprintf(stderr, "%.*s: cannot write to stdout\n", static_cast<int>(name.size()),
               name.data());
  return static_cast<int>(ExitCode::io);
}

// The end of a program with an event loop. Its destructor would wait for a name lookup that is
// under way, for as long as a silent DNS server takes; the end of the process does not.
[[noreturn]] inline void end(std::string_view name, ExitCode code) {
  std::quick_exit(final_code(name, code));
}

// What main() returns: the code of `program`, or 70 with the reason on stderr if it throws, which
// can only be a bug or the end of memory.
template <class Program>
int guarded(std::string_view name, Program program) {
  const auto refuse = [name](const char* why) {
    std::fprintf(stderr, "%.*s: internal error: %s\n", static_cast<int>(name.size()), name.data(),
                 why);
    return static_cast<int>(ExitCode::internal);
  };
  hold_standard_streams();
  ignore_user_signals();
  end_in_order_without_memory();
  try {
    return final_code(name, program());
  } catch (const std::exception& error) {
    return refuse(error.what());
  } catch (...) {
    return refuse("something other than an exception was thrown");
  }
}

}  // namespace saspd::cli
