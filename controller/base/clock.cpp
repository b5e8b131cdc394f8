// SPDX-License-Identifier: Apache-2.0

#include "controller/base/clock.hpp"

#include <ctime>

namespace saspd {

Clock::time_point Clock::now() noexcept {
  std::timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return time_point{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

std::int64_t unix_time() {
  return static_cast<std::int64_t>(std::time(nullptr));
}

}  // namespace saspd
