// SPDX-License-Identifier: Apache-2.0
// The seam between what we want and how a kernel is told. Each backend implements it; tests make it
// fail on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/describe/class.hpp>

#include "controller/base/error.hpp"
#include "controller/lb/plan.hpp"

namespace saspd::lb {

// A change that may not have been applied: list again before believing anything about it.
struct Failure {
  std::size_t index = 0;  // into the given changes
  Error error;            // its detail names the change
  // The data plane has no room for it: nothing of it was written, and everything else is as it
  // would be without it. It may be tried again at any time.
  bool no_room = false;

  // The acknowledgement was lost, but perhaps not the change (no_buffer_space, timed_out). With
  // every other error, nothing was written.
  bool outcome_unknown() const {
    return error.code == std::errc::no_buffer_space || error.code == std::errc::timed_out;
  }
  // Another program has written the destination since it was listed, so that the change no longer
  // follows (lb::still_follows). Not a fault: a new listing decides.
  bool changed_meanwhile() const { return error.code == std::errc::operation_canceled; }
};

// What a data plane of our own knows about a destination besides its weight.
struct DestinationState {
  std::uint32_t slots = 0;  // in the table of its service
  bool reachable = false;   // whether its next hop is known
  std::string next_hop;     // "02:00:00:00:00:01 on eth1", or why it is not known
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t flows = 0;  // that the table assigned to it
};
BOOST_DESCRIBE_STRUCT(DestinationState, (), (slots, reachable, next_hop, packets, bytes, flows))

// What would happen to a client's packet.
struct Trace {
  bool is_service = false;  // if not, the packet is not ours and passes
  Forward forward = Forward::route;
  std::uint32_t slot = 0;
  bool known_flow = false;              // by the remembered flow, not by the slot
  std::optional<Endpoint> destination;  // empty: dropped, because no destination has a weight
  bool reachable = false;
  std::string next_hop;  // as in DestinationState
};

// What keeps a data plane, or a part of it, from working.
struct Problem {
  std::string name;     // "detached": stable, for scripts
  std::string subject;  // "eth0"; may be empty
  std::string detail;   // one sentence: the subject, the cause and the remedy
  // Attaching again as before (saspd --reattach) repairs it, without harm to others.
  bool mended_by_attach = false;
  bool operator==(const Problem&) const = default;
};

// Kernel settings that determine what becomes of connections, by name; without a value if they
// cannot be read.
using KernelSettings = std::map<std::string, std::optional<std::uint32_t>, std::less<>>;

class Dataplane {
 public:
  Dataplane() = default;
  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;
  virtual ~Dataplane() = default;

  // How it is to be used.
  struct Traits {
    bool own_table = false;  // nobody else writes it
    // So many changes at once are a bounded stall: one batch of the kernel's.
    std::size_t chunk = 256;
    // A service is written as one new table, however many of its destinations change.
    static constexpr Traits of_own_table() {
      return {true, std::numeric_limits<std::size_t>::max()};
    }
  };
  virtual Traits traits() const { return {}; }

  // Those of `services` that exist, with all their destinations. A service that does not exist is
  // absent from the table, which is not an error; one without destinations is present and empty.
  virtual Result<Table> list(std::span<const ServiceKey> services) = 0;

  // All services that exist, whatever created them.
  virtual Result<Table> list_all() = 0;

  // The states of a service's destinations; empty if the kernel does not report them (IPVS).
  virtual std::map<Endpoint, DestinationState> states(const ServiceKey&) { return {}; }

  // Addresses of destinations whose next hop is not known; empty if the kernel does not report them
  // (IPVS).
  virtual std::set<IpAddress> unreachable() { return {}; }

  // The current settings; empty if there are none (XDP).
  virtual KernelSettings settings() { return {}; }

  // Traces a packet from `source` to `destination`. An error if the kernel does not report it
  // (IPVS).
  virtual Result<Trace> trace(Protocol, const Endpoint& /*source*/,
                              const Endpoint& /*destination*/) {
    return fail(std::errc::not_supported, "only the XDP data plane can be traced (--backend xdp)");
  }
  // Packets by what became of them; empty if the kernel does not report it.
  virtual std::vector<std::pair<std::string, std::uint64_t>> packet_counters() { return {}; }

  // Checks now for problems outside the table, because of which packets may not reach it at all.
  // Listing and writing work regardless.
  virtual std::vector<Problem> problems() { return {}; }

  // Removes entries of the data plane that belong to no service. For its writer, after a listing.
  virtual Result<void> tidy() { return {}; }

  struct Events {
    std::vector<std::string> notices;  // what an operator should read once, one line each
    bool replaced = false;             // earlier listings are out of date
  };
  // Becomes readable when handle_events() has something to process; -1 if it never has.
  virtual int event_descriptor() const { return -1; }
  virtual Result<Events> handle_events() { return Events{}; }

  // Writes all changes, in order; a failing one does not stop the rest. A change writes only what
  // it means to change (lb::rebased): whatever else other programs may write stays as the kernel
  // has it at that moment, whatever the listing said. Blocks until the kernel has answered, so
  // callers pass at most a few hundred at once. Returns what failed, in order.
  virtual std::vector<Failure> apply(std::span<const Change> changes) = 0;
};

}  // namespace saspd::lb
