// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/restless_watch.hpp"

#include <algorithm>

namespace saspd::director {

void RestlessWatch::update(const ServiceDecision* before, const ServiceDecision& now,
                           TimePoint when) {
  std::erase_if(moves_, [when](const auto& entry) { return entry.second.made_up_for <= when; });
  if (before == nullptr) return;
  auto old = before->members.begin();
  for (const auto& [endpoint, member] : now.members) {
    while (old != before->members.end() && old->first < endpoint)
      ++old;
    const bool was_there = old != before->members.end() && old->first == endpoint;
    if (was_there && old->second.target != member.target) moved(endpoint, when);
  }
}

void RestlessWatch::moved(const Endpoint& endpoint, TimePoint when) {
  Moves& moves = moves_[endpoint];
  moves.made_up_for = std::max(moves.made_up_for, when) + usual;
  moves.restless = moves.restless || moves.made_up_for > when + most * usual;
  moves.made_up_for = std::min(moves.made_up_for, when + most * usual);
}

std::vector<Endpoint> RestlessWatch::restless() const {
  std::vector<Endpoint> restless;
  for (const auto& [endpoint, moves] : moves_) {
    if (moves.restless) restless.push_back(endpoint);
  }
  return restless;
}

std::optional<TimePoint> RestlessWatch::deadline() const {
  std::optional<TimePoint> first;
  for (const auto& [endpoint, moves] : moves_) {
    if (moves.restless) first = earliest({first, moves.made_up_for});
  }
  return first;
}

}  // namespace saspd::director
