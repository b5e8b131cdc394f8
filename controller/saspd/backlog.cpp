// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/backlog.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace saspd::director {
namespace {

bool takes_away(const lb::Change& change) {
  return change.action == lb::Action::set_destination && change.listed.weight > 0 &&
         change.destination.weight == 0;
}

}  // namespace

void Backlog::replace(const lb::ServiceKey& service, lb::Plan changes, lb::Plan late,
                      std::size_t ahead) {
  drop(service);
  if (ahead > 0) ahead_[service] = ahead;
  const bool removes = !changes.empty() && changes.front().action == lb::Action::remove_service;
  const bool loses = std::any_of(changes.begin(), changes.end(), takes_away);
  put(removes ? removals : loses ? losses : present, service, std::move(changes));
  put(late_additions, service, std::move(late));
}

void Backlog::put(Stage stage, const lb::ServiceKey& service, lb::Plan changes) {
  if (changes.empty()) return;
  size_ += changes.size();
  stages_[stage].emplace(service, std::deque<lb::Change>(std::move_iterator(changes.begin()),
                                                         std::move_iterator(changes.end())));
}

void Backlog::drop(const lb::ServiceKey& service) {
  for (const Stage stage : {losses, present, removals, late_additions})
    drop(stage, service);
  ahead_.erase(service);
}

void Backlog::drop(Stage stage, const lb::ServiceKey& service) {
  const auto queued = stages_[stage].find(service);
  if (queued == stages_[stage].end()) return;
  size_ -= queued->second.size();
  stages_[stage].erase(queued);
}

lb::Plan Backlog::take(std::size_t most, std::size_t services) {
  lb::Plan taken;
  for (auto& stage : stages_) {
    while (!stage.empty()) {
      const auto next = next_of(stage);
      auto& changes = next->second;
      const bool full = services == 0 || taken.size() + changes.size() > most;
      if (!taken.empty() && full) return taken;
      --services;
      const auto ahead = ahead_.find(next->first);
      const std::size_t together = ahead != ahead_.end() ? ahead->second : changes.size();
      const auto count = static_cast<std::ptrdiff_t>(std::min(together, most));
      if (ahead != ahead_.end() && (ahead->second -= static_cast<std::size_t>(count)) == 0)
        ahead_.erase(ahead);
      std::move(changes.begin(), changes.begin() + count, std::back_inserter(taken));
      changes.erase(changes.begin(), changes.begin() + count);
      size_ -= static_cast<std::size_t>(count);
      last_ = next->first;
      if (!changes.empty()) return taken;
      stage.erase(next);
    }
  }
  after_.reset();
  return taken;
}

Backlog::Queue::iterator Backlog::next_of(Queue& stage) const {
  const auto behind = after_ ? stage.upper_bound(*after_) : stage.begin();
  return behind != stage.end() ? behind : stage.begin();
}

bool Backlog::has(const lb::ServiceKey& service) const {
  return std::any_of(stages_.begin(), stages_.end(),
                     [&](const Queue& stage) { return stage.contains(service); });
}

std::vector<lb::ServiceKey> Backlog::clear() {
  std::vector<lb::ServiceKey> services;
  for (auto& stage : stages_) {
    for (const auto& [service, changes] : stage)
      services.push_back(service);
    stage.clear();
  }
  ahead_.clear();
  size_ = 0;
  after_ = last_;
  return services;
}

}  // namespace saspd::director
