// SPDX-License-Identifier: Apache-2.0
// Which services are to be decided again: those of which something has changed that their decision
// follows from, and those that the clock alone will change. A value. Pure.
#pragma once

#include <optional>
#include <set>

#include "controller/base/deadlines.hpp"
#include "controller/lb/service.hpp"

namespace saspd::director {

class Agenda {
 public:
  // Something that its decision follows from may be different.
  void mark(const lb::ServiceKey& service) { marked_.insert(service); }
  // From then on the passing of time may make its decision a different one; nothing: it does not.
  void set_deadline(const lb::ServiceKey& service, std::optional<TimePoint> when);

  // When the next one of them is due, of those that have a deadline.
  std::optional<TimePoint> next() const { return deadlines_.next(); }
  // Those that are marked or due, which they no longer are afterwards.
  std::set<lb::ServiceKey> take(TimePoint now);

 private:
  std::set<lb::ServiceKey> marked_;
  Deadlines<lb::ServiceKey> deadlines_;
};

}  // namespace saspd::director
