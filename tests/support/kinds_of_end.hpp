// SPDX-License-Identifier: Apache-2.0
// How a program is ended in a test of restarts: killed once in the usual run, and in all ways and several
// times with SASPD_KILLS (tests/run --long).
#pragma once

#include <csignal>
#include <cstdlib>
#include <vector>

namespace saspd::test {

inline bool is_long_run() {
  return std::getenv("SASPD_KILLS") != nullptr;
}

inline std::vector<int> kinds_of_end() {
  return is_long_run() ? std::vector<int>{SIGKILL, SIGTERM, SIGKILL} : std::vector<int>{SIGKILL};
}

}  // namespace saspd::test
