// SPDX-License-Identifier: Apache-2.0
// How long to wait before the next connection attempt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>

#include "controller/base/clock.hpp"

namespace saspd::sasp {

// RFC 4678 9.2: at least 20 s after a GWM was not ready; sasp-interop row 38: jitter, cap of 300 s.
// A thousand load balancers whose GWM restarts must not come back in the same second, so each delay
// is drawn from the upper half of a ceiling that doubles with every attempt.
class Backoff {
 public:
  static constexpr Duration cap = std::chrono::seconds{300};
  // A connection that lived this long was useful: the next loss starts from the beginning. A
  // shorter one was not, however well it started (a GWM that flaps).
  static constexpr Duration useful_after = std::chrono::seconds{60};
  // After this many established connections in a row that a GWM ended within this time while it
  // stayed up, another load balancer most likely uses our LB UID, and each connection ends the
  // other's (RFC 4678 9.1, sasp-interop row 36). Two that retry as usual would go on like this for
  // ever. A GWM that crashes or restarts ends connections as well, but is then down.
  static constexpr std::size_t duplicate_after = 3;
  static constexpr Duration duplicate_within = std::chrono::minutes{15};

  // How a connection, or the attempt at one, ended.
  struct End {
    Duration lived{};         // since it was established; zero if it never was
    bool thrown_out = false;  // it was closed by a GWM that went on listening
  };
  struct Retry {
    Duration delay{};
    bool duplicate_suspected = false;
  };

  // No delay is below `minimum`. `seed` must differ between directors.
  Backoff(Duration minimum, std::uint64_t seed) : minimum_(minimum), random_(seed) {}

  Retry next(const End& end, TimePoint now);
  // True even while a connection is established again, since the other's may come next.
  bool suspects_duplicate(TimePoint now) const;

 private:
  Duration minimum_;
  std::mt19937_64 random_;
  unsigned attempts_ = 0;
  std::deque<TimePoint> thrown_out_;  // the last duplicate_after times in a row
};

}  // namespace saspd::sasp
