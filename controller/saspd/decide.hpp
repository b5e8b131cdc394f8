// SPDX-License-Identifier: Apache-2.0
// From what is known to what shall be, and so to what is to be written. Pure.
#pragma once

#include "controller/saspd/knowledge.hpp"

namespace saspd::director {

struct DecisionSettings {
  ProjectionPolicy policy;
  bool own_table = false;  // services of no group are taken out
  // Members without advice that are not in the kernel wait for it until then.
  TimePoint waits_until;
  std::optional<Duration> stale_after{};  // see patience_with()
};

Decisions decide(const Knowledge& known, const DecisionSettings& settings, TimePoint now);

}  // namespace saspd::director
