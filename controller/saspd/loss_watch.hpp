// SPDX-License-Identifier: Apache-2.0
// Detects advice that takes away much of a service's weight at once. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/lb/service.hpp"
#include "controller/saspd/projection.hpp"

namespace saspd::director {

// A loss of more than a third of the weight, and what became of it.
struct SuddenLoss {
  TimePoint since;
  std::uint32_t percent = 0;    // of the weight before
  std::size_t servers = 0;      // servers that had a weight before
  bool only_by_quiesce = true;  // enough of it was intended that the rest does not exceed a third
  std::vector<std::pair<Endpoint, Reason>> lost;
};

// Watches one service. A loss begins when a decision takes more than a third of the weight that the
// kernel has, or had up to `at_once` ago: advice for servers that fail together may arrive in
// several messages. It ends when enough of the weight is back, or after `remembered`. Where nothing
// changes it needs no update, which makes no difference then.
class LossWatch {
 public:
  static constexpr Duration at_once = std::chrono::seconds{10};
  static constexpr Duration remembered = std::chrono::minutes{10};

  // `kernel`: the weights from which the decision starts. Returns whether a loss has ended: another
  // may show at the next update.
  bool update(const lb::Pool& kernel, const ServiceDecision& decision, TimePoint now);
  // The kernel has had these weights until `when`.
  void kept(const lb::Pool& kernel, TimePoint when);
  const std::optional<SuddenLoss>& loss() const { return loss_; }
  // When time alone makes a difference to it, if it does.
  std::optional<TimePoint> deadline(const lb::Pool& kernel) const;

 private:
  bool starts_from(const lb::Pool& kernel) const;
  void start_from(const lb::Pool& kernel, TimePoint now);
  std::optional<SuddenLoss> compare(const ServiceDecision& decision, TimePoint now) const;

  std::vector<std::pair<Endpoint, std::uint32_t>> before_;  // with a weight
  std::optional<TimePoint> started_;
  std::optional<SuddenLoss> loss_;
};

}  // namespace saspd::director
