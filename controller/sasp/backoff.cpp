#include "controller/sasp/backoff.hpp"

#include <algorithm>

namespace saspd::sasp {

Backoff::Retry Backoff::next(const End& end) {
  const bool established = end.lived > Duration{};
  if (end.lived >= useful_after) attempts_ = 0;
  if (established) {
    kicked_out_ = end.closed_by_peer && end.lived < useful_after ? kicked_out_ + 1 : 0;
  }
  const bool duplicate = kicked_out_ >= duplicate_after;
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

}  // namespace saspd::sasp
