// SPDX-License-Identifier: Apache-2.0
// Keeps this host from routing packets for service addresses back to where they came from: routes
// to a device that drops everything, in a table of their own, and rules that lead to that table
// from the interfaces on which clients' packets arrive. Works in the current network namespace.
//
// A route or rule of type blackhole does not work. With rp_filter, even a loose one, the kernel
// looks up the reverse route of each packet that it forwards; for the servers' answers (Direct
// Server Return), which come from the service address, it would find the blackhole and drop them. A
// route through another interface satisfies a loose filter, as the default route does. The table
// local, which has the addresses of this host, is consulted before; a route of the main table to
// the single address takes precedence as well.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"
#include "netlink/links.hpp"

namespace saspd::netlink {

struct Blackhole {
  // Our entries have this protocol, as ip route show table 3860 and ip rule show it.
  static constexpr const char* device = "saspd-drop";  // a bridge without ports
  static constexpr std::uint32_t table = 3860;
  static constexpr std::uint8_t protocol = 60;
  // Before the main table (32766), but after any rules that an operator wants before it.
  static constexpr std::uint32_t host_routes_first = 32764;
  static constexpr std::uint32_t then_table = 32765;

  std::set<IpAddress> addresses;
  std::set<std::string> interfaces;  // one per family that has an address
  bool operator==(const Blackhole&) const = default;
};

// Whether the kernel has exactly these entries. Needs no capability.
Result<bool> is_in_place(const Blackhole& wanted);

// Adds what is missing, and removes our entries that are not wanted; {} removes all of them. Needs
// CAP_NET_ADMIN. Error device_or_resource_busy: another device has that name.
Result<void> put_in_place(const Blackhole& wanted);

// The names of an interface, and of those through which its packets may arrive: VLAN devices on it,
// a bridge or bond that it is part of.
std::set<std::string> names_above(const Links& links, unsigned interface);

}  // namespace saspd::netlink
