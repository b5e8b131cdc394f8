// The last place for an exception.
#pragma once

#include <cstdio>
#include <exception>
#include <string_view>

#include "controller/base/exit_codes.hpp"
#include "controller/cli/standard_streams.hpp"

namespace saspd::cli {

// What main() returns: the code of `program`; 74 in place of 0 if what it printed has not arrived;
// or 70 with the reason on stderr if it throws, which can only be a bug or the end of memory.
template <class Program>
int guarded(std::string_view name, Program program) {
  const auto refuse = [name](const char* why) {
    std::fprintf(stderr, "%.*s: internal error: %s\n", static_cast<int>(name.size()), name.data(),
                 why);
    return static_cast<int>(ExitCode::internal);
  };
  hold_standard_streams();
  try {
    const ExitCode code = program();
    if (code != ExitCode::ok || flush_stdout()) return static_cast<int>(code);
    std::fprintf(stderr, "%.*s: cannot write to stdout\n", static_cast<int>(name.size()),
                 name.data());
    return static_cast<int>(ExitCode::io);
  } catch (const std::exception& error) {
    return refuse(error.what());
  } catch (...) {
    return refuse("something other than an exception was thrown");
  }
}

}  // namespace saspd::cli
