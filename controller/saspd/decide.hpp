// SPDX-License-Identifier: Apache-2.0
// From what is known of a service to what it shall be, and so to what is to be written. Pure: what is
// decided about one service follows from nothing that belongs to another.
#pragma once

#include <optional>

#include "controller/saspd/knowledge.hpp"
#include "controller/saspd/pace.hpp"

namespace saspd::director {

struct DecisionSettings {
  ProjectionPolicy policy;
  bool own_table = false;  // services of no group are taken out
  // Members without advice that are not in the kernel wait for it until then.
  TimePoint waits_until;
  std::optional<Duration> stale_after{};  // see patience_with()
  Pace pace{};
};

// What shall become of one service.
struct Verdict {
  ServiceDecision decision;
  Scale scale;         // that it was made by
  AdviceWatch advice;  // whether it is steered, as of now
  HeldZeros zeros;     // that are not ours to raise
  // When time alone may make it another one: see Agenda.
  std::optional<TimePoint> until;
};
// Nothing: no group has it, or it is not in the kernel and not ours to create.
std::optional<Verdict> decide(const Knowledge& known, const DecisionSettings& settings,
                              const lb::ServiceKey& service, TimePoint now);

// What is to be written of the service for that.
struct Writes {
  lb::Plan changes;
  // Members that registered themselves come after all others of all services: where there is no
  // room for everyone, they are the ones that are left out.
  lb::Plan late;
};
Writes writes(const Knowledge& known, const DecisionSettings& settings,
              const lb::ServiceKey& service, const ServiceDecision* decision, TimePoint now);

}  // namespace saspd::director
