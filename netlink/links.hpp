// Network interfaces as rtnetlink describes them, and which frames of one are for this host. Of the
// current network namespace.
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
  bool up = false;        // by configuration
  bool running = false;   // it has a link
  bool ethernet = false;  // it has a MAC
  Mac mac{};
  std::uint32_t mtu = 0;   // bytes of an IP packet
  unsigned parent = 0;     // index of what a VLAN or macvlan device is on; 0: in another namespace
  unsigned master = 0;     // index of the bridge or bond that it is a part of; 0: of none
  std::uint16_t vlan = 0;  // of a VLAN device of 802.1Q, else 0
  bool filters_vlans = false;  // a bridge
  bool operator==(const Link&) const = default;
};
using Links = std::map<unsigned, Link>;  // by index

// What a message RTM_NEWLINK or RTM_DELLINK says. Nothing: it is not about a link itself, but about
// a port of a bridge.
std::optional<std::pair<unsigned, Link>> link_in(nl_msg* message);

// All there are. Needs no capability.
Result<Links> read_links();

// Which frames that a program on an interface sees are for this host.
struct Device {
  unsigned interface = 0;   // index; of a bond the program runs on each of its members, too
  std::uint16_t vlan = 0;   // with this tag; 0: without one
  std::vector<Mac> macs{};  // the interface's, and of what is on it: macvlan devices, its bridge
  bool operator==(const Device&) const = default;
};
std::vector<Device> devices_on(const Links& links, unsigned interface);

}  // namespace saspd::netlink
