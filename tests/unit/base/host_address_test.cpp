// SPDX-License-Identifier: Apache-2.0

#include "controller/base/host_address.hpp"

#include <gtest/gtest.h>

namespace saspd {
namespace {

std::string kind(std::string_view text) {
  return std::string(kind_of_no_host(IpAddress::parse(text).value()));
}

TEST(HostAddress, IsNoneThatNoSingleHostHas) {
  EXPECT_EQ(kind("0.0.0.0"), "the unspecified address");
  EXPECT_EQ(kind("224.0.0.1"), "a multicast address");
  EXPECT_EQ(kind("239.255.255.255"), "a multicast address");
  EXPECT_EQ(kind("255.255.255.255"), "the broadcast address");
  EXPECT_EQ(kind("::"), "the unspecified address");
  EXPECT_EQ(kind("ff02::1"), "a multicast address");
  EXPECT_EQ(kind("::ffff:0.0.0.0"), "the unspecified address");
  EXPECT_EQ(kind("::ffff:224.0.0.1"), "a multicast address");
}

TEST(HostAddress, IsAnyOther) {
  for (const auto* text :
       {"10.0.0.1", "0.1.2.3", "223.255.255.255", "240.0.0.1", "255.255.255.254", "127.0.0.1",
        "::1", "fe80::1", "fd00::1", "2001:db8::", "::ffff:10.0.0.1", "fe00::ffff:0:0"})
    EXPECT_EQ(kind(text), "") << text;
}

TEST(HostAddress, IsAskedForByTheError) {
  const auto ok = check_host_address(*IpAddress::parse("0.0.0.0"), "the server's own");
  ASSERT_FALSE(ok);
  EXPECT_EQ(ok.error().detail, "0.0.0.0 is the unspecified address; write the server's own");
  EXPECT_TRUE(check_host_address(*IpAddress::parse("192.0.2.1"), "the server's own"));
}

}  // namespace
}  // namespace saspd
