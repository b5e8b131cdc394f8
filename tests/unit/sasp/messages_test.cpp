// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/messages.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace saspd::sasp {
namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

// The 16 bytes as they are written in an IPv6 address.
WireAddress wire(const char* v6) {
  WireAddress address{};
  const auto parsed = ip(v6);
  std::copy(parsed.bytes().begin(), parsed.bytes().end(), address.begin());
  return address;
}

TEST(WireAddress, CarriesIpv4InTheCompatibleForm) {
  EXPECT_EQ(to_wire(ip("10.10.10.1")), wire("::10.10.10.1"));
  EXPECT_EQ(to_wire(ip("2001:db8::1")), wire("2001:db8::1"));
}

TEST(WireAddress, IsReadAsIpv4InBothForms) {
  EXPECT_EQ(from_wire(wire("::10.10.10.1")), ip("10.10.10.1"));
  EXPECT_EQ(from_wire(wire("::ffff:10.10.10.1")), ip("10.10.10.1"));
  EXPECT_EQ(from_wire(wire("::0.0.1.0")), ip("0.0.1.0"));
  EXPECT_EQ(from_wire(wire("::0.0.0.2")), ip("0.0.0.2"));
}

TEST(WireAddress, IsReadAsIpv6Otherwise) {
  for (const char* text : {"::", "::1", "2001:db8::1", "::1:ffff:10.10.10.1", "::fffe:10.10.10.1",
                           "1::10.10.10.1", "ff02::1"}) {
    EXPECT_EQ(from_wire(wire(text)), ip(text)) << text;
  }
}

TEST(WireAddress, ComesBackAsTheAddressItWasMadeOf) {
  for (const char* text : {"10.10.10.1", "255.255.255.255", "127.0.0.1", "2001:db8::1", "::1"}) {
    EXPECT_EQ(from_wire(to_wire(ip(text))), ip(text)) << text;
  }
}

TEST(MemberData, HasOneKeyForBothFormsOfAnIpv4Address) {
  const MemberData compatible{6, 80, wire("::10.10.10.1"), "a"};
  const MemberData mapped{6, 80, wire("::ffff:10.10.10.1"), "b"};
  EXPECT_EQ(compatible.key(), mapped.key());
  EXPECT_EQ(compatible.key(), (MemberKey{ip("10.10.10.1"), 6, 80}));
}

TEST(MemberData, IsMadeOfItsKey) {
  const MemberKey key{ip("2001:db8::1"), 17, 53};
  EXPECT_EQ(MemberData::of(key, "dns").key(), key);
  EXPECT_EQ(MemberData::of(key, "dns").label, "dns");
}

TEST(Message, KnowsItsType) {
  EXPECT_EQ(type_of(SendWeights{}), Type::send_weights);
  EXPECT_EQ(type_of(SetLbStateReply{}), Type::set_lb_state_reply);
}

}  // namespace
}  // namespace saspd::sasp
