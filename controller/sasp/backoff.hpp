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
  // So many connections in a row that were established and closed by the GWM before they were
  // useful: most likely another load balancer uses our LB UID, and each connection ends the other's
  // (RFC 4678 9.1, sasp-interop row 36). Two that retry as usual would go on like this for ever.
  static constexpr unsigned duplicate_after = 3;

  // How a connection, or the attempt at one, ended.
  struct End {
    Duration lived{};             // since it was established; zero: it never was
    bool closed_by_peer = false;  // and not by us or the network
  };
  struct Retry {
    Duration delay{};
    bool duplicate_suspected = false;
  };

  // `minimum` is never undercut. `seed` must differ between directors.
  Backoff(Duration minimum, std::uint64_t seed) : minimum_(minimum), random_(seed) {}

  Retry next(const End& end);

 private:
  Duration minimum_;
  std::mt19937_64 random_;
  unsigned attempts_ = 0;
  unsigned kicked_out_ = 0;  // in a row
};

}  // namespace saspd::sasp
