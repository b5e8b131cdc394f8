// SPDX-License-Identifier: Apache-2.0

#include "netlink/links.hpp"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/object.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>
#include <netlink/route/rtnl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "netlink/libnl.hpp"

namespace saspd::netlink {
namespace {

std::string text_of(const char* text) {
  return text != nullptr ? text : "";
}

// The index of a veth's peer means something in another namespace only.
unsigned parent_of(rtnl_link* link, const std::string& kind) {
  std::int32_t elsewhere = 0;
  if (kind == "veth" || rtnl_link_get_link_netnsid(link, &elsewhere) == 0) return 0;
  return static_cast<unsigned>(std::max(0, rtnl_link_get_link(link)));
}

std::uint16_t vlan_of(rtnl_link* link) {
  if (!rtnl_link_is_vlan(link)) return 0;
  const int protocol = rtnl_link_vlan_get_protocol(link);  // network order
  const bool is_8021q = protocol < 0 || ntohs(static_cast<std::uint16_t>(protocol)) == ETH_P_8021Q;
  const int id = rtnl_link_vlan_get_id(link);
  return is_8021q && id > 0 ? static_cast<std::uint16_t>(id) : std::uint16_t{0};
}

// For a bridge; libnl does not report it.
bool filters_vlans(nlmsghdr* message) {
  const auto within = [](nlattr* outer, int type) -> nlattr* {
    return outer == nullptr ? nullptr
                            : nla_find(static_cast<nlattr*>(nla_data(outer)), nla_len(outer), type);
  };
  nlattr* info = nlmsg_find_attr(message, sizeof(ifinfomsg), IFLA_LINKINFO);
  nlattr* flag = within(within(info, IFLA_INFO_DATA), IFLA_BR_VLAN_FILTERING);
  return flag != nullptr && nla_get_u8(flag) != 0;
}

Link link_of(rtnl_link* link) {
  Link known;
  const unsigned flags = rtnl_link_get_flags(link);
  const auto mac = mac_of(rtnl_link_get_addr(link));
  known.name = text_of(rtnl_link_get_name(link));
  known.kind = text_of(rtnl_link_get_type(link));
  known.up = (flags & IFF_UP) != 0;
  known.running = (flags & IFF_RUNNING) != 0;
  known.ethernet = rtnl_link_get_arptype(link) == ARPHRD_ETHER && mac;
  known.mac = mac.value_or(Mac{});
  known.mtu = rtnl_link_get_mtu(link);
  known.parent = parent_of(link, known.kind);
  known.master = static_cast<unsigned>(std::max(0, rtnl_link_get_master(link)));
  known.vlan = vlan_of(link);
  return known;
}

bool is_bond(const Link& link) {
  return link.kind == "bond" || link.kind == "team";
}

void add(const Mac& mac, std::vector<Mac>& macs) {
  if (std::find(macs.begin(), macs.end(), mac) == macs.end()) macs.push_back(mac);
}

// The MACs of devices that get the frames of an interface as they are: its master (a bridge, a
// bond), and devices on it with a MAC of their own. VLAN devices get other frames.
void add_macs(const Links& links, unsigned interface, std::vector<Mac>& macs, int depth = 0) {
  constexpr int most = 8;  // the kernel stacks no more (MAX_NEST_DEV)
  const auto link = links.find(interface);
  if (link == links.end() || depth > most) return;
  if (link->second.ethernet) add(link->second.mac, macs);
  if (link->second.master != 0) add_macs(links, link->second.master, macs, depth + 1);
  for (const auto& [index, other] : links) {
    const bool is_on = other.parent == interface && other.kind != "vlan" && other.up;
    if (is_on) add_macs(links, index, macs, depth + 1);
  }
}

// The interfaces whose frames an interface gets as they are: itself, and through a bridge or bond.
void add_vlans(const Links& links, unsigned program_on, unsigned interface,
               std::vector<Device>& devices, int depth = 0) {
  constexpr int most = 8;
  const auto link = links.find(interface);
  if (link == links.end() || depth > most) return;
  for (const auto& [index, other] : links) {
    if (other.parent != interface || other.vlan == 0 || !other.up) continue;
    const auto known =
        std::find_if(devices.begin(), devices.end(), [&, vlan = other.vlan](const Device& device) {
          return device.interface == program_on && device.vlan == vlan;
        });
    Device& device =
        known != devices.end() ? *known : devices.emplace_back(Device{program_on, other.vlan, {}});
    add_macs(links, index, device.macs);
  }
  if (link->second.master != 0)
    add_vlans(links, program_on, link->second.master, devices, depth + 1);
}

}  // namespace

std::optional<Mac> mac_of(const nl_addr* address) {
  Mac mac{};
  if (address == nullptr || nl_addr_get_len(address) != mac.size()) return std::nullopt;
  std::memcpy(mac.data(), nl_addr_get_binary_addr(address), mac.size());
  return mac;
}

std::optional<std::pair<unsigned, Link>> link_in(nl_msg* message) {
  const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(nlmsg_hdr(message)));
  // libnl gives this family to the bridge itself as well; the message distinguishes them.
  if (header->ifi_family != AF_UNSPEC) return std::nullopt;
  std::optional<std::pair<unsigned, Link>> found;
  nl_msg_parse(
      message,
      [](nl_object* object, void* result) {
        auto* link = reinterpret_cast<rtnl_link*>(object);
        static_cast<decltype(found)*>(result)->emplace(
            static_cast<unsigned>(rtnl_link_get_ifindex(link)), link_of(link));
      },
      &found);
  if (found && found->second.kind == "bridge")
    found->second.filters_vlans = filters_vlans(nlmsg_hdr(message));
  return found;
}

Result<Links> read_links() {
  const auto failed = [](int code) {
    return fail(std::errc::io_error, fmt::format("reading interfaces: {}", nl_geterror(code)));
  };
  const auto opened = rtnetlink_socket();
  if (!opened) return fail(opened.error());
  nl_sock* socket = opened->get();
  Links links;
  nl_socket_modify_cb(
      socket, NL_CB_VALID, NL_CB_CUSTOM,
      [](nl_msg* message, void* result) {
        if (auto link = link_in(message)) {
          static_cast<Links*>(result)->insert_or_assign(link->first, std::move(link->second));
        }
        return static_cast<int>(NL_OK);
      },
      &links);
  const int code = dump(socket, [&] {
    links.clear();
    return nl_rtgen_request(socket, RTM_GETLINK, AF_UNSPEC, NLM_F_DUMP);
  });
  if (code < 0) return failed(code);
  return links;
}

std::vector<Device> devices_on(const Links& links, unsigned interface) {
  std::vector<Device> devices;
  const auto link = links.find(interface);
  if (link == links.end()) return devices;
  std::vector<unsigned> run_on{interface};
  for (const auto& [index, other] : links) {
    if (is_bond(link->second) && other.master == interface) run_on.push_back(index);
  }
  for (const unsigned index : run_on) {
    Device& device = devices.emplace_back(Device{index, 0, {}});
    add_macs(links, index, device.macs);
    add_vlans(links, index, index, devices);
  }
  return devices;
}

}  // namespace saspd::netlink
