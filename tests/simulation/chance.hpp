// SPDX-License-Identifier: Apache-2.0
// Where all chance comes from: the same with every compiler and library, so that a seed means the
// same everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace saspd::simulation {

// splitmix64.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  // 0 .. limit - 1; limit > 0.
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(next() % limit); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <class T>
  T any(std::initializer_list<T> of) {
    return *(of.begin() + below(static_cast<std::uint32_t>(of.size())));
  }
  template <class Container>
  auto& any_of(Container& of) {
    return of[below(static_cast<std::uint32_t>(of.size()))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace saspd::simulation
