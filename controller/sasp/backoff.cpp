#include "controller/sasp/backoff.hpp"

#include <algorithm>

namespace saspd::sasp {

Duration Backoff::next(Duration lived) {
  if (lived >= useful_after) attempts_ = 0;
  const unsigned doublings = std::min(attempts_++, 16U);
  const Duration limit = std::max(cap, minimum_);
  const Duration ceiling = std::min(limit, minimum_ * 3 / 2 * (1U << doublings));
  const Duration floor = std::max(minimum_, ceiling / 2);
  std::uniform_int_distribution<Duration::rep> draw(floor.count(),
                                                    std::max(floor, ceiling).count());
  return Duration{draw(random_)};
}

}  // namespace saspd::sasp
