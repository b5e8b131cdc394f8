// SPDX-License-Identifier: Apache-2.0
// When the reconciler works: what is done at once, and what waits for the next pass.

#include <algorithm>
#include <utility>

#include "controller/saspd/reconciler.hpp"

namespace saspd::director {

std::size_t Reconciler::update(std::size_t gwm, const sasp::WeightsReceived& weights,
                               TimePoint now) {
  const std::size_t ignored = known_.update(gwm, weights, now);
  advised_ = true;
  for (const auto& loss : known_.take_losses())
    at_once_ = at_once_ || is_urgent(loss);
  return ignored;
}

void Reconciler::set_connected(std::size_t gwm, bool connected) {
  if (known_.set_connected(gwm, connected)) at_once_ = true;
}

bool Reconciler::heard(std::size_t gwm, const sasp::Heard& heard) {
  if (!known_.heard(gwm, heard)) return false;
  advised_ = true;
  return true;
}

// A weight that the kernel has, or is about to get, is to go. What is held back does not: a GWM that
// changes its mind about it again and again is no reason to hurry.
bool Reconciler::is_urgent(const Loss& loss) const {
  const auto group = known_.advice().groups().find(loss.group);
  if (group == known_.advice().groups().end()) return false;
  const Endpoint endpoint = loss.member.endpoint();
  const auto& services = group->second.settings.services;
  return std::any_of(services.begin(), services.end(), [&](const ServiceSettings& service) {
    if (member_of(service, endpoint) != loss.member) return false;
    const auto* decision = decisions_.find(service.key);
    if (decision != nullptr && decision->held && !loss.quiesced) return false;
    const auto& destinations = known_.pool(service.key).destinations;
    const auto there = destinations.find(endpoint);
    const bool serves = there != destinations.end() && there->second.weight > 0;
    return serves || backlog_.has(service.key);
  });
}

Work Reconciler::work(TimePoint now) {
  Work work;
  if (!started_) started_ = now;
  if (!table_known_ && (rests(now) || !list(work, now))) {
    work.failing = true;
    work.remaining = backlog_.size();
    return work;
  }
  keep_ledger();
  if (at_once_ || is_due(now)) decide(work, now);
  if (backlog_.empty()) keep_ledger();
  if (!settings_.dry_run) {
    if (auto tidied = plane_.tidy(); !tidied) work.failures.push_back(tidied.error());
  }
  write(work, now);
  if (backlog_.empty()) end_pass(work);
  work.failing = failing_ || failed_;
  return work;
}

// What failed is tried again once the kernel was listed anew. What others wrote meanwhile is looked
// at as soon as the rest of the backlog is written, and nothing of that over it: at once, but not
// again and again, or two who write would never come to rest.
void Reconciler::end_pass(Work& work) {
  failing_ = std::exchange(failed_, false);
  if (failing_) table_known_ = false;
  if (!std::exchange(overtaken_, false)) return;
  table_known_ = false;
  work.more = !std::exchange(looked_at_once_, true);
  at_once_ = at_once_ || work.more;
}

TimePoint Reconciler::rested() const {
  return last_pass_ ? *last_pass_ + settings_.pace.between_passes : TimePoint{};
}

bool Reconciler::rests(TimePoint now) const {
  return !at_once_ && now < rested();
}

std::optional<TimePoint> Reconciler::next_decision() const {
  if (advised_) return rested();
  if (!table_known_) return std::nullopt;
  const auto next =
      earliest({known_.next_due(settings_.stale_after), known_.overrides().next_end()});
  return next ? std::max(*next, rested()) : next;
}

bool Reconciler::is_due(TimePoint now) const {
  const auto next = next_decision();
  return next && *next <= now;
}

void Reconciler::look_again() {
  table_known_ = false;
  looked_at_once_ = false;
  at_once_ = true;
}

}  // namespace saspd::director
