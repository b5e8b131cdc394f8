// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/pace.hpp"

#include <algorithm>

namespace saspd::director {
namespace {

std::uint32_t weight_in(const lb::Pool& kernel, const Endpoint& endpoint) {
  const auto found = kernel.destinations.find(endpoint);
  return found != kernel.destinations.end() ? found->second.weight : 0;
}

std::uint32_t distance(std::uint32_t a, std::uint32_t b) {
  return a > b ? a - b : b - a;
}

class Pacer {
 public:
  Pacer(const ServiceDecision& decision, const lb::Pool& kernel, const LastWrites& last,
        const Pace& pace, TimePoint now)
      : last_(last), pace_(pace), now_(now) {
    std::uint64_t largest = 0;
    for (const auto& [endpoint, member] : decision.members) {
      const std::uint32_t present = weight_in(kernel, endpoint);
      largest = std::max<std::uint64_t>({largest, present, member.weight});
      goes_on_serving_ = goes_on_serving_ || (present > 0 && member.weight > 0);
    }
    const std::uint64_t step = (largest * pace.max_step + 99) / 100;
    if (pace.max_step > 0) step_ = static_cast<std::uint32_t>(std::max<std::uint64_t>(step, 1));
  }

  void keep(const Endpoint& endpoint, std::uint32_t present, Decision& member) {
    if (member.weight == present || member.weight == 0) return;
    const std::uint32_t steps = steps_between(present, member);
    const TimePoint next = next_write(endpoint, present);
    const bool waits = next > now_;
    if (!waits && steps == 1) return;
    const TimePoint first = waits ? next : now_;
    const TimePoint until = first + (steps - 1) * pace_.between_writes;
    member.pending = Pending{steps > 1 ? PaceRule::max_step : PaceRule::calm, until};
    member.weight = waits ? present : member.weight > present ? present + step_ : present - step_;
    goes_on_ = earliest({goes_on_, waits ? next : now_ + step_time()});
  }

  std::optional<TimePoint> goes_on() const { return goes_on_; }

 private:
  // What is given back to who was lost shares the load of all at once.
  std::uint32_t steps_between(std::uint32_t present, const Decision& member) const {
    const bool given_back =
        member.reason == Reason::held_all_zero || member.reason == Reason::held_panic;
    if (step_ == 0 || given_back) return 1;
    return (distance(present, member.weight) - 1) / step_ + 1;
  }
  // What another program wrote since is no restlessness of the advice.
  TimePoint next_write(const Endpoint& endpoint, std::uint32_t present) const {
    const auto written = last_.find(endpoint);
    if (written == last_.end() || written->second.weight != present) return now_;
    if (!goes_on_serving_) return now_;
    return written->second.when + pace_.between_writes;
  }
  Duration step_time() const { return std::max(pace_.between_writes, Duration{1}); }

  const LastWrites& last_;
  const Pace& pace_;
  TimePoint now_;
  std::uint32_t step_ = 0;  // 0: any
  bool goes_on_serving_ = false;
  std::optional<TimePoint> goes_on_;
};

}  // namespace

std::optional<TimePoint> keep_pace(ServiceDecision& decision, const lb::Pool& kernel,
                                   const LastWrites& last, const Pace& pace, TimePoint now) {
  if (pace == Pace{}) return std::nullopt;
  Pacer pacer(decision, kernel, last, pace, now);
  for (auto& [endpoint, member] : decision.members) {
    const auto there = kernel.destinations.find(endpoint);
    if (there != kernel.destinations.end()) pacer.keep(endpoint, there->second.weight, member);
  }
  return pacer.goes_on();
}

std::uint32_t on_grid(std::uint32_t weight, std::uint32_t percent) {
  constexpr std::uint32_t most = 65535;
  if (percent == 0 || weight * percent < 100) return weight;
  std::uint32_t below = 1;
  std::uint32_t above = 1;
  while (above < weight) {
    below = above;
    above = std::min(below + below * percent / 100 + 1, most);
  }
  return above - weight <= weight - below ? above : below;
}

}  // namespace saspd::director
