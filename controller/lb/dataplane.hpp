// The seam between what we want and how a kernel is told. Ipvs implements it; tests fail it on
// purpose.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/lb/plan.hpp"

namespace saspd::lb {

// A change that is not known to be applied: list again before believing anything about it.
struct Failure {
  std::size_t index = 0;  // into the changes given
  Error error;            // its detail names the change

  // The acknowledgement was lost, the change perhaps not (no_buffer_space, timed_out). Every other
  // error is the kernel's own refusal, and nothing was written.
  bool outcome_unknown() const {
    return error.code == std::errc::no_buffer_space || error.code == std::errc::timed_out;
  }
};

class Dataplane {
 public:
  Dataplane() = default;
  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;
  virtual ~Dataplane() = default;

  // Those of `services` that exist, with all their destinations. One that does not exist is absent
  // from the table, and is no error; one without destinations is present and empty.
  virtual Result<Table> list(std::span<const ServiceKey> services) = 0;

  // Everything that exists, whoever made it.
  virtual Result<Table> list_all() = 0;

  // Writes all changes, in order; a failing one does not stop the rest. Blocks until the kernel has
  // answered, so callers pass at most a few hundred at once. Returns what failed, in order.
  virtual std::vector<Failure> apply(std::span<const Change> changes) = 0;
};

}  // namespace saspd::lb
