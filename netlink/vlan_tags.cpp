// SPDX-License-Identifier: Apache-2.0

#include "netlink/vlan_tags.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "controller/base/descriptor.hpp"

namespace saspd::netlink {

bool hides_vlan_tags(const std::string& interface) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || interface.size() >= IFNAMSIZ) return false;
  ethtool_value flags{};
  flags.cmd = ETHTOOL_GFLAGS;
  ifreq request{};
  std::memcpy(request.ifr_name, interface.c_str(), interface.size());
  request.ifr_data = reinterpret_cast<char*>(&flags);
  return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0 && (flags.data & ETH_FLAG_RXVLAN) != 0;
}

Result<std::optional<std::string>> check_vlan_tags(const Links& links, unsigned interface,
                                                   bool takes_tags_off) {
  const auto link = links.find(interface);
  if (link == links.end() || link->second.kind == "vlan") return std::optional<std::string>();
  const std::string& name = link->second.name;
  const bool is_trunk = std::any_of(links.begin(), links.end(), [&](const auto& other) {
    return other.second.kind == "vlan" && other.second.parent == interface;
  });
  // The sender decides, and it may be in another namespace.
  if (link->second.kind == "veth") {
    if (!is_trunk) return std::optional<std::string>();
    return std::optional(fmt::format(
        "{} is a veth with VLAN devices: the XDP program sees their tags only after 'ethtool -K "
        "PEER txvlan off' at its other end, and would otherwise forward their frames untagged",
        name));
  }
  if (!takes_tags_off) return std::optional<std::string>();
  if (is_trunk) {
    return fail(std::errc::not_supported,
                fmt::format("interface '{0}' strips VLAN tags before the XDP program sees them, so "
                            "frames of its VLAN devices would be forwarded into another VLAN; "
                            "first run: ethtool -K {0} rxvlan off",
                            name));
  }
  return std::optional(
      fmt::format("{0} strips VLAN tags before the XDP program sees them; if tagged frames can "
                  "arrive there, run: ethtool -K {0} rxvlan off",
                  name));
}

}  // namespace saspd::netlink
