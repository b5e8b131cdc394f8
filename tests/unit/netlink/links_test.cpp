// SPDX-License-Identifier: Apache-2.0

#include "netlink/links.hpp"

#include <gtest/gtest.h>

namespace saspd::netlink {
namespace {

constexpr Mac mac(std::uint8_t last) {
  return {2, 0, 0, 0, 0, last};
}

Link ethernet(std::uint8_t last, std::string kind = "") {
  Link link;
  link.kind = std::move(kind);
  link.up = link.running = link.ethernet = true;
  link.mac = mac(last);
  return link;
}
Link on(unsigned parent, std::uint8_t last, std::string kind, std::uint16_t vlan = 0) {
  Link link = ethernet(last, std::move(kind));
  link.parent = parent;
  link.vlan = vlan;
  return link;
}
Link in(unsigned master, std::uint8_t last) {
  Link link = ethernet(last);
  link.master = master;
  return link;
}

TEST(DevicesOn, AnInterfaceAreItsOwnFrames) {
  const Links links{{1, Link{}}, {2, ethernet(2)}, {3, ethernet(3)}};
  EXPECT_EQ(devices_on(links, 2), (std::vector<Device>{{2, 0, {mac(2)}}}));
  EXPECT_TRUE(devices_on(links, 9).empty());
}

TEST(DevicesOn, ATrunkAreItsVlansThatAreUp) {
  Links links{{2, ethernet(2)}, {5, on(2, 2, "vlan", 100)}, {6, on(2, 7, "vlan", 200)}};
  links[7] = on(2, 2, "vlan", 300);
  links[7].up = false;
  links[8] = on(3, 2, "vlan", 400);  // of another
  links[9] = on(2, 2, "vlan", 0);    // 802.1ad
  EXPECT_EQ(devices_on(links, 2),
            (std::vector<Device>{{2, 0, {mac(2)}}, {2, 100, {mac(2)}}, {2, 200, {mac(7)}}}));
}

// keepalived's use_vmac: a device for each virtual router, on the interface or a VLAN of it.
TEST(DevicesOn, HaveTheMacsOfVirtualRouters) {
  Links links{{2, ethernet(2)}, {5, on(2, 2, "vlan", 100)}};
  links[6] = on(2, 0x51, "macvlan");
  links[7] = on(5, 0x52, "macvlan");
  links[8] = on(2, 0x53, "macvlan");
  links[8].up = false;
  EXPECT_EQ(devices_on(links, 2),
            (std::vector<Device>{{2, 0, {mac(2), mac(0x51)}}, {2, 100, {mac(2), mac(0x52)}}}));
}

TEST(DevicesOn, APortAreThoseOfItsBridgeToo) {
  Links links{{2, in(4, 2)}, {3, in(4, 3)}, {4, ethernet(0xB, "bridge")}};
  links[5] = on(4, 0xC, "vlan", 100);
  EXPECT_EQ(devices_on(links, 2),
            (std::vector<Device>{{2, 0, {mac(2), mac(0xB)}}, {2, 100, {mac(0xC)}}}));
}

// The program that is attached to a bond runs on its members.
TEST(DevicesOn, ABondAreThoseOfItsMembers) {
  Links links{{2, in(4, 9)}, {3, in(4, 9)}, {4, ethernet(9, "bond")}};
  links[5] = on(4, 9, "vlan", 100);
  EXPECT_EQ(devices_on(links, 4), (std::vector<Device>{{4, 0, {mac(9)}},
                                                       {4, 100, {mac(9)}},
                                                       {2, 0, {mac(9)}},
                                                       {2, 100, {mac(9)}},
                                                       {3, 0, {mac(9)}},
                                                       {3, 100, {mac(9)}}}));
}

TEST(DevicesOn, EndThoughLinksGoRound) {
  Links links{{2, on(3, 2, "macvlan")}, {3, on(2, 3, "macvlan")}};
  EXPECT_EQ(devices_on(links, 2), (std::vector<Device>{{2, 0, {mac(2), mac(3)}}}));
}

}  // namespace
}  // namespace saspd::netlink
