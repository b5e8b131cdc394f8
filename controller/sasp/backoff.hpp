// How long to wait before the next connection attempt.
#pragma once

#include <cstdint>
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

  // `minimum` is never undercut. `seed` must differ between directors.
  Backoff(Duration minimum, std::uint64_t seed) : minimum_(minimum), random_(seed) {}

  // The delay after a connection that was established for `lived` (zero: it never was).
  Duration next(Duration lived);

 private:
  Duration minimum_;
  std::mt19937_64 random_;
  unsigned attempts_ = 0;
};

}  // namespace saspd::sasp
