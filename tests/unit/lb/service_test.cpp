// SPDX-License-Identifier: Apache-2.0

#include "controller/lb/service.hpp"

#include <gtest/gtest.h>

namespace saspd::lb {
namespace {

TEST(ParseService, KnowsEveryKind) {
  const Endpoint v4 = *Endpoint::parse("192.0.2.10:443");
  const Endpoint v6 = *Endpoint::parse("[2001:db8::1]:53");
  EXPECT_EQ(*parse_service("tcp:192.0.2.10:443"), ServiceKey(VirtualEndpoint{Protocol::tcp, v4}));
  EXPECT_EQ(*parse_service("udp:[2001:db8::1]:53"), ServiceKey(VirtualEndpoint{Protocol::udp, v6}));
  EXPECT_EQ(*parse_service("sctp:192.0.2.10:443"), ServiceKey(VirtualEndpoint{Protocol::sctp, v4}));
  EXPECT_EQ(*parse_service("fwmark:7"), ServiceKey(FirewallMark{Family::v4, 7}));
  EXPECT_EQ(*parse_service("fwmark6:4294967295"), ServiceKey(FirewallMark{Family::v6, 0xFFFFFFFF}));
}

TEST(ParseService, TakesPortZeroForAllPorts) {
  EXPECT_TRUE(parse_service("tcp:192.0.2.10:0"));
}

TEST(ParseService, IsUndoneByText) {
  for (const char* spec : {"tcp:192.0.2.10:443", "udp:[2001:db8::1]:53", "sctp:192.0.2.10:9",
                           "tcp:192.0.2.10:0", "fwmark:1", "fwmark6:4294967295"}) {
    const auto service = parse_service(spec);
    ASSERT_TRUE(service) << spec;
    EXPECT_EQ(text(*service), spec);
  }
}

TEST(ParseService, RefusesWhatIsNoService) {
  for (const char* spec : {"",
                           "tcp",
                           "tcp:",
                           ":",
                           "192.0.2.10:443",
                           "icmp:192.0.2.10:443",
                           "tcp:192.0.2.10",
                           "tcp:192.0.2.10:65536",
                           "tcp:192.0.2.10:-1",
                           "tcp:2001:db8::1:53",
                           "tcp:[192.0.2.10]:443",
                           "tcp:director:443",
                           "tcp:192.0.2.10:443 ",
                           "fwmark:",
                           "fwmark:0",
                           "fwmark:4294967296",
                           "fwmark:x",
                           "fwmark:+1",
                           "fwmark:0x0",
                           "fwmark:0x",
                           "fwmark:0x100000000",
                           "fwmark:10h",
                           "fwmark7:1",
                           "fwmark6"}) {
    const auto service = parse_service(spec);
    ASSERT_FALSE(service) << spec;
    EXPECT_EQ(service.error().code, std::errc::invalid_argument) << spec;
  }
}

TEST(ParseService, TakesWhatOtherToolsPrint) {
  EXPECT_EQ(text(*parse_service("TCP:192.0.2.10:443")), "tcp:192.0.2.10:443");
  EXPECT_EQ(text(*parse_service("Udp:[2001:DB8::1]:53")), "udp:[2001:db8::1]:53");
  EXPECT_EQ(text(*parse_service("fwmark:0x10")), "fwmark:16") << "iptables, ip";
  EXPECT_EQ(text(*parse_service("FWMARK6:0XfFfFfFfF")), "fwmark6:4294967295");
}

TEST(ParseService, NamesTheServiceThatWasMeant) {
  EXPECT_EQ(parse_service("192.0.2.10:80").error().detail,
            "'192.0.2.10:80' has no protocol; did you mean tcp:192.0.2.10:80?");
  EXPECT_EQ(parse_service("tcp:2001:db8::1:53").error().detail,
            "'2001:db8::1:53': write an IPv6 address with a port in brackets: [2001:db8::1]:53");
  EXPECT_EQ(parse_service("fwmark:16h").error().detail,
            "'16h' is not a firewall mark: a whole number from 1 to 4294967295, or from 0x1 to "
            "0xffffffff");
}

TEST(ParseService, ShowsTheFormsItAccepts) {
  EXPECT_EQ(parse_service("web").error().detail,
            "'web' is not a service; write tcp:192.0.2.10:443, udp:[2001:db8::1]:53, "
            "sctp:ADDR:PORT, fwmark:7 or fwmark6:7");
}

TEST(ServiceFamily, IsThatOfTheAddressOrTheMark) {
  EXPECT_EQ(family(*parse_service("tcp:192.0.2.10:443")), Family::v4);
  EXPECT_EQ(family(*parse_service("tcp:[2001:db8::1]:443")), Family::v6);
  EXPECT_EQ(family(*parse_service("fwmark:7")), Family::v4);
  EXPECT_EQ(family(*parse_service("fwmark6:7")), Family::v6);
}

}  // namespace
}  // namespace saspd::lb
