// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/agenda.hpp"

namespace saspd::director {

void Agenda::set_deadline(const lb::ServiceKey& service, std::optional<TimePoint> when) {
  const auto known = deadlines_.find(service);
  if (known != deadlines_.end()) {
    if (when == known->second) return;
    by_time_.erase({known->second, service});
    deadlines_.erase(known);
  }
  if (!when) return;
  deadlines_.emplace(service, *when);
  by_time_.emplace(*when, service);
}

std::set<lb::ServiceKey> Agenda::take(TimePoint now) {
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    const lb::ServiceKey due = by_time_.begin()->second;
    mark(due);
    set_deadline(due, std::nullopt);
  }
  return std::exchange(marked_, {});
}

}  // namespace saspd::director
