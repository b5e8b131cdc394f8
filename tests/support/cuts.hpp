// SPDX-License-Identifier: Apache-2.0
// The ways in which a stream may arrive: nothing that reads it may tell the difference.
#pragma once

#include <algorithm>
#include <functional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "controller/sasp/codec.hpp"

namespace saspd::test {

struct Cuts {
  std::string name;                         // says how to repeat it
  std::function<std::size_t()> next_piece;  // at least 1

  template <class Feed>
  void feed(sasp::ByteView bytes, Feed take) {
    while (!bytes.empty()) {
      const std::size_t size = std::min(next_piece(), bytes.size());
      take(bytes.first(size));
      bytes = bytes.subspan(size);
    }
  }
};

inline void PrintTo(const Cuts& cuts, std::ostream* out) {
  *out << cuts.name;
}

inline Cuts whole() {
  return {"whole", [] { return std::size_t{0} - 1; }};
}
inline Cuts in_pieces_of(std::size_t size) {
  return {"in pieces of " + std::to_string(size), [size] { return size; }};
}
// Pieces from one byte up to a few components.
inline Cuts at_random(unsigned seed) {
  return {"cut at random, seed " + std::to_string(seed),
          [engine = std::mt19937(seed)]() mutable { return std::size_t{1} + engine() % 40; }};
}

inline std::vector<Cuts> all_cuts() {
  std::vector<Cuts> all{whole(), in_pieces_of(1), in_pieces_of(7)};
  for (unsigned seed = 1; seed <= 8; ++seed)
    all.push_back(at_random(seed));
  return all;
}

}  // namespace saspd::test
