#include "controller/saspd/scaling.hpp"

#include <algorithm>
#include <numeric>

namespace saspd {
namespace {

std::uint32_t scale_weight(std::uint32_t weight, std::uint64_t numerator,
                           std::uint64_t denominator) {
  if (weight == 0) return 0;
  const std::uint64_t rounded = (weight * numerator + denominator / 2) / denominator;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, rounded));
}

}  // namespace

std::optional<std::uint32_t> largest_weight(std::string_view scheduler) {
  if (scheduler == "wrr") return 100;
  return std::nullopt;
}

std::vector<std::uint32_t> scale_weights(std::span<const std::uint32_t> weights,
                                         std::optional<std::uint32_t> limit) {
  std::vector<std::uint32_t> scaled(weights.begin(), weights.end());
  const std::uint32_t largest =
      weights.empty() ? 0 : *std::max_element(weights.begin(), weights.end());
  if (!limit || largest <= *limit) return scaled;
  const std::uint32_t divisor =
      std::accumulate(weights.begin(), weights.end(), largest,
                      [](std::uint32_t a, std::uint32_t b) { return std::gcd(a, b); });
  const bool exact = largest / divisor <= *limit;
  for (auto& weight : scaled) {
    weight = exact ? weight / divisor : scale_weight(weight, *limit, largest);
  }
  return scaled;
}

}  // namespace saspd
