// SPDX-License-Identifier: Apache-2.0
// An invariant of a fuzz target: unlike assert, it holds in every build.
#pragma once

// <cstddef> and <cstdint>: the types of every target's entry point.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace saspd::fuzz {

inline void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace saspd::fuzz
