// Whether the advice took much of a service's weight away at once. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/lb/service.hpp"
#include "controller/saspd/projection.hpp"

namespace saspd {

// More than a third of the weight, and what became of it.
struct SuddenLoss {
  TimePoint since;
  std::uint32_t percent = 0;  // of the weight before
  std::size_t servers = 0;    // that had a weight before
  bool only_by_quiesce =
      true;  // somebody meant at least so much of it that a third is not exceeded
  std::vector<std::pair<Endpoint, Reason>> lost;
};

// Of one service. A loss begins when a decision takes more than a third of the weight that the
// kernel has, or had up to `at_once` ago: advice for servers that fail together may come in several
// messages. It ends when so much of the weight is back that it would not be one, and after
// `remembered`.
class LossWatch {
 public:
  static constexpr Duration at_once = std::chrono::seconds{10};
  static constexpr Duration remembered = std::chrono::minutes{10};

  // `kernel`: what the decision starts from.
  void update(const lb::Pool& kernel, const ServiceDecision& decision, TimePoint now);
  const std::optional<SuddenLoss>& loss() const { return loss_; }

 private:
  void start_from(const lb::Pool& kernel, TimePoint now);
  std::optional<SuddenLoss> compare(const ServiceDecision& decision, TimePoint now) const;

  std::vector<std::pair<Endpoint, std::uint32_t>> before_;  // with a weight
  std::optional<TimePoint> started_;
  std::optional<SuddenLoss> loss_;
};

}  // namespace saspd
