// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/health.hpp"

#include <utility>

namespace saspd::gwm {
namespace {

constexpr std::uint64_t warm_up_samples = 2;

}  // namespace

void Health::add(Sample sample, const HealthRules& rules) {
  run_ = last_ && last_->ok == sample.ok ? run_ + 1 : 1;
  ++samples_;
  if (!sample.ok) ++failures_;
  last_ = std::move(sample);

  const AgentState agent_before = agent_;
  if (last_->report) agent_.apply(*last_->report);
  const State state_before = std::exchange(state_, state_after(rules));
  if (state_ != state_before) since_ = last_->at;
  changed_by_last_ = state_ != state_before || agent_ != agent_before;
  if (changed_by_last_) changed_at_ = last_->at;
}

Health::State Health::state_after(const HealthRules& rules) const {
  const bool is_first_state = state_ == State::unknown;
  if (is_first_state && samples_ < warm_up_samples) return State::unknown;
  if (last_->ok) return is_first_state || run_ >= rules.rise ? State::up : state_;
  return is_first_state || run_ >= rules.fall ? State::down : state_;
}

bool Health::in_doubt() const {
  if (state_ == State::unknown || !last_) return true;
  return last_->ok != (state_ == State::up);
}

}  // namespace saspd::gwm
