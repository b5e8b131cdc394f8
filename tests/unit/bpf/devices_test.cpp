// SPDX-License-Identifier: Apache-2.0

#include "bpf/devices.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace saspd::bpf {
namespace {

using netlink::Link;
using netlink::Links;

Link ethernet(std::uint8_t last) {
  Link link;
  link.up = link.running = link.ethernet = true;
  link.mac = {2, 0, 0, 0, 0, last};
  return link;
}
Link macvlan(unsigned parent, std::uint8_t last) {
  Link link = ethernet(last);
  link.kind = "macvlan";
  link.parent = parent;
  return link;
}
Link vlan(unsigned parent, std::uint16_t id) {
  Link link = ethernet(1);
  link.kind = "vlan";
  link.parent = parent;
  link.vlan = id;
  return link;
}

DeviceTable arranged(const DeviceTable& before, const Links& links,
                     const std::vector<Attachment>& attached) {
  auto [table, surplus] = arrange_devices(before, links, attached);
  EXPECT_TRUE(surplus.empty()) << surplus.front().text();
  return table;
}
DeviceTable empty() {
  return DeviceTable(LB_DEVICE_PLACES);
}

std::vector<lb_device> found(const DeviceTable& table, std::uint32_t interface,
                             std::uint16_t vlan_id) {
  std::vector<lb_device> devices;
  for (const auto& device : table[lb_device_place(interface, vlan_id)].at) {
    if (device.interface == interface && device.vlan == vlan_id) devices.push_back(device);
  }
  return devices;
}
bool is_same(const DeviceTable& one, const DeviceTable& other) {
  return std::memcmp(one.data(), other.data(), one.size() * sizeof one[0]) == 0;
}

TEST(Devices, SayWhatTheProgramIsAttachedTo) {
  const Links links{{2, ethernet(2)}, {3, ethernet(3)}, {5, vlan(2, 100)}};
  const std::vector<Attachment> attached{{2, true}, {3, false}};
  auto known = attachments(arranged(empty(), links, attached));
  std::sort(known.begin(), known.end(),
            [](const auto& a, const auto& b) { return a.interface < b.interface; });
  EXPECT_EQ(known, attached);
}

TEST(Devices, AreSimpleWithOneMac) {
  Links links{{2, ethernet(2)}};
  auto table = arranged(empty(), links, {{2, true}});
  ASSERT_EQ(found(table, 2, 0).size(), 1U);
  EXPECT_EQ(found(table, 2, 0)[0].flags, LB_DEVICE_ATTACHED | LB_DEVICE_NATIVE | LB_DEVICE_SIMPLE);
  links[6] = macvlan(2, 0x51);
  table = arranged(table, links, {{2, true}});
  ASSERT_EQ(found(table, 2, 0).size(), 1U);
  EXPECT_EQ(found(table, 2, 0)[0].flags, LB_DEVICE_ATTACHED | LB_DEVICE_NATIVE);
  EXPECT_EQ(found(table, 2, 0)[0].mac[1][5], 0x51);
  EXPECT_EQ(found(table, 2, 0)[0].mac[3][5], 2);  // repeated
}

TEST(Devices, TakeMorePlacesForMoreMacsAndGiveThemBack) {
  Links links{{2, ethernet(2)}};
  for (std::uint8_t n = 0; n < 20; ++n)
    links[10U + n] = macvlan(2, static_cast<std::uint8_t>(0x50 + n));
  const auto table = arranged(empty(), links, {{2, true}});
  EXPECT_EQ(found(table, 2, 0).size(), 6U);  // 21 MACs
  const Links one{{2, ethernet(2)}};
  EXPECT_TRUE(is_same(arranged(table, one, {{2, true}}), arranged(empty(), one, {{2, true}})));
}

TEST(Devices, StayWhereTheyAreWhenOthersComeAndGo) {
  const Links few{{2, ethernet(2)}, {5, vlan(2, 100)}};
  Links many = few;
  for (std::uint16_t id = 101; id < 400; ++id)
    many[1000U + id] = vlan(2, id);
  const auto before = arranged(empty(), few, {{2, false}});
  const auto between = arranged(before, many, {{2, false}});
  for (std::uint16_t id = 100; id < 400; ++id)
    EXPECT_EQ(found(between, 2, id).size(), 1U) << id;
  EXPECT_TRUE(is_same(arranged(between, few, {{2, false}}), before));
  EXPECT_TRUE(is_same(arranged(empty(), {}, {}), empty()));
}

// An interface that is away for a moment, while its link is made anew.
TEST(Devices, KeepWhatIsKnownOfAnInterfaceThatIsAway) {
  const Links links{{2, ethernet(2)}, {3, ethernet(3)}};
  const auto table = arranged(empty(), links, {{2, true}, {3, true}});
  EXPECT_TRUE(is_same(arranged(table, {{3, ethernet(3)}}, {{2, true}, {3, true}}), table));
}

TEST(Devices, AreLeftOutByNameWhenThereAreTooMany) {
  Links links{{2, ethernet(2)}};
  for (std::uint8_t n = 0; n < 40; ++n)
    links[10U + n] = macvlan(2, static_cast<std::uint8_t>(0x50 + n));
  links[3] = ethernet(3);
  const auto [table, surplus] = arrange_devices(empty(), links, {{2, true}, {3, true}});
  ASSERT_EQ(surplus.size(), 1U);
  EXPECT_EQ(surplus[0].interface, 2U);
  EXPECT_EQ(found(table, 3, 0).size(), 1U) << "the others are as they would be without it";
}

}  // namespace
}  // namespace saspd::bpf
