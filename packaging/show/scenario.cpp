// SPDX-License-Identifier: Apache-2.0

#include "packaging/show/scenario.hpp"

#include <fmt/format.h>

namespace saspd::show {

std::string text(const Advised& advised) {
  switch (advised.kind) {
    case Advised::Kind::quiesce: return "quiesce";
    case Advised::Kind::down: return "down";
    case Advised::Kind::stopped: return "stopped";
    case Advised::Kind::weight: break;
  }
  return fmt::format("{}", advised.weight);
}

std::string text(const std::array<Advised, server_count>& advice) {
  std::string all;
  for (const auto& advised : advice) {
    if (!all.empty()) all += ' ';
    all += text(advised);
  }
  return all;
}

std::array<double, server_count> expected_shares(const Phase& phase) {
  double sum = 0;
  for (const auto& advised : phase.advice)
    sum += advised.weight;
  std::array<double, server_count> shares{};
  for (std::size_t i = 0; i < server_count; ++i)
    shares.at(i) = 100.0 * phase.advice.at(i).weight / sum;
  return shares;
}

}  // namespace saspd::show
