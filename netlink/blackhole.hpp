// What keeps packets to service addresses from being routed on by this host, back to where they
// came from: routes to a device that drops everything, in a table of their own, and rules that lead
// to it from the interfaces at which clients' packets come in. Of the current network namespace.
//
// A route or rule of type blackhole does not do. With rp_filter, also a loose one, the kernel asks
// for the way back of what it forwards as of a packet that comes in where this goes out, finds the
// blackhole, and drops it: the answers of servers (Direct Server Return), which come from the
// service address. A way by another interface is good enough for a loose filter, as the default
// route is. Addresses of this host stand in the table local, which is asked before; a route of the
// main table to the one address counts, too.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"
#include "netlink/links.hpp"

namespace saspd::netlink {

struct Blackhole {
  // As shown by ip route show table 3860, ip rule: what is ours has this protocol.
  static constexpr const char* device = "saspd-drop";  // a bridge without ports
  static constexpr std::uint32_t table = 3860;
  static constexpr std::uint8_t protocol = 60;
  // Before the main table (32766), behind what an operator wants to be before it.
  static constexpr std::uint32_t host_routes_first = 32764;
  static constexpr std::uint32_t then_table = 32765;

  std::set<IpAddress> addresses;
  std::set<std::string> interfaces;  // of each family that has an address
  bool operator==(const Blackhole&) const = default;
};

// Whether the kernel has exactly that. Needs no capability.
Result<bool> is_in_place(const Blackhole& wanted);

// Adds what is missing, and takes away what is ours and not wanted: {} takes all of it. Needs
// CAP_NET_ADMIN. Error device_or_resource_busy: somebody else has a device of that name.
Result<void> put_in_place(const Blackhole& wanted);

// The names of an interface, and of those that its packets may come in by: VLAN devices on it, a
// bridge or bond that it is part of.
std::set<std::string> names_above(const Links& links, unsigned interface);

}  // namespace saspd::netlink
