// SPDX-License-Identifier: Apache-2.0
// What other programs write over what saspd has seen or written: each such write is an event. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/lb/service.hpp"
#include "controller/report/words.hpp"
#include "controller/saspd/ledger.hpp"
#include "controller/saspd/projection.hpp"

namespace saspd::director {

using report::DriftPolicy;

// A change that two listings show, and that is not ours.
struct ForeignWrite {
  enum class Kind : std::uint8_t { changed, added, removed };

  lb::ServiceKey service;
  std::optional<Endpoint> endpoint{};  // nothing: of the service itself
  std::string what;  // "weight 40 -> 7"; of one that was added or removed, its weight
  struct Weights {
    std::uint32_t before = 0;
    std::uint32_t now = 0;
  };
  std::optional<Weights> weights{};  // of a destination that is in both listings; nothing: another
                                     // attribute of it
  Kind kind = Kind::changed;

  std::string subject() const;  // "tcp:192.0.2.10:80 10.0.0.1:8080"
  std::string deed() const;     // "changed weight 40 -> 7", "added it with weight 10"
};
// Of the service and its destinations. `ours`: what we have tried to write without learning whether
// we did: a weight, or that the destination is gone.
using UncertainWeights = std::map<Endpoint, std::optional<std::uint32_t>>;
std::vector<ForeignWrite> foreign_writes(const lb::ServiceKey& service, const lb::Pool& before,
                                         const lb::Pool& now, const UncertainWeights& ours);

// Those of `standing` that still stand take the place of what was decided.
void let_stand(const StandingWeights& standing, const lb::Pool& kernel, ServiceDecision& decision);

// What follows from a write, once it was decided. `ours_alone`: nobody else has a say in the service.
std::string what_follows(const ForeignWrite& write, const ServiceDecision* decision,
                         DriftPolicy policy, bool ours_alone);

// An event, as it is logged, counted and shown.
struct Drift {
  ForeignWrite write;
  std::string follows;
  TimePoint when;

  std::string text() const;
};
struct DriftCount {
  std::uint64_t total = 0;
  std::optional<Drift> last{};
};

}  // namespace saspd::director
