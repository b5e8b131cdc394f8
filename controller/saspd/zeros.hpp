// The zeros that are not ours to raise, in words.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controller/saspd/ledger.hpp"

namespace saspd {

struct HeldZero {
  std::string group;
  Zero zero;  // foreign or unclear
  bool operator==(const HeldZero&) const = default;
};
// Destinations that are held at 0, by their services.
using HeldZeros = std::map<std::pair<lb::ServiceKey, Endpoint>, HeldZero>;

// Whose it is, or why that cannot be told; and who lifts it.
std::string explain(const Zero& zero);
// The command that gives it back to the advice.
std::string lifting_command(const std::string& group, const Endpoint& endpoint);

struct ZeroNews {
  bool begins = false;
  std::string text;
};
// What to log: a line for each that began, ended or has another author now; of many the first few,
// and how many more there are. `actual`: the kernel's table now.
std::vector<ZeroNews> zero_news(const HeldZeros& before, const HeldZeros& now,
                                const lb::Table& actual);

}  // namespace saspd
