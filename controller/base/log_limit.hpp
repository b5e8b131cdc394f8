// SPDX-License-Identifier: Apache-2.0
// Limits log lines: peers decide how often something happens, not how much is logged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "controller/base/clock.hpp"

namespace saspd {

// A bucket of lines: `burst` at once, then one per `refill`.
class LogLimit {
 public:
  explicit LogLimit(unsigned burst = 50, Duration refill = std::chrono::seconds{1})
      : burst_(burst), refill_(refill), left_(burst) {}

  // Whether a line may be written now. If not, it counts as suppressed.
  bool allows(TimePoint now) {
    refill(now);
    if (left_ == 0) {
      ++suppressed_;
      return false;
    }
    --left_;
    return true;
  }
  // Whether there is something to say of suppressed lines, and a line may be written now.
  bool owes(TimePoint now) {
    refill(now);
    return suppressed_ > 0 && left_ > 0;
  }

  // Lines suppressed since the last call.
  std::uint64_t take_suppressed() { return std::exchange(suppressed_, 0); }

 private:
  void refill(TimePoint now) {
    const auto refilled = (now - last_refill_) / refill_;
    if (refilled <= 0) return;
    left_ = static_cast<unsigned>(std::min<std::int64_t>(burst_, left_ + refilled));
    last_refill_ = now;
  }

  unsigned burst_;
  Duration refill_;
  unsigned left_;
  TimePoint last_refill_;
  std::uint64_t suppressed_ = 0;
};

}  // namespace saspd
