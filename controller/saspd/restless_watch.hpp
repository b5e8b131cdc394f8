// SPDX-License-Identifier: Apache-2.0
// Detects weights of a service that do not come to rest. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/lb/service.hpp"
#include "controller/saspd/projection.hpp"

namespace saspd::director {

// A weight may be decided anew every `usual`, and `most` times beyond that. Then it is restless,
// until it has made up for what it moved too often: for `most * usual` at most.
class RestlessWatch {
 public:
  static constexpr Duration usual = std::chrono::seconds{6};
  static constexpr unsigned most = 20;

  // `before`: what was decided last; nothing: nothing was.
  void update(const ServiceDecision* before, const ServiceDecision& now, TimePoint when);
  std::vector<Endpoint> restless() const;
  bool is_at_rest() const { return moves_.empty(); }
  // When time alone ends it, if it is restless.
  std::optional<TimePoint> deadline() const;

 private:
  struct Moves {
    TimePoint made_up_for;  // all of them, by then
    bool restless = false;
  };
  void moved(const Endpoint& endpoint, TimePoint when);

  std::map<Endpoint, Moves> moves_;
};

}  // namespace saspd::director
