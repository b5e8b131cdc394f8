#include "controller/lb/plan.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace saspd::lb {

std::string WeightChange::text() const {
  return fmt::format("{} {} weight {} -> {}", lb::text(service), destination.endpoint.text(),
                     old_weight, destination.weight);
}

Plan diff(const Table& actual, const Table& desired) {
  Plan plan;
  for (const auto& [service, pool] : desired) {
    const auto existing = actual.find(service);
    if (existing == actual.end()) continue;
    for (const auto& [endpoint, destination] : pool.destinations) {
      const auto now = existing->second.destinations.find(endpoint);
      if (now == existing->second.destinations.end()) continue;
      if (now->second.weight == destination.weight) continue;
      WeightChange change{service, now->second, now->second.weight};
      change.destination.weight = destination.weight;
      plan.push_back(std::move(change));
    }
  }
  std::stable_partition(plan.begin(), plan.end(), [](const WeightChange& change) {
    return change.destination.weight > change.old_weight;
  });
  return plan;
}

void apply(const WeightChange& change, Table& table) {
  const auto pool = table.find(change.service);
  if (pool == table.end()) return;
  const auto destination = pool->second.destinations.find(change.destination.endpoint);
  if (destination != pool->second.destinations.end()) {
    destination->second.weight = change.destination.weight;
  }
}

}  // namespace saspd::lb
