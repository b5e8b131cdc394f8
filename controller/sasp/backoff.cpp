// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/backoff.hpp"

#include <algorithm>

namespace saspd::sasp {

Backoff::Retry Backoff::next(const End& end, TimePoint now) {
  const bool established = end.lived > Duration{};
  if (end.lived >= useful_after) attempts_ = 0;
  if (established && !end.thrown_out) thrown_out_.clear();
  if (established && end.thrown_out) thrown_out_.push_back(now);
  if (thrown_out_.size() > duplicate_after) thrown_out_.pop_front();
  const bool duplicate = suspects_duplicate(now);
  // A suspected duplicate leaves the field to the other for three times as long.
  const Duration minimum = duplicate ? 3 * minimum_ : minimum_;
  const unsigned doublings = std::min(attempts_++, 16U);
  const Duration limit = std::max(cap, minimum);
  const Duration ceiling = std::min(limit, minimum_ * 3 / 2 * (1U << doublings));
  const Duration floor = std::max(minimum, ceiling / 2);
  std::uniform_int_distribution<Duration::rep> draw(floor.count(),
                                                    std::max(floor, ceiling).count());
  return {Duration{draw(random_)}, duplicate};
}

bool Backoff::suspects_duplicate(TimePoint now) const {
  return thrown_out_.size() >= duplicate_after && now - thrown_out_.front() <= duplicate_within;
}

}  // namespace saspd::sasp
