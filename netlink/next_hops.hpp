// Where packets to a backend go next, as the kernel would send them: its routes, neighbours and
// interfaces, watched through rtnetlink. Of the current network namespace.
//
// The XDP program gets the outcome as values, because asking in it (bpf_fib_lookup) takes 110 ns a
// packet, 240 for IPv6, where the rest of it takes 75; because that is refused unless the host
// forwards (ip_forward) and resolves no neighbour; and because nobody could be told why.
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
#include "netlink/libnl.hpp"
#include "netlink/links.hpp"
#include "netlink/xdp_features.hpp"

struct nl_object;

namespace saspd::netlink {

// The way to one address. Without a route only `state` means something.
struct NextHop {
  enum class State : std::uint8_t {
    resolved,
    no_route,  // or an unreachable one; also while the interface is down, which takes its routes
               // away
    local,     // the address is this machine's
    interface_down,  // no link
    no_ethernet,     // the interface has no MAC addresses
    unresolved,      // nobody has asked for the neighbour, or the answer is awaited: refresh()
    failed,          // the neighbour does not answer
    no_port,         // native: the bridge does not know behind which port the neighbour is
    no_transmit,     // native: what the frame has to leave by takes none from XDP
  };

  State state = State::no_route;
  unsigned interface = 0;  // index
  std::string interface_name;
  IpAddress neighbour;    // the gateway, or the address itself
  Mac mac{};              // of the neighbour, when resolved
  Mac source{};           // of our interface
  std::uint32_t mtu = 0;  // the route's, or the interface's: bytes of an IP packet
  // What the frame leaves by, and with which VLAN tag (0: none). For a program in native mode a
  // VLAN device is what it is on, a bridge the port that its forwarding table names.
  unsigned exit = 0;
  std::string exit_name;
  std::uint16_t vlan = 0;
  std::string transmit_help;  // of no_transmit: why, if that is known

  std::string text() const;  // "eth0 via 192.0.2.1, 02:00:00:00:00:01", or what is wrong
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

  // To be polled for reading: there are events.
  int descriptor() const;
  // Takes in all events that are there. True: resolve() may say something else than it last did.
  // Events that were lost (ENOBUFS) make it read everything anew.
  Result<bool> read_events();

  void want(std::set<IpAddress> addresses);
  // The interfaces on which the program runs in native mode. None: generic mode, in which any
  // interface sends.
  void set_native(std::vector<unsigned> interfaces);

  // As of the last read_events(), for every address that is wanted. Routes are asked for once and
  // again after a change; of several paths of equal cost it is the one that the kernel takes.
  Result<std::map<IpAddress, NextHop>> resolve();

  // As of the last resolve().
  const Links& links() const { return links_; }

  // Makes the kernel resolve or verify the neighbours that nobody talks to: whatever XDP sends
  // keeps no neighbour alive, and the kernel finds out that a MAC is no longer right only for those
  // in use. To be called every few seconds; does nothing for neighbours known to be reachable.
  // Answers come as events. With CAP_NET_ADMIN it asks the kernel (NTF_USE); without, it sends an
  // empty datagram to the discard port of the neighbour (RFC 863), which its firewall or ours may
  // not like. More than some 500 neighbours of a family need a higher gc_thresh2 and gc_thresh3
  // (net.ipv4.neigh.default and the same of ipv6), else the kernel forgets them again.
  Result<void> refresh();

 private:
  using NeighbourKey = std::pair<unsigned, IpAddress>;  // index of the interface
  struct Neighbour {
    NextHop::State state = NextHop::State::unresolved;
    Mac mac{};
    bool is_fresh = false;  // nothing is to be asked
  };
  struct Route {
    NextHop::State state = NextHop::State::no_route;  // or local; resolved: what follows is known
    NeighbourKey to;
    std::uint32_t mtu = 0;  // 0: the interface's
  };

  NextHops() = default;

  static Result<NlSocket> connect();
  Result<void> watch();
  Result<void> read_all();
  Result<void> dump(int type, int family);
  // A callback of libnl; `self` is this object. Everything that is learned comes this way.
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
  // By bridge: the interface of a MAC in its forwarding table, as long as it filters no VLANs.
  std::map<std::pair<unsigned, Mac>, unsigned> ports_;
  std::vector<unsigned> native_;
  XdpFeatures features_;
  std::map<unsigned, bool> transmits_;  // of the interfaces that were looked at
  std::map<IpAddress, Route> routes_;   // those that were asked for
  bool is_complete_ = false;            // else everything is to be read anew
  bool changed_ = true;                 // since the last resolve()
  bool is_privileged_ = true;           // until the kernel says otherwise
};

}  // namespace saspd::netlink
