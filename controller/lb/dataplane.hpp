// SPDX-License-Identifier: Apache-2.0
// The seam between what we want and how a kernel gets it: what there is (list), and what shall be
// (apply). Each backend implements it (backend.hpp); tests make it fail on purpose. What else a
// data plane shows of itself is apart, in observer.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/lb/next_hop.hpp"
#include "controller/lb/plan.hpp"

namespace saspd::lb {

// A change that was not applied, or perhaps not: list again before believing anything about it.
struct Failure {
  std::size_t index = 0;  // into the given changes
  Error error;            // its detail names the change
  // The data plane has no room for it: nothing of it was written, and everything else is as it
  // would be without it. It may be tried again at any time.
  bool no_room = false;

  // The acknowledgement was lost, but perhaps not the change (no_buffer_space, timed_out). With
  // every other error, nothing of it has taken effect.
  bool outcome_unknown() const {
    return error.code == std::errc::no_buffer_space || error.code == std::errc::timed_out;
  }
  // Another program has written the destination since it was listed, so that the change no longer
  // follows (lb::still_follows). Not a fault: a new listing decides.
  bool changed_meanwhile() const { return error.code == std::errc::operation_canceled; }
};

class Dataplane {
 public:
  Dataplane() = default;
  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;
  virtual ~Dataplane() = default;

  // How it is to be used.
  struct Traits {
    bool own_table = false;  // no one else writes it
    // The most changes per apply(), and the most services that they belong to, so that its stall is
    // bounded: one batch of the kernel's.
    std::size_t chunk = 256;
    std::size_t services = std::numeric_limits<std::size_t>::max();
    // A service is written as one new table, however many of its destinations change. To build one
    // takes 1 to 4 ms.
    static constexpr Traits of_own_table() {
      return {true, std::numeric_limits<std::size_t>::max(), 8};
    }
  };
  virtual Traits traits() const { return {}; }

  // Those of `services` that exist, with all their destinations. A service that does not exist is
  // absent from the table, which is not an error; one without destinations is present and empty.
  // A pool is `intact` if the kernel does what its weights say: the slots in use, the entries and
  // the addresses of an XDP service are read and compared too.
  //
  // Blocks for as long as the kernel takes to answer. With an error nothing is known, and nothing
  // was changed; it may be tried again at any time. no_protocol_option, no_such_file_or_directory:
  // the data plane is gone for now (module unloaded, program detached); address_in_use,
  // permission_denied: it is another's; no_buffer_space, interrupted, timed_out: the kernel is
  // busy; every other is what the kernel said.
  virtual Result<Table> list(std::span<const ServiceKey> services) = 0;

  // All services that exist, whatever created them. Errors: as list().
  virtual Result<Table> list_all() = 0;

  // Writes all changes, in order; a failing one does not stop the rest. A change writes only what
  // it means to change (lb::rebased): whatever else other programs may write stays as the kernel
  // has it at that moment, whatever the listing said. Blocks until the kernel has answered, so
  // callers pass at most traits().chunk changes, of traits().services services, at once.
  //
  // Returns what failed, in order, each at most once. Error codes that callers distinguish:
  // no_buffer_space, timed_out (outcome_unknown); operation_canceled (changed_meanwhile);
  // no_space_on_device with no_room. Others that are to be expected: no_such_process, no such
  // service; no_such_file_or_directory, no such destination, or no such scheduler; file_exists,
  // another program has added it; result_out_of_range, a weight above max_weight; io_error, not
  // written because the present state could not be read.
  virtual std::vector<Failure> apply(std::span<const Change> changes) = 0;

  // Removes entries of the data plane that belong to no service. For its writer, after a listing.
  virtual Result<void> tidy() { return {}; }

  struct Events {
    std::map<IpAddress, NextHop> next_hops;  // those of destinations that have changed
    bool replaced = false;                   // earlier listings are out of date
  };
  // Becomes readable when handle_events() has something to process; -1 if it never has.
  virtual int event_descriptor() const { return -1; }
  virtual Result<Events> handle_events() { return Events{}; }
};

}  // namespace saspd::lb
