// The seam between what we want and how a kernel is told. Ipvs implements it; tests fail it on
// purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/lb/plan.hpp"

namespace saspd::lb {

// A change that is not known to be applied: list again before believing anything about it.
struct Failure {
  std::size_t index = 0;  // into the changes given
  Error error;            // its detail names the change
  // There is no room for it in the data plane: nothing of it was written, and everything else is as
  // it would be without it. It may be tried again at any time.
  bool no_room = false;

  // The acknowledgement was lost, the change perhaps not (no_buffer_space, timed_out). With every
  // other error nothing was written.
  bool outcome_unknown() const {
    return error.code == std::errc::no_buffer_space || error.code == std::errc::timed_out;
  }
  // Somebody else has written the destination since it was listed, so that the change does not
  // follow any more (lb::still_follows). No fault: a new listing decides.
  bool changed_meanwhile() const { return error.code == std::errc::operation_canceled; }
};

// What a data plane of our own knows of a destination, beside its weight.
struct DestinationState {
  std::uint32_t slots = 0;  // of the table of its service
  bool reachable = false;   // its next hop is known
  std::string next_hop;     // "02:00:00:00:00:01 on eth1", or why it is not known
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t flows = 0;  // that the table led to it
};

// What would become of a client's packet.
struct Trace {
  bool is_service = false;  // else it is not ours and passes
  Forward forward = Forward::route;
  std::uint32_t slot = 0;
  bool known_flow = false;              // led by what is remembered of its flow, not by the slot
  std::optional<Endpoint> destination;  // nothing: dropped, nobody has a weight
  bool reachable = false;
  std::string next_hop;  // as in DestinationState
};

// What keeps a data plane, or a part of it, from its work.
struct Problem {
  std::string name;     // "detached": stable, for scripts
  std::string subject;  // "eth0"; may be empty
  std::string detail;   // one sentence: the subject, the cause and what mends it
  // Attaching again as before mends it, and harms nobody: saspd --reattach.
  bool mended_by_attach = false;
  bool operator==(const Problem&) const = default;
};

// Switches of the kernel that decide what becomes of connections, by name; without a value: it
// cannot be read.
using KernelSettings = std::map<std::string, std::optional<std::uint32_t>, std::less<>>;

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

  // Of a service's destinations; none where the kernel does not tell (IPVS).
  virtual std::map<Endpoint, DestinationState> states(const ServiceKey&) { return {}; }

  // Addresses of destinations whose next hop is not known; none where the kernel does not tell
  // (IPVS).
  virtual std::set<IpAddress> unreachable() { return {}; }

  // As they are now; empty where there are none (XDP).
  virtual KernelSettings settings() { return {}; }

  // Of a packet from `source` to `destination`. An error where the kernel does not tell (IPVS).
  virtual Result<Trace> trace(Protocol, const Endpoint& /*source*/,
                              const Endpoint& /*destination*/) {
    return fail(std::errc::not_supported, "only the XDP data plane can be traced (--backend xdp)");
  }
  // Packets by what became of them; none where the kernel does not tell.
  virtual std::vector<std::pair<std::string, std::uint64_t>> packet_counters() { return {}; }

  // What is wrong beside the table, looked for now: packets may not get to it at all. Everything
  // else goes on being listed and written.
  virtual std::vector<Problem> problems() { return {}; }

  // Takes away what stands in the data plane and belongs to no service. For who writes it, after a
  // listing.
  virtual Result<void> tidy() { return {}; }

  struct Events {
    std::vector<std::string> notices;  // what an operator should read once, a line each
    bool replaced = false;             // what was listed before counts no more
  };
  // Becomes readable when something has happened that handle_events() is to take up; -1: nothing
  // ever does.
  virtual int event_descriptor() const { return -1; }
  virtual Result<Events> handle_events() { return Events{}; }

  // Writes all changes, in order; a failing one does not stop the rest. Of what others may write as
  // well, a change writes only what it means to change (lb::rebased): the rest is as the kernel has
  // it in that moment, whatever the listing said. Blocks until the kernel has answered, so callers
  // pass at most a few hundred at once. Returns what failed, in order.
  virtual std::vector<Failure> apply(std::span<const Change> changes) = 0;
};

}  // namespace saspd::lb
