// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/agenda.hpp"

#include <utility>

namespace saspd::director {

void Agenda::set_deadline(const lb::ServiceKey& service, std::optional<TimePoint> when) {
  if (when)
    deadlines_.set(service, *when);
  else
    deadlines_.clear(service);
}

std::set<lb::ServiceKey> Agenda::take(TimePoint now) {
  for (const auto& service : deadlines_.due(now)) {
    mark(service);
    deadlines_.clear(service);
  }
  return std::exchange(marked_, {});
}

}  // namespace saspd::director
