// SPDX-License-Identifier: Apache-2.0

#include "controller/base/nearest.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include <fmt/format.h>

#include "controller/base/ascii.hpp"

namespace saspd {
namespace {

// Longer words are not names of ours, and the distance costs the product of the lengths.
constexpr std::size_t longest_word = 64;

bool same(char a, char b) {
  return ascii::to_lower(a) == ascii::to_lower(b);
}

// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t replaced = cost[i - 1][j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

// More would be another word.
std::size_t slips(std::string_view word) {
  return std::max<std::size_t>(1, word.size() / 4);
}

// The one name of which `word` is the beginning.
std::string_view only_longer(std::string_view word, std::span<const std::string_view> known) {
  std::string_view found;
  for (const auto name : known) {
    if (word.size() < 3 || !name.starts_with(word)) continue;
    if (!found.empty()) return {};
    found = name;
  }
  return found;
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  if (word.empty() || word.size() > longest_word) return best;
  std::size_t least = slips(word) + 1;
  for (const auto name : known) {
    const std::size_t far = distance(word, name);
    if (far >= least) continue;
    least = far;
    best = name;
  }
  return best.empty() ? only_longer(word, known) : best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known,
                         std::string_view before) {
  const auto name = nearest(word, known);
  return name.empty() ? std::string() : fmt::format("; did you mean '{}{}'?", before, name);
}

}  // namespace saspd
