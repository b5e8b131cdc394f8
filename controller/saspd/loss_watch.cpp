// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/loss_watch.hpp"

namespace saspd::director {
namespace {

// Whether a weight of 0 by this rule is what the GWM wants.
bool is_advised(Reason reason) {
  return reason == Reason::quiesced || reason == Reason::no_contact ||
         reason == Reason::not_confident || reason == Reason::advice;
}

bool is_more_than_a_third(std::uint64_t part, std::uint64_t whole) {
  return 3 * part > whole;
}

}  // namespace

bool LossWatch::update(const lb::Pool& kernel, const ServiceDecision& decision, TimePoint now) {
  const bool forgotten = loss_ && now - loss_->since >= remembered;
  if (forgotten) loss_.reset();
  if (!started_ || forgotten || (!loss_ && now - *started_ >= at_once)) start_from(kernel, now);
  kept(kernel, now);
  auto found = compare(decision, now);
  if (found && loss_) found->since = loss_->since;
  const bool ended = !found && loss_;
  if (ended) start_from(kernel, now);
  loss_ = std::move(found);
  return ended;
}

void LossWatch::kept(const lb::Pool& kernel, TimePoint when) {
  if (started_ && !loss_ && starts_from(kernel)) started_ = when;
}

std::optional<TimePoint> LossWatch::deadline(const lb::Pool& kernel) const {
  if (loss_) return loss_->since + remembered;
  if (!started_ || starts_from(kernel)) return std::nullopt;
  return *started_ + at_once;
}

bool LossWatch::starts_from(const lb::Pool& kernel) const {
  auto known = before_.begin();
  for (const auto& [endpoint, destination] : kernel.destinations) {
    if (destination.weight == 0) continue;
    if (known == before_.end() || known->first != endpoint || known->second != destination.weight)
      return false;
    ++known;
  }
  return known == before_.end();
}

void LossWatch::start_from(const lb::Pool& kernel, TimePoint now) {
  started_ = now;
  before_.clear();
  for (const auto& [endpoint, destination] : kernel.destinations) {
    if (destination.weight > 0) before_.emplace_back(endpoint, destination.weight);
  }
}

std::optional<SuddenLoss> LossWatch::compare(const ServiceDecision& decision, TimePoint now) const {
  SuddenLoss loss{now, 0, before_.size(), true, {}};
  std::uint64_t all = 0;
  std::uint64_t quiesced = 0;
  std::uint64_t lost = 0;
  for (const auto& [endpoint, weight] : before_) {
    all += weight;
    const auto member = decision.members.find(endpoint);
    if (member == decision.members.end() || member->second.weight > 0) continue;
    if (!is_advised(member->second.reason)) continue;
    (member->second.reason == Reason::quiesced ? quiesced : lost) += weight;
    loss.lost.emplace_back(endpoint, member->second.reason);
  }
  if (!is_more_than_a_third(lost + quiesced, all)) return std::nullopt;
  loss.percent = static_cast<std::uint32_t>(100 * (lost + quiesced) / all);
  loss.only_by_quiesce = !is_more_than_a_third(lost, all);
  return loss;
}

}  // namespace saspd::director
