// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/link_standing.hpp"

#include <utility>

#include <fmt/format.h>

namespace saspd::sasp {

void LinkStanding::connecting(TimePoint now) {
  established_since_.reset();
  lost_at_.reset();
  set_state(LinkState::connecting, now);
}

void LinkStanding::established(TimePoint now) {
  ever_established_ = true;
  established_since_ = now;
  set_state(LinkState::established, now);
}

void LinkStanding::lost(std::string why, TimePoint now) {
  last_error_ = std::move(why);
  lost_at_ = now;
  set_state(LinkState::down_trying, now);
}

LinkStanding::Retry LinkStanding::ended(const LinkEnd& end, TimePoint now) {
  const auto lived = established_since_ ? lost_at_.value_or(now) - *established_since_ : Duration{};
  const auto retry = backoff_.next({lived, end.thrown_out}, now);
  last_error_ = end.why;
  if (retry.duplicate_suspected) {
    last_error_ += fmt::format(
        ", {} times in a row, although it was still up: another load balancer seems to use the "
        "same LB UID",
        Backoff::duplicate_after);
  }
  set_state(end.by_tls                  ? LinkState::tls_error
            : retry.duplicate_suspected ? LinkState::down_duplicate
            : ever_established_         ? LinkState::down_trying
                                        : LinkState::trying,
            now);
  return {retry.delay, fmt::format("{}; next attempt in {} s", last_error_,
                                   std::chrono::ceil<std::chrono::seconds>(retry.delay).count())};
}

LinkView LinkStanding::view(TimePoint now) const {
  return {state_, state_since_, last_message_, last_error_, backoff_.suspects_duplicate(now)};
}

void LinkStanding::set_state(LinkState state, TimePoint now) {
  if (state_ == state) return;
  state_ = state;
  state_since_ = now;
}

}  // namespace saspd::sasp
