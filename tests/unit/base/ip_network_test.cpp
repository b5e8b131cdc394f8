// SPDX-License-Identifier: Apache-2.0

#include "controller/base/ip_network.hpp"

#include <gtest/gtest.h>

namespace saspd {
namespace {

bool contains(const std::string& network, const std::string& address) {
  const auto parsed = IpNetwork::parse(network);
  EXPECT_TRUE(parsed) << parsed.error().detail;
  return parsed->contains(*IpAddress::parse(address));
}

TEST(IpNetwork, ContainsWhatHasItsPrefix) {
  EXPECT_TRUE(contains("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(contains("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(contains("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
}

TEST(IpNetwork, OfNoBitsContainsItsFamilyOnly) {
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_FALSE(contains("::/0", "203.0.113.9"));
}

TEST(IpNetwork, IsWrittenAsItIsRead) {
  for (const char* text : {"192.0.2.0/24", "192.0.2.7", "2001:db8::/32", "::1", "0.0.0.0/0"})
    EXPECT_EQ(IpNetwork::parse(text)->text(), text);
  EXPECT_EQ(IpNetwork::parse("192.0.2.7/32")->text(), "192.0.2.7");
}

TEST(IpNetwork, RefusesWhatMayBeMeantOtherwise) {
  EXPECT_EQ(IpNetwork::parse("192.0.2.7/24").error().detail,
            "192.0.2.7/24 is an address in 192.0.2.0/24; write one of them without the other");
  for (const char* text : {"192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "192.0.2/24",
                           "example.org", "", "/8", "192.0.2.0/8/8"})
    EXPECT_FALSE(IpNetwork::parse(text)) << text;
}

TEST(IpNetwork, SaysThatANameIsNoAddress) {
  EXPECT_NE(IpNetwork::parse("gwm.example/24").error().detail.find("names are not resolved here"),
            std::string::npos);
  EXPECT_EQ(IpNetwork::parse("192.0.2.300").error().detail.find("names"), std::string::npos);
}

}  // namespace
}  // namespace saspd
