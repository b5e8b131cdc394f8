// SPDX-License-Identifier: Apache-2.0
// What a data plane shows of itself besides its table: for people, metrics and alarms. Nothing here
// decides what is written.
//
// Each function reads the kernel when it is called. None fails: what cannot be read is absent from
// the answer, never shown as zero.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/describe/class.hpp>

#include "controller/base/error.hpp"
#include "controller/lb/next_hop.hpp"
#include "controller/lb/service.hpp"

namespace saspd::lb {

// What a data plane of our own knows about a destination besides its weight.
struct DestinationState {
  std::uint32_t slots = 0;  // in the table of its service
  bool reachable = false;   // whether its next hop is known
  std::string next_hop;     // text() of it
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
  std::optional<NextHop> next_hop;  // by which the program sends; empty: it was given none
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

class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  // The states of a service's destinations; empty if the kernel does not report them (IPVS), or
  // they cannot be read. XDP reads the slots of the service for it (131 kB), and the counters of
  // each destination of each CPU.
  virtual std::map<Endpoint, DestinationState> states(const ServiceKey&) { return {}; }

  // Addresses of destinations whose next hop is not known, as of the last event; empty if the
  // kernel does not report them (IPVS). Reads nothing.
  virtual std::set<IpAddress> unreachable() { return {}; }

  // The current settings; empty if there are none (XDP). Reads a file for each.
  virtual KernelSettings settings() { return {}; }

  // Traces a packet from `source` to `destination`. Errors: not_supported, the kernel does not
  // report it (IPVS); invalid_argument, addresses of two families.
  virtual Result<Trace> trace(Protocol, const Endpoint& /*source*/,
                              const Endpoint& /*destination*/) {
    return fail(std::errc::not_supported, "only the XDP data plane can be traced (--backend xdp)");
  }

  // Packets by what became of them, since the program was attached; empty if the kernel does not
  // report it. Reads a counter of each CPU for each.
  virtual std::vector<std::pair<std::string, std::uint64_t>> packet_counters() { return {}; }

  // Checks now for problems outside the table, because of which packets may not reach it at all.
  // Listing and writing work regardless. While that cannot be checked, the last findings count.
  virtual std::vector<Problem> problems() { return {}; }
};

}  // namespace saspd::lb
