// SPDX-License-Identifier: Apache-2.0
// The clock of the project. Pure code never reads it: time is a parameter.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>

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

// Seconds since 1970, for what people read and what outlives a restart. It may jump.
std::int64_t unix_time();

// An absent time is later than any other.
inline std::optional<TimePoint> earliest(std::initializer_list<std::optional<TimePoint>> times) {
  std::optional<TimePoint> first;
  for (const auto& time : times) {
    if (time && (!first || *time < *first)) first = time;
  }
  return first;
}

}  // namespace saspd
