// SPDX-License-Identifier: Apache-2.0
// The next hops of packets to backends, as the kernel would send them: watches its routes,
// neighbours and interfaces through rtnetlink, in the current network namespace.
//
// The XDP program gets the outcome as values instead of asking itself (bpf_fib_lookup), because
// that takes 110 ns per packet, 240 for IPv6, where the rest of it takes 75; because it is refused
// unless the host forwards (ip_forward), and resolves no neighbour; and because it could not report
// why.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/lb/next_hop.hpp"
#include "netlink/libnl.hpp"
#include "netlink/links.hpp"
#include "netlink/xdp_features.hpp"

struct nl_object;

namespace saspd::netlink {

// The way to one address. Without a route, only `state` has a meaning.
struct NextHop {
  enum class State : std::uint8_t {
    resolved,
    no_route,  // or an unreachable one; also while the interface is down, which removes its routes
    local,     // an address of this machine
    interface_down,  // no link
    no_ethernet,     // the interface has no MAC addresses
    unresolved,      // the neighbour has not been asked for, or has not answered yet: refresh()
    failed,          // the neighbour does not answer
    no_port,         // native: the bridge does not know which port the neighbour is behind
    no_transmit,     // native: the interface that the frame must leave by cannot transmit it
  };

  State state = State::no_route;
  unsigned interface = 0;  // index
  std::string interface_name;
  IpAddress neighbour;    // the gateway, or the address itself
  Mac mac{};              // of the neighbour, if resolved
  Mac source{};           // of our interface
  std::uint32_t mtu = 0;  // of the route, or of the interface, in bytes of an IP packet
  // The interface by which the frame leaves, and its VLAN tag (0: none). For a program in native
  // mode, this is the interface below a VLAN device, and the port of a bridge that its forwarding
  // table names.
  unsigned exit = 0;
  std::string exit_name;
  std::uint16_t vlan = 0;
  std::string transmit_help;  // for no_transmit: the reason, if known

  lb::NextHop shown() const;
  std::string text() const { return lb::text(shown()); }
  bool operator==(const NextHop&) const = default;
};
std::string_view name(NextHop::State state);  // the enumerator's name

class NextHops {
 public:
  // Needs no capability.
  static Result<std::unique_ptr<NextHops>> open();
  NextHops(const NextHops&) = delete;
  NextHops& operator=(const NextHops&) = delete;
  ~NextHops();

  // Poll it for reading: it is readable when there are events.
  int descriptor() const;
  // Processes all pending events. True if resolve() may return something else than last time. After
  // lost events (ENOBUFS) it reads everything again.
  Result<bool> read_events();

  void want(std::set<IpAddress> addresses);
  // The interfaces on which the program runs in native mode. Empty in generic mode, in which any
  // interface can transmit.
  void set_native(std::vector<unsigned> interfaces);

  // The next hops as of the last read_events(), for every wanted address. Routes are looked up
  // once, and again after a change; of several paths of equal cost, the kernel's choice counts.
  Result<std::map<IpAddress, NextHop>> resolve();

  // The next hops as of the last resolve().
  const Links& links() const { return links_; }

  // Makes the kernel resolve or verify neighbours to which the host itself sends nothing: what XDP
  // sends keeps no neighbour alive, and the kernel notices an outdated MAC only for neighbours in
  // use. Call it every few seconds; it does nothing for neighbours known to be reachable. Answers
  // arrive as events. With CAP_NET_ADMIN it asks the kernel (NTF_USE); without it, it sends an
  // empty datagram to the neighbour's discard port (RFC 863), which its firewall or ours may drop.
  // More than about 500 neighbours of a family need higher gc_thresh2 and gc_thresh3
  // (net.ipv4.neigh.default, and the same for ipv6), or the kernel forgets them again.
  Result<void> refresh();

 private:
  using NeighbourKey = std::pair<unsigned, IpAddress>;  // index of the interface
  struct Neighbour {
    NextHop::State state = NextHop::State::unresolved;
    Mac mac{};
    bool is_fresh = false;  // no lookup is needed
  };
  struct Route {
    NextHop::State state =
        NextHop::State::no_route;  // or local; resolved: the fields below are valid
    NeighbourKey to;
    std::uint32_t mtu = 0;  // 0: the interface's
  };

  NextHops() = default;

  Result<void> watch();
  Result<void> read_all();
  Result<void> dump(int type, int family);
  // A callback of libnl, through which everything is learned; `self` is this object.
  static int on_message(nl_msg* message, void* self);
  static void on_object(nl_object* object, void* self);
  void learn_link(nl_msg* message, bool gone);
  void learn_neighbour(nl_object* object, bool gone);
  void learn_port(nl_object* object, bool gone);
  void learn_route(nl_object* object);
  void forget_routes();

  Result<void> catch_up();
  Result<void> look_up_routes();
  NextHop resolve(const Route& route);
  void find_exit(NextHop& hop);
  bool can_transmit(unsigned interface, const Link& link);
  void look_at_features();
  bool needs_refresh(const NeighbourKey& key) const;
  Result<void> ask_kernel(nl_sock* socket, const NeighbourKey& key);

  NlSocket events_;
  std::set<IpAddress> wanted_;
  Links links_;
  std::map<NeighbourKey, Neighbour> neighbours_;
  // For each bridge that filters no VLANs: the interface of a MAC in its forwarding table.
  std::map<std::pair<unsigned, Mac>, unsigned> ports_;
  std::vector<unsigned> native_;
  XdpFeatures features_;
  std::map<unsigned, bool> transmits_;  // the interfaces checked so far
  std::map<IpAddress, Route> routes_;   // the routes looked up so far
  bool is_complete_ = false;            // if not, everything must be read again
  bool changed_ = true;                 // since the last resolve()
  bool is_privileged_ = true;           // until the kernel says otherwise
};

}  // namespace saspd::netlink
