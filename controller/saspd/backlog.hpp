// SPDX-License-Identifier: Apache-2.0
// What is left to be written of what was decided, service by service. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "controller/lb/plan.hpp"

namespace saspd::director {

class Backlog {
 public:
  // The whole of what is to be written of `service` now: before all other services if it takes the
  // weight of a server away. `late` is written after everything else
  // of all services. `ahead`: that many of `changes` are taken before the rest, not with it.
  void replace(const lb::ServiceKey& service, lb::Plan changes, lb::Plan late = {},
               std::size_t ahead = 0);
  // The next changes, at most `most` of at most `services` services and at least one, in the order of
  // lb::Plan. They end with a service if they can, because the kernel reads a service anew for each
  // call.
  lb::Plan take(std::size_t most, std::size_t services = std::numeric_limits<std::size_t>::max());
  // Drops everything. Returns the services of which something was left. The next take() begins
  // behind the service of the last one, so that a service whose writes fail again and again does
  // not keep others from being written.
  std::vector<lb::ServiceKey> clear();
  void drop(const lb::ServiceKey& service);

  bool has(const lb::ServiceKey& service) const;
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  using Queue = std::map<lb::ServiceKey, std::deque<lb::Change>>;  // none is empty
  enum Stage : std::size_t { losses, present, removals, late_additions };

  void put(Stage stage, const lb::ServiceKey& service, lb::Plan changes);
  void drop(Stage stage, const lb::ServiceKey& service);
  Queue::iterator next_of(Queue& stage) const;

  std::array<Queue, 4> stages_;  // in the order of writing
  std::size_t size_ = 0;
  std::map<lb::ServiceKey, std::size_t> ahead_;  // what is left of it
  std::optional<lb::ServiceKey> last_;           // of the last take()
  std::optional<lb::ServiceKey> after_;          // see clear()
};

}  // namespace saspd::director
