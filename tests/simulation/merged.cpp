// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/merged.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace saspd::simulation {
namespace {

using Weights = std::vector<double>;  // of one member, by GWM

// What one GWM's weight counts for; 0: it may not serve, as far as that one knows.
double usable(const gwm::Advice& advice) {
  return advice.contact && advice.confident && !advice.quiesce ? advice.weight : 0;
}

double mean(const Weights& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The average that a GWM's weights are measured by: over the members that all give a weight, or
// where there is none, over its own.
Weights averages(const std::vector<Weights>& members, std::size_t gwms) {
  std::vector<Weights> common(gwms);
  std::vector<Weights> own(gwms);
  for (const auto& weights : members) {
    const bool by_all = std::all_of(weights.begin(), weights.end(), [](double w) { return w > 0; });
    for (std::size_t n = 0; n < gwms; ++n) {
      if (by_all) common[n].push_back(weights[n]);
      if (weights[n] > 0) own[n].push_back(weights[n]);
    }
  }
  Weights averages;
  for (const auto& values : common[0].empty() ? own : common)
    averages.push_back(mean(values));
  return averages;
}

double combined(const std::string& how, const Weights& weights) {
  if (how == "min") return *std::min_element(weights.begin(), weights.end());
  if (how == "max") return *std::max_element(weights.begin(), weights.end());
  return mean(weights);
}

// `said`: of one member, by GWM. `factors`: what brings each GWM's weights to the common scale.
gwm::Advice together(const std::string& how, const std::vector<gwm::Advice>& said,
                     const Weights& factors) {
  gwm::Advice advice{false, false, false, 0};
  Weights weights;
  bool lost_by_one = false;
  bool contact = false;
  for (std::size_t n = 0; n < said.size(); ++n) {
    advice.quiesce = advice.quiesce || said[n].quiesce;
    advice.confident = advice.confident || said[n].confident;
    advice.contact = advice.contact || said[n].contact;
    if (!said[n].confident || said[n].quiesce) continue;
    contact = contact || said[n].contact;
    lost_by_one = lost_by_one || !said[n].contact;
    weights.push_back(usable(said[n]) * factors[n]);
  }
  if (weights.empty()) return advice;
  advice.contact = how == "min" ? !lost_by_one : contact;
  const double weight = advice.contact ? combined(how, weights) : 0;
  if (weight > 0) advice.weight = static_cast<std::uint16_t>(std::max(1.0, std::round(weight)));
  return advice;
}

}  // namespace

gwm::AdviceTable merged(const Options& options, const std::vector<gwm::AdviceTable>& tables) {
  gwm::AdviceTable result = tables[0];
  if (options.merge == "primary" || tables.size() == 1) return result;
  for (auto& [group, members] : result) {
    std::vector<std::vector<gwm::Advice>> said;
    std::vector<Weights> weights;
    for (const auto& [member, advice] : members) {
      auto& by_gwm = said.emplace_back();
      auto& usable_by = weights.emplace_back();
      for (const auto& table : tables) {
        by_gwm.push_back(table.at(group).at(member));
        usable_by.push_back(usable(by_gwm.back()));
      }
    }
    const auto measures = averages(weights, tables.size());
    Weights given = measures;
    std::erase(given, 0.0);
    Weights factors;
    for (const double measure : measures)
      factors.push_back(measure > 0 ? mean(given) / measure : 0);
    std::size_t n = 0;
    for (auto& [member, advice] : members)
      advice = together(options.merge, said[n++], factors);
  }
  return result;
}

}  // namespace saspd::simulation
