// The clock of the project. Pure code never reads it: time is a parameter.
#pragma once

#include <chrono>

namespace saspd {

// CLOCK_BOOTTIME: monotonic and counting through suspend, so that advice ages while the host
// sleeps.
struct Clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};

using TimePoint = Clock::time_point;
using Duration = Clock::duration;

}  // namespace saspd
