// SPDX-License-Identifier: Apache-2.0
// Network interfaces of the current network namespace as rtnetlink describes them, and which frames
// on one are for this host.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/error.hpp"

struct nl_addr;
struct nl_msg;

namespace saspd::netlink {

using Mac = std::array<std::uint8_t, 6>;
std::optional<Mac> mac_of(const nl_addr* address);

struct Link {
  std::string name;
  std::string kind;       // "vlan", "bridge", "veth", ...; empty: a driver's own
  bool up = false;        // administratively
  bool running = false;   // has a link
  bool ethernet = false;  // has a MAC address
  Mac mac{};
  std::uint32_t mtu = 0;  // in bytes of an IP packet
  unsigned parent =
      0;  // index of the interface below a VLAN or macvlan device; 0: in another namespace
  unsigned master = 0;         // index of the bridge or bond that it belongs to; 0: none
  std::uint16_t vlan = 0;      // the tag of an 802.1Q VLAN device, else 0
  bool filters_vlans = false;  // for a bridge
  bool operator==(const Link&) const = default;
};
using Links = std::map<unsigned, Link>;  // by index

// Parses a message RTM_NEWLINK or RTM_DELLINK. Empty if the message is about a port of a bridge,
// not about the link itself.
std::optional<std::pair<unsigned, Link>> link_in(nl_msg* message);

// Reads all interfaces. Needs no capability.
Result<Links> read_links();

// Which of the frames that a program on an interface sees are for this host.
struct Device {
  unsigned interface = 0;  // index; on a bond, the program also runs on each of its members
  std::uint16_t vlan = 0;  // the tag; 0: untagged
  std::vector<Mac>
      macs{};  // the MACs of the interface, of macvlan devices on it, and of its bridge
  bool operator==(const Device&) const = default;
};
std::vector<Device> devices_on(const Links& links, unsigned interface);

}  // namespace saspd::netlink
