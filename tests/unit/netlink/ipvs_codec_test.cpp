// SPDX-License-Identifier: Apache-2.0
// The golden tables are written from include/uapi/linux/ip_vs.h, not from our encoder.
#include "netlink/ipvs_codec.hpp"

#include <gtest/gtest.h>

#include <linux/ip_vs.h>
#include <linux/netlink.h>

#include <random>

#include "tests/unit/netlink/bytes.hpp"

namespace saspd::netlink {
namespace {

lb::ServiceKey service(std::string_view text) {
  return *lb::parse_service(text);
}

Bytes request(std::uint8_t command, std::uint16_t flags, const lb::ServiceKey& key) {
  Requests requests(1);
  put_service(requests.add(0x22, 1, command, flags), key);
  const ByteView view = requests.bytes();
  return {view.begin(), view.end()};
}

Bytes set_destination(const lb::ServiceKey& key, const lb::Destination& destination) {
  Requests requests(1);
  nlmsghdr& message = requests.add(0x22, 1, IPVS_CMD_SET_DEST);
  put_service(message, key);
  put_destination(message, destination);
  const ByteView view = requests.bytes();
  return {view.begin(), view.end()};
}

TEST(IpvsRequest, AsksForOneTcpServiceOverIpv4) {
  EXPECT_EQ(request(IPVS_CMD_GET_SERVICE, 0, service("tcp:192.0.2.10:443")),
            bytes(56_u32, 0x22_u16, 1_u16, 0_u32, 0_u32,  // netlink header, NLM_F_REQUEST
                  4_u8, 1_u8, 0_u16,                      // GET_SERVICE, version 1
                  36_u16, 0x8001_u16,                     // nest IPVS_CMD_ATTR_SERVICE
                  6_u16, 1_u16, 2_u16, 0_u16,             // AF = AF_INET
                  6_u16, 2_u16, 6_u16, 0_u16,             // PROTOCOL = TCP
                  8_u16, 3_u16, 0xC000020A_be32,          // ADDR
                  6_u16, 4_u16, 443_be16, 0_u16));        // PORT
}

TEST(IpvsRequest, AsksForOneUdpServiceOverIpv6) {
  EXPECT_EQ(request(IPVS_CMD_GET_SERVICE, 0, service("udp:[2001:db8::5]:53")),
            bytes(68_u32, 0x22_u16, 1_u16, 0_u32, 0_u32,                     //
                  4_u8, 1_u8, 0_u16,                                         //
                  48_u16, 0x8001_u16,                                        //
                  6_u16, 1_u16, 10_u16, 0_u16,                               // AF = AF_INET6
                  6_u16, 2_u16, 17_u16, 0_u16,                               // PROTOCOL = UDP
                  20_u16, 3_u16, 0x20010DB8_be32, 0_be32, 0_be32, 0x5_be32,  // ADDR
                  6_u16, 4_u16, 53_be16, 0_u16));                            // PORT
}

TEST(IpvsRequest, AsksForAnSctpServiceByItsNumber) {
  EXPECT_EQ(request(IPVS_CMD_GET_SERVICE, 0, service("sctp:192.0.2.10:9")),
            bytes(56_u32, 0x22_u16, 1_u16, 0_u32, 0_u32, 4_u8, 1_u8, 0_u16, 36_u16, 0x8001_u16,
                  6_u16, 1_u16, 2_u16, 0_u16,     //
                  6_u16, 2_u16, 132_u16, 0_u16,   // PROTOCOL = SCTP
                  8_u16, 3_u16, 0xC000020A_be32,  //
                  6_u16, 4_u16, 9_be16, 0_u16));
}

TEST(IpvsRequest, AsksForTheDestinationsOfAFirewallMark) {
  EXPECT_EQ(request(IPVS_CMD_GET_DEST, NLM_F_DUMP, service("fwmark:7")),
            bytes(40_u32, 0x22_u16, 0x301_u16, 0_u32, 0_u32,  // REQUEST | ROOT | MATCH
                  8_u8, 1_u8, 0_u16,                          // GET_DEST
                  20_u16, 0x8001_u16,                         //
                  6_u16, 1_u16, 2_u16, 0_u16,                 // AF = AF_INET
                  8_u16, 5_u16, 7_u32));                      // FWMARK
}

TEST(IpvsRequest, AsksForTheDestinationsOfAnIpv6FirewallMark) {
  EXPECT_EQ(request(IPVS_CMD_GET_DEST, NLM_F_DUMP, service("fwmark6:4294967295")),
            bytes(40_u32, 0x22_u16, 0x301_u16, 0_u32, 0_u32, 8_u8, 1_u8, 0_u16, 20_u16, 0x8001_u16,
                  6_u16, 1_u16, 10_u16, 0_u16,  // AF = AF_INET6
                  8_u16, 5_u16, 0xFFFFFFFF_u32));
}

TEST(IpvsRequest, SetsADestinationWithAllItsAttributes) {
  const lb::Destination destination{.endpoint = *Endpoint::parse("198.51.100.7:8080"),
                                    .weight = 33,
                                    .forward = lb::Forward::masquerade,
                                    .upper_threshold = 1000,
                                    .lower_threshold = 750};
  EXPECT_EQ(set_destination(service("tcp:192.0.2.10:443"), destination),
            bytes(140_u32, 0x22_u16, 1_u16, 0_u32, 0_u32,  //
                  6_u8, 1_u8, 0_u16,                       // SET_DEST
                  36_u16, 0x8001_u16,                      // nest IPVS_CMD_ATTR_SERVICE
                  6_u16, 1_u16, 2_u16, 0_u16,              //
                  6_u16, 2_u16, 6_u16, 0_u16,              //
                  8_u16, 3_u16, 0xC000020A_be32,           //
                  6_u16, 4_u16, 443_be16, 0_u16,           //
                  84_u16, 0x8002_u16,                      // nest IPVS_CMD_ATTR_DEST
                  8_u16, 1_u16, 0xC6336407_be32,           // ADDR
                  6_u16, 2_u16, 8080_be16, 0_u16,          // PORT
                  6_u16, 11_u16, 2_u16, 0_u16,             // ADDR_FAMILY = AF_INET
                  8_u16, 3_u16, 0_u32,                     // FWD_METHOD = masquerading
                  8_u16, 4_u16, 33_u32,                    // WEIGHT
                  8_u16, 5_u16, 1000_u32,                  // U_THRESH
                  8_u16, 6_u16, 750_u32,                   // L_THRESH
                  5_u16, 13_u16, 0_u8, zeroes(3),          // TUN_TYPE = IPIP
                  6_u16, 14_u16, 0_be16, 0_u16,            // TUN_PORT
                  6_u16, 15_u16, 0_u16, 0_u16));           // TUN_FLAGS
}

TEST(IpvsRequest, SetsAnIpv4TunnelBehindAnIpv6Service) {
  const lb::Destination destination{.endpoint = *Endpoint::parse("198.51.100.7:443"),
                                    .weight = 0x7FFFFFFF,
                                    .forward = lb::Forward::tunnel,
                                    .upper_threshold = 0,
                                    .lower_threshold = 0,
                                    .tunnel = {.type = 1, .port = 6080, .flags = 2}};
  EXPECT_EQ(set_destination(service("tcp:[2001:db8::5]:443"), destination),
            bytes(152_u32, 0x22_u16, 1_u16, 0_u32, 0_u32, 6_u8, 1_u8, 0_u16,  //
                  48_u16, 0x8001_u16,                                         //
                  6_u16, 1_u16, 10_u16, 0_u16,                                //
                  6_u16, 2_u16, 6_u16, 0_u16,                                 //
                  20_u16, 3_u16, 0x20010DB8_be32, 0_be32, 0_be32, 0x5_be32,   //
                  6_u16, 4_u16, 443_be16, 0_u16,                              //
                  84_u16, 0x8002_u16,                                         //
                  8_u16, 1_u16, 0xC6336407_be32,                              //
                  6_u16, 2_u16, 443_be16, 0_u16,                              //
                  6_u16, 11_u16, 2_u16, 0_u16,      // ADDR_FAMILY = AF_INET, not the service's
                  8_u16, 3_u16, 2_u32,              // FWD_METHOD = tunnel
                  8_u16, 4_u16, 0x7FFFFFFF_u32,     // WEIGHT
                  8_u16, 5_u16, 0_u32,              //
                  8_u16, 6_u16, 0_u32,              //
                  5_u16, 13_u16, 1_u8, zeroes(3),   // TUN_TYPE = GUE
                  6_u16, 14_u16, 6080_be16, 0_u16,  // TUN_PORT
                  6_u16, 15_u16, 2_u16, 0_u16));    // TUN_FLAGS = REMCSUM
}

Bytes service_written(const lb::ServiceKey& key, const lb::Service& attributes) {
  Requests requests(1);
  put_service(requests.add(0x22, 1, IPVS_CMD_NEW_SERVICE), key, attributes);
  const ByteView view = requests.bytes();
  return {view.begin(), view.end()};
}

TEST(IpvsRequest, CreatesAServiceWithAllItsAttributes) {
  EXPECT_EQ(service_written(service("fwmark:7"), {"mh", 0x19, 300, 0x00FFFFFF, "sip"}),
            bytes(84_u32, 0x22_u16, 1_u16, 0_u32, 0_u32,    //
                  1_u8, 1_u8, 0_u16,                        // NEW_SERVICE
                  64_u16, 0x8001_u16,                       // nest IPVS_CMD_ATTR_SERVICE
                  6_u16, 1_u16, 2_u16, 0_u16,               // AF = AF_INET
                  8_u16, 5_u16, 7_u32,                      // FWMARK
                  7_u16, 6_u16, text("mh"), zeroes(2),      // SCHED_NAME
                  8_u16, 11_u16, text("sip"), zeroes(1),    // PE_NAME
                  12_u16, 7_u16, 0x19_u32, 0xFFFFFFFF_u32,  // FLAGS and mask
                  8_u16, 8_u16, 300_u32,                    // TIMEOUT
                  8_u16, 9_u16, 0x00FFFFFF_u32));           // NETMASK
}

TEST(IpvsRequest, RemovesADestinationOfAnotherFamilyThanItsService) {
  Requests requests(1);
  put_destination_key(requests.add(0x22, 1, IPVS_CMD_DEL_DEST),
                      *Endpoint::parse("198.51.100.7:443"));
  const ByteView view = requests.bytes();
  EXPECT_EQ(Bytes(view.begin(), view.end()),
            bytes(48_u32, 0x22_u16, 1_u16, 0_u32, 0_u32, 7_u8, 1_u8, 0_u16,  //
                  28_u16, 0x8002_u16,                                        //
                  8_u16, 1_u16, 0xC6336407_be32,                             // ADDR
                  6_u16, 2_u16, 443_be16, 0_u16,                             // PORT
                  6_u16, 11_u16, 2_u16, 0_u16));                             // ADDR_FAMILY
}

// A service as ip_vs_genl_fill_service of Linux 6.1 writes it, statistics shortened.
Bytes service_record() {
  return bytes(100_u16, 0x8001_u16,                                  // nest SERVICE
               6_u16, 1_u16, 2_u16, 0_u16,                           // AF
               6_u16, 2_u16, 6_u16, 0_u16,                           // PROTOCOL
               20_u16, 3_u16, 0xC000020A_be32, zeroes(12),           // ADDR, 16 bytes
               6_u16, 4_u16, 443_be16, 0_u16,                        // PORT
               8_u16, 6_u16, text("wrr"), zeroes(1),                 // SCHED_NAME
               12_u16, 7_u16, 0x9_u32, 0xFFFFFFFF_u32,               // FLAGS and mask
               8_u16, 8_u16, 300_u32,                                // TIMEOUT
               8_u16, 9_u16, 0xFFFFFF00_be32,                        // NETMASK
               16_u16, 12_u16, 4_u16, 11_u16, 8_u16, 1_u16, 5_u32);  // STATS64: PAD, CONNS
}

TEST(ServiceRecord, IsReadFromWhatTheKernelWrites) {
  const auto record = parse_service_record(service_record());
  ASSERT_TRUE(record) << record.error().detail;
  EXPECT_EQ(record->key, service("tcp:192.0.2.10:443"));
  EXPECT_EQ(record->attributes.scheduler, "wrr");
  EXPECT_EQ(record->attributes.flags, 9U);
  EXPECT_EQ(record->attributes.timeout, 300U);
  EXPECT_EQ(record->attributes.persistence_engine, "");
}

Bytes service_nest(const Bytes& key) {
  return attribute(0x8001, bytes(key, attribute(IPVS_SVC_ATTR_SCHED_NAME, text("wlc\0")),
                                 attribute(IPVS_SVC_ATTR_FLAGS, bytes(2_u32, 0xFFFFFFFF_u32)),
                                 attribute(IPVS_SVC_ATTR_TIMEOUT, 0_u32),
                                 attribute(IPVS_SVC_ATTR_NETMASK, 0xFFFFFFFF_be32)));
}

TEST(ServiceRecord, KnowsFirewallMarksOfBothFamilies) {
  const Bytes mark = attribute(IPVS_SVC_ATTR_FWMARK, 7_u32);
  const auto v4 =
      parse_service_record(service_nest(bytes(attribute(IPVS_SVC_ATTR_AF, 2_u16), mark)));
  const auto v6 =
      parse_service_record(service_nest(bytes(attribute(IPVS_SVC_ATTR_AF, 10_u16), mark)));
  ASSERT_TRUE(v4);
  ASSERT_TRUE(v6);
  EXPECT_EQ(v4->key, service("fwmark:7"));
  EXPECT_EQ(v6->key, service("fwmark6:7"));
}

TEST(ServiceRecord, HasNoKeyForAProtocolWithoutAName) {
  for (const Bytes& protocol : {1_u16, 262_u16}) {  // ICMP; and 256 + TCP, which IPVS takes as well
    const auto record = parse_service_record(service_nest(
        bytes(attribute(IPVS_SVC_ATTR_AF, 2_u16), attribute(IPVS_SVC_ATTR_PROTOCOL, protocol),
              attribute(IPVS_SVC_ATTR_ADDR, zeroes(16)), attribute(IPVS_SVC_ATTR_PORT, 80_be16))));
    ASSERT_TRUE(record) << record.error().detail;
    EXPECT_FALSE(record->key);
  }
}

TEST(ServiceRecord, IsRefusedForAnUnknownAddressFamily) {
  const auto record = parse_service_record(service_nest(
      bytes(attribute(IPVS_SVC_ATTR_AF, 3_u16), attribute(IPVS_SVC_ATTR_FWMARK, 7_u32))));
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().code, std::errc::bad_message);
}

// A destination as ip_vs_genl_dump_dest of Linux 6.1 writes it, statistics shortened.
Bytes destination_record() {
  return bytes(136_u16, 0x8002_u16,                         // nest DEST
               20_u16, 1_u16, 0xC6336407_be32, zeroes(12),  // ADDR, 16 bytes
               6_u16, 2_u16, 8080_be16, 0_u16,              // PORT
               8_u16, 3_u16, 2_u32,                         // FWD_METHOD = tunnel
               8_u16, 4_u16, 33_u32,                        // WEIGHT
               8_u16, 5_u16, 1000_u32,                      // U_THRESH
               8_u16, 6_u16, 750_u32,                       // L_THRESH
               8_u16, 7_u16, 1_u32, 8_u16, 8_u16, 2_u32, 8_u16, 9_u16, 3_u32,  // connections
               6_u16, 11_u16, 2_u16, 0_u16,                                    // ADDR_FAMILY
               5_u16, 13_u16, 1_u8, zeroes(3),                                 // TUN_TYPE = GUE
               6_u16, 14_u16, 6080_be16, 0_u16,                                // TUN_PORT
               6_u16, 15_u16, 1_u16, 0_u16,                                    // TUN_FLAGS = CSUM
               16_u16, 10_u16, 4_u16, 11_u16, 8_u16, 1_u16, 5_u32);            // STATS: PAD, CONNS
}

const lb::Destination expected_destination{.endpoint = *Endpoint::parse("198.51.100.7:8080"),
                                           .weight = 33,
                                           .forward = lb::Forward::tunnel,
                                           .upper_threshold = 1000,
                                           .lower_threshold = 750,
                                           .tunnel = {.type = 1, .port = 6080, .flags = 1}};

TEST(DestinationRecord, IsReadFromWhatTheKernelWrites) {
  const auto destination = parse_destination_record(destination_record(), Family::v4);
  ASSERT_TRUE(destination) << destination.error().detail;
  EXPECT_EQ(*destination, expected_destination);
  EXPECT_EQ(destination->observed.connections, 3U) << "active and inactive";
}

TEST(DestinationRecord, MayBeOfAnotherFamilyThanItsService) {
  const auto destination = parse_destination_record(destination_record(), Family::v6);
  ASSERT_TRUE(destination) << destination.error().detail;
  EXPECT_EQ(*destination, expected_destination);
}

Bytes required_of_destination() {
  return bytes(attribute(IPVS_DEST_ATTR_ADDR, bytes(0x20010DB8_be32, zeroes(11), 9_u8)),
               attribute(IPVS_DEST_ATTR_PORT, 80_be16), attribute(IPVS_DEST_ATTR_FWD_METHOD, 7_u32),
               attribute(IPVS_DEST_ATTR_U_THRESH, 0_u32), attribute(IPVS_DEST_ATTR_L_THRESH, 0_u32),
               attribute(IPVS_DEST_ATTR_WEIGHT, 1_u32));
}

TEST(DestinationRecord, TakesTheServicesFamilyAndNoTunnelFromOlderKernels) {
  for (const Bytes& family : {Bytes{}, attribute(IPVS_DEST_ATTR_ADDR_FAMILY, 0_u16)}) {
    const auto destination = parse_destination_record(
        attribute(0x8002, bytes(family, required_of_destination())), Family::v6);
    ASSERT_TRUE(destination) << destination.error().detail;
    EXPECT_EQ(destination->endpoint.text(), "[2001:db8::9]:80");
    EXPECT_EQ(destination->tunnel, lb::Tunnel{});
  }
}

TEST(DestinationRecord, KeepsAForwardingMethodThatHasNoName) {
  const auto destination =
      parse_destination_record(attribute(0x8002, required_of_destination()), Family::v6);
  ASSERT_TRUE(destination);
  EXPECT_EQ(static_cast<std::uint32_t>(destination->forward), 7U);
}

TEST(DestinationRecord, SkipsAttributesOfNewerKernels) {
  const Bytes unknown =
      bytes(attribute(31, 1_u32), attribute(32, 1_u32), attribute(16383, text("x")));
  const auto destination = parse_destination_record(
      attribute(0x8002, bytes(unknown, required_of_destination())), Family::v6);
  EXPECT_TRUE(destination);
}

bool any(const Endpoint&) {
  return true;
}

// What SET_DEST gets for a record of the kernel: what is kept, and then method and weight.
Bytes written_back(const Bytes& record, std::uint32_t weight, lb::Forward forward) {
  const auto present = parse_present_destination(record, Family::v6, any);
  if (!present) return text(present.error().detail);
  Requests requests(1);
  put_changed_destination(requests.add(0x22, 1, IPVS_CMD_SET_DEST), **present, weight, forward);
  const ByteView attributes = requests.bytes().subspan(20);
  return {attributes.begin(), attributes.end()};
}

TEST(DestinationRecord, GoesBackAsItCameButForWeightAndMethod) {
  EXPECT_EQ(written_back(destination_record(), 77, lb::Forward::route),
            bytes(96_u16, 0x8002_u16,                          // nest DEST
                  20_u16, 1_u16, 0xC6336407_be32, zeroes(12),  // ADDR
                  6_u16, 2_u16, 8080_be16, 0_u16,              // PORT
                  8_u16, 5_u16, 1000_u32,                      // U_THRESH
                  8_u16, 6_u16, 750_u32,                       // L_THRESH
                  6_u16, 11_u16, 2_u16, 0_u16,                 // ADDR_FAMILY
                  5_u16, 13_u16, 1_u8, zeroes(3),              // TUN_TYPE = GUE
                  6_u16, 14_u16, 6080_be16, 0_u16,             // TUN_PORT
                  6_u16, 15_u16, 1_u16, 0_u16,                 // TUN_FLAGS = CSUM
                  8_u16, 3_u16, 3_u32,                         // FWD_METHOD = route
                  8_u16, 4_u16, 77_u32));                      // WEIGHT
}

TEST(DestinationRecord, GoesBackWithAttributesOfNewerKernels) {
  const Bytes newer = bytes(attribute(16, 5_u8), attribute(0x8040, attribute(1, 7_u32)));
  const Bytes written = written_back(attribute(0x8002, bytes(newer, required_of_destination())), 1,
                                     lb::Forward::route);
  EXPECT_EQ(first(bytes(zeroes(0), Bytes(written.begin() + 4, written.end())), newer.size()),
            newer);
  const auto reread = parse_destination_record(written, Family::v6);
  ASSERT_TRUE(reread) << reread.error().detail;
  EXPECT_EQ(reread->endpoint.text(), "[2001:db8::9]:80");
}

TEST(DestinationRecord, IsNotWrittenBackByHalfWhenItIsTooLong) {
  const auto record =
      attribute(0x8002, bytes(attribute(16, zeroes(200)), required_of_destination()));
  const auto present = parse_present_destination(record, Family::v6, any);
  ASSERT_FALSE(present);
  EXPECT_EQ(present.error().code, std::errc::message_size);
}

TEST(DestinationRecord, IsPresentOnlyIfItIsWanted) {
  const auto at = [](std::string_view text) {
    return [text](const Endpoint& endpoint) { return endpoint.text() == text; };
  };
  const auto present =
      parse_present_destination(destination_record(), Family::v4, at("198.51.100.7:8080"));
  ASSERT_TRUE(present && *present);
  EXPECT_EQ((*present)->destination, expected_destination);
  const auto other =
      parse_present_destination(destination_record(), Family::v4, at("198.51.100.7:80"));
  EXPECT_TRUE(other && !*other);
}

TEST(DestinationRecord, IsRefusedWithoutEachRequiredAttribute) {
  for (std::uint16_t left_out = 1; left_out <= 6; ++left_out) {
    Bytes nest;
    for (std::uint16_t type = 1; type <= 6; ++type) {
      const Bytes value = type == 1 ? zeroes(16) : type == 2 ? 80_be16 : 1_u32;
      if (type != left_out) nest = bytes(nest, attribute(type, value));
    }
    const auto destination = parse_destination_record(attribute(0x8002, nest), Family::v4);
    ASSERT_FALSE(destination) << left_out;
    EXPECT_EQ(destination.error().code, std::errc::bad_message);
    EXPECT_EQ(destination.error().detail,
              "destination: attribute " + std::to_string(left_out) + " is missing");
  }
}

TEST(DestinationRecord, IsRefusedWhenAnAttributeHasAnotherLength) {
  const std::vector<std::uint16_t> fixed_length{1, 2, 3, 4, 5, 6, 11, 13, 14, 15};
  for (const std::uint16_t wrong : fixed_length) {
    Bytes nest = required_of_destination();
    nest = bytes(nest, attribute(wrong, zeroes(3)));  // the last one of a number counts
    const auto destination = parse_destination_record(attribute(0x8002, nest), Family::v6);
    ASSERT_FALSE(destination) << wrong;
    EXPECT_EQ(destination.error().code, std::errc::bad_message);
  }
}

TEST(DestinationRecord, IsRefusedForAnIpv4AddressInAnIpv6Record) {
  const Bytes nest = bytes(required_of_destination(), attribute(1, 0xC6336407_be32));
  EXPECT_FALSE(parse_destination_record(attribute(0x8002, nest), Family::v6));
}

TEST(Version, IsThreeNumbers) {
  const auto version = parse_version(bytes(attribute(IPVS_INFO_ATTR_VERSION, 0x010201_u32),
                                           attribute(IPVS_INFO_ATTR_CONN_TAB_SIZE, 4096_u32)));
  ASSERT_TRUE(version);
  EXPECT_EQ(*version, "1.2.1");
  EXPECT_FALSE(parse_version({}));
}

// Cutting the answer anywhere cuts its one nest.
TEST(Truncation, OfAnAnswerIsAnErrorEverywhere) {
  const Bytes service = service_record();
  for (std::size_t size = 0; size < service.size(); ++size) {
    EXPECT_FALSE(parse_service_record(first(service, size))) << size;
  }
  const Bytes destination = destination_record();
  for (std::size_t size = 0; size < destination.size(); ++size) {
    EXPECT_FALSE(parse_destination_record(first(destination, size), Family::v4)) << size;
  }
}

// The nest cut and its length made to fit. The last attribute is a required one, so every cut
// hurts.
TEST(Truncation, OfTheDestinationNestIsAnErrorEverywhere) {
  const Bytes nest = required_of_destination();
  for (std::size_t size = 0; size < nest.size(); ++size) {
    const Bytes cut =
        bytes(raw(static_cast<std::uint16_t>(4 + size)), 0x8002_u16, first(nest, size));
    EXPECT_FALSE(parse_destination_record(Bytes(cut), Family::v6)) << size;
  }
}

TEST(Truncation, OfTheServiceNestIsAnErrorEverywhere) {
  const Bytes nest = bytes(
      attribute(IPVS_SVC_ATTR_AF, 2_u16), attribute(IPVS_SVC_ATTR_PROTOCOL, 6_u16),
      attribute(IPVS_SVC_ATTR_ADDR, zeroes(16)), attribute(IPVS_SVC_ATTR_PORT, 80_be16),
      attribute(IPVS_SVC_ATTR_SCHED_NAME, text("wrr")), attribute(IPVS_SVC_ATTR_TIMEOUT, 0_u32),
      attribute(IPVS_SVC_ATTR_NETMASK, 0_u32), attribute(IPVS_SVC_ATTR_FLAGS, bytes(1_u32, 1_u32)));
  for (std::size_t size = 0; size < nest.size(); ++size) {
    const Bytes cut =
        bytes(raw(static_cast<std::uint16_t>(4 + size)), 0x8001_u16, first(nest, size));
    EXPECT_FALSE(parse_service_record(Bytes(cut))) << size;
  }
}

class Chance {
 public:
  std::uint32_t below(std::uint64_t limit) {
    return static_cast<std::uint32_t>(
        std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(generator_));
  }
  std::uint32_t number() { return below(std::uint64_t{1} << 32); }
  Endpoint endpoint() {
    std::array<std::uint8_t, 16> address{};
    for (auto& byte : address)
      byte = static_cast<std::uint8_t>(below(256));
    const bool v4 = below(2) == 0;
    return {v4 ? IpAddress::v4(std::span(address).first<4>()) : IpAddress::v6(address),
            static_cast<std::uint16_t>(below(65536))};
  }
  lb::Destination destination() {
    return {.endpoint = endpoint(),
            .weight = number(),
            .forward = static_cast<lb::Forward>(below(5)),
            .upper_threshold = number(),
            .lower_threshold = number(),
            .tunnel = {.type = static_cast<std::uint8_t>(below(256)),
                       .port = static_cast<std::uint16_t>(below(65536)),
                       .flags = static_cast<std::uint16_t>(below(65536))}};
  }

 private:
  std::mt19937 generator_{4678};
};

TEST(Destination, ReadsBackAsItWasWritten) {
  Chance chance;
  for (int round = 0; round < 10000; ++round) {
    const lb::Destination destination = chance.destination();
    Requests requests(1);
    put_destination(requests.add(0x22, 1, IPVS_CMD_SET_DEST), destination);
    const ByteView attributes = requests.bytes().subspan(20);
    const auto read = parse_destination_record(attributes, Family::v6);
    ASSERT_TRUE(read) << read.error().detail;
    ASSERT_EQ(*read, destination);
  }
}

TEST(Records, SurviveAnyDamage) {
  Chance chance;
  for (int round = 0; round < 20000; ++round) {
    Bytes damaged = round % 2 == 0 ? service_record() : destination_record();
    for (std::uint32_t count = 1 + chance.below(4); count > 0; --count) {
      damaged[chance.below(damaged.size())] = static_cast<std::uint8_t>(chance.below(256));
    }
    damaged = first(damaged, 1 + chance.below(damaged.size()));
    (void)parse_service_record(damaged);
    (void)parse_destination_record(damaged, Family::v6);
    (void)parse_present_destination(damaged, Family::v6, any);
  }
}

}  // namespace
}  // namespace saspd::netlink
