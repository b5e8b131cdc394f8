// SPDX-License-Identifier: Apache-2.0

#include "netlink/vlan_tags.hpp"

#include <gtest/gtest.h>

namespace saspd::netlink {
namespace {

Link named(std::string name, std::string kind = "", unsigned parent = 0) {
  Link link;
  link.name = std::move(name);
  link.kind = std::move(kind);
  link.parent = parent;
  return link;
}

TEST(VlanTags, ThatACardTakesOffAreRefusedOnATrunk) {
  const Links links{{2, named("eth0")}, {5, named("eth0.100", "vlan", 2)}};
  const auto checked = check_vlan_tags(links, 2, true);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, std::errc::not_supported);
  EXPECT_NE(checked.error().detail.find("ethtool -K eth0 rxvlan off"), std::string::npos);
  EXPECT_EQ(*check_vlan_tags(links, 2, false), std::nullopt);
  EXPECT_EQ(*check_vlan_tags(links, 5, true), std::nullopt);  // on the VLAN device they are gone
}

TEST(VlanTags, ThatACardTakesOffAreWarnedOfElsewhere) {
  const Links links{{2, named("eth0")}, {3, named("eth1")}, {5, named("eth1.100", "vlan", 3)}};
  const auto checked = check_vlan_tags(links, 2, true);
  ASSERT_TRUE(checked);
  ASSERT_TRUE(*checked);
  EXPECT_NE((*checked)->find("ethtool -K eth0 rxvlan off"), std::string::npos);
}

TEST(VlanTags, OfAVethAreItsPeersMatter) {
  Links links{{2, named("c0", "veth")}};
  EXPECT_EQ(*check_vlan_tags(links, 2, true), std::nullopt);
  links[5] = named("c0.100", "vlan", 2);
  const auto checked = check_vlan_tags(links, 2, true);
  ASSERT_TRUE(checked);
  ASSERT_TRUE(*checked);
  EXPECT_NE((*checked)->find("ethtool -K PEER txvlan off"), std::string::npos);
}

}  // namespace
}  // namespace saspd::netlink
