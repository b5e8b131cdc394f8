// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/scaling.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

namespace saspd::director {
namespace {

// Errors of a share up to here are left alone rather than rescaling the whole service.
constexpr double small_error = 0.02;

std::uint64_t sum_of(std::span<const std::uint32_t> weights) {
  return std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
}

// The slots of one turn of sh, in which a server of weight 0 gets one as well.
std::uint64_t turn_of(std::span<const std::uint32_t> weights) {
  const auto zeros = std::count(weights.begin(), weights.end(), 0U);
  return sum_of(weights) + static_cast<std::uint64_t>(zeros);
}

// How far a server's share of the slots can be from its share of the weights. The last turn is
// truncated, which favours servers in an order that only the kernel knows.
double worst_error(std::span<const std::uint32_t> weights, std::span<const std::uint32_t> scaled,
                   std::uint32_t slots) {
  const auto all = static_cast<double>(sum_of(weights));
  const std::uint64_t turn = turn_of(scaled);
  if (turn == 0 || turn > slots) return 1;
  double worst = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    worst = std::max(worst, std::abs(weights[i] / all - scaled[i] / static_cast<double>(turn)));
  }
  return worst + static_cast<double>(slots % turn) / slots;
}

}  // namespace

Limits limits_of(std::string_view scheduler, std::optional<std::uint32_t> max) {
  Limits limits{max, {}};
  const auto at_most = [&limits](std::uint32_t largest) {
    limits.largest = std::min(limits.largest.value_or(largest), largest);
  };
  if (scheduler == "wrr" || scheduler == "twos") at_most(100);
  if (scheduler == "mh") at_most(63);
  if (scheduler == "sh") limits.slots = 256;
  return limits;
}

std::optional<std::size_t> useful_servers(std::string_view scheduler) {
  if (scheduler == "wrr") return 2000;
  if (scheduler == "mh") return 4093;
  if (scheduler == "sh") return 256;
  return std::nullopt;
}

std::uint32_t Scale::Factor::of(std::uint32_t weight) const {
  if (weight == 0) return 0;
  const std::uint64_t rounded = (weight * numerator + denominator / 2) / denominator;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, rounded));
}

std::vector<std::uint32_t> Scale::Factor::of(std::span<const std::uint32_t> weights) const {
  std::vector<std::uint32_t> scaled;
  for (const std::uint32_t weight : weights)
    scaled.push_back(of(weight));
  return scaled;
}

std::vector<std::uint32_t> Scale::scale(std::span<const std::uint32_t> weights,
                                        const Limits& limits, bool beside_kept) {
  const std::uint32_t largest =
      weights.empty() ? 0 : *std::max_element(weights.begin(), weights.end());
  if (largest == 0) return {weights.begin(), weights.end()};
  if (limits.slots) {
    auto kept = factor_.of(weights);
    if (worst_error(weights, kept, *limits.slots) <= small_error) return kept;
    factor_ = for_slots(weights, *limits.slots);
  } else if (limits.largest) {
    if (!keeps_largest(largest, *limits.largest, beside_kept)) {
      factor_ = for_largest(weights, *limits.largest);
    }
  } else {
    factor_ = {};
  }
  return factor_.of(weights);
}

// A factor is too small when half of the range is unused, and 1 never is.
bool Scale::keeps_largest(std::uint32_t largest, std::uint32_t limit, bool beside_kept) const {
  const std::uint64_t scaled = factor_.of(largest);
  return scaled <= limit && (factor_.is_one() || beside_kept || 2 * scaled >= limit);
}

Scale::Factor Scale::for_largest(std::span<const std::uint32_t> weights, std::uint32_t limit) {
  const std::uint32_t largest = *std::max_element(weights.begin(), weights.end());
  if (largest <= limit) return {};
  const std::uint32_t divisor =
      std::accumulate(weights.begin(), weights.end(), largest,
                      [](std::uint32_t a, std::uint32_t b) { return std::gcd(a, b); });
  const std::uint32_t exact = largest / divisor;
  if (exact >= 1 && exact <= limit) return {limit / exact, divisor};
  return {limit, largest};
}

// A turn that divides the number of slots is not truncated; a small one rounds more.
Scale::Factor Scale::for_slots(std::span<const std::uint32_t> weights, std::uint32_t slots) {
  double least = worst_error(weights, weights, slots);
  Factor best = least < 1 ? Factor{} : for_turn(weights, slots);
  for (std::uint32_t turn = slots; turn >= 8; turn /= 2) {
    const Factor factor = for_turn(weights, turn);
    const double error = worst_error(weights, factor.of(weights), slots);
    if (error < least) {
      best = factor;
      least = error;
    }
  }
  return best;
}

// The largest factor, at most 1, after which a turn has at most `slots` slots, if there is one.
Scale::Factor Scale::for_turn(std::span<const std::uint32_t> weights, std::uint64_t slots) {
  constexpr std::uint64_t precision = 1024;
  const std::uint64_t denominator = sum_of(weights) * precision;
  std::uint64_t low = 0;
  std::uint64_t high = std::min(denominator, 2 * slots * precision);
  while (low < high) {
    const std::uint64_t middle = (low + high + 1) / 2;
    if (turn_of(Factor{middle, denominator}.of(weights)) <= slots)
      low = middle;
    else
      high = middle - 1;
  }
  return {low, denominator};
}

}  // namespace saspd::director
