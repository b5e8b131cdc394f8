// SPDX-License-Identifier: Apache-2.0

#include "controller/cli/settings.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace saspd::cli {
namespace {

using Values = std::vector<std::string>;

bool has(const Values& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Those of `values` that are, or are not, among `others`; in their order.
Values among(const Values& values, const Values& others, bool wanted) {
  Values found;
  for (const auto& value : values) {
    if (has(others, value) == wanted) found.push_back(value);
  }
  return found;
}

std::string shown(const Values& values) {
  return values.empty() ? "none" : fmt::format("{}", fmt::join(values, ", "));
}

}  // namespace

std::vector<std::string> Change::lines() const {
  if (!is_list) return {fmt::format("{}: {} -> {}", key, shown(removed), shown(added))};
  std::vector<std::string> lines;
  for (const auto& value : removed)
    lines.push_back(fmt::format("- {} = {}", key, value));
  for (const auto& value : added)
    lines.push_back(fmt::format("+ {} = {}", key, value));
  if (reordered) lines.push_back(fmt::format("{}: in another order", key));
  return lines;
}

std::vector<Change> difference(const Settings& before, const Settings& after) {
  std::vector<Change> changes;
  for (const auto& now : after) {
    const auto known = std::find_if(before.begin(), before.end(),
                                    [&](const auto& setting) { return setting.key == now.key; });
    const Values was = known != before.end() ? known->values : Values();
    if (was == now.values) continue;
    changes.push_back({now.key, now.is_list, now.is_live, among(was, now.values, false),
                       among(now.values, was, false),
                       among(was, now.values, true) != among(now.values, was, true)});
  }
  return changes;
}

std::string needing_restart(const std::vector<Change>& changes) {
  Values keys;
  for (const auto& change : changes) {
    if (!change.is_live) keys.push_back(change.key);
  }
  return fmt::format("{}", fmt::join(keys, ", "));
}

}  // namespace saspd::cli
