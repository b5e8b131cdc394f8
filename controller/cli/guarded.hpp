// The last place for an exception.
#pragma once

#include <cstdio>
#include <exception>
#include <string_view>

#include "controller/base/exit_codes.hpp"

namespace saspd::cli {

// What main() returns: the code of `program`, or 70 with the reason on stderr if it throws, which
// can only be a bug or the end of memory.
template <class Program>
int guarded(std::string_view name, Program program) {
  const auto refuse = [name](const char* why) {
    std::fprintf(stderr, "%.*s: internal error: %s\n", static_cast<int>(name.size()), name.data(),
                 why);
    return static_cast<int>(ExitCode::internal);
  };
  try {
    return static_cast<int>(program());
  } catch (const std::exception& error) {
    return refuse(error.what());
  } catch (...) {
    return refuse("something that is no exception was thrown");
  }
}

}  // namespace saspd::cli
