// SPDX-License-Identifier: Apache-2.0
// Counts the basic blocks that run of the sources compiled into the program that includes it, in one
// file of it: saspd_counted_steps() in tests/CMakeLists.txt.
#pragma once

#include <cstddef>

namespace saspd::testing {

inline std::size_t steps = 0;

}  // namespace saspd::testing

extern "C" void __sanitizer_cov_trace_pc() {
  ++saspd::testing::steps;
}
