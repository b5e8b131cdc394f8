// SPDX-License-Identifier: Apache-2.0
// The zeros that are not ours to raise, in words.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controller/saspd/ledger.hpp"

namespace saspd::director {

struct HeldZero {
  std::string group;
  Zero zero;  // foreign or unclear
  bool operator==(const HeldZero&) const = default;
};
// Destinations that are held at 0, by their services.
using HeldZeros = std::map<std::pair<lb::ServiceKey, Endpoint>, HeldZero>;

// Whose it is, or why that is unclear; and who lifts it.
std::string explain(const Zero& zero);
// The command that returns it to the advice.
std::string lifting_command(const std::string& group, const Endpoint& endpoint);

struct ZeroNews {
  bool begins = false;
  std::string text;
};
// What to log: a line for each zero that began, ended or has another author now; for many, the
// first few and the number of the rest. `actual`: the kernel's current table.
std::vector<ZeroNews> zero_news(const HeldZeros& before, const HeldZeros& now,
                                const lb::Table& actual);

}  // namespace saspd::director
