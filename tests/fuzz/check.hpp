// An invariant of a fuzz target: unlike assert, it holds in every build.
#pragma once

#include <cstdlib>

namespace saspd::fuzz {

inline void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace saspd::fuzz
