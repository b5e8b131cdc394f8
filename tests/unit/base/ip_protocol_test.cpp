// SPDX-License-Identifier: Apache-2.0

#include "controller/base/ip_protocol.hpp"

#include <set>

#include <gtest/gtest.h>

namespace saspd {
namespace {

TEST(IpProtocol, HasTheNamesOfIana) {
  EXPECT_EQ(ip_protocol_name(6), "tcp");
  EXPECT_EQ(ip_protocol_name(17), "udp");
  EXPECT_EQ(ip_protocol_name(132), "sctp");
}

TEST(IpProtocol, ReadsEachNameAndShowsEachNumber) {
  std::set<std::string> texts;
  for (unsigned number = 0; number < 256; ++number) {
    const auto protocol = static_cast<std::uint8_t>(number);
    const auto name = ip_protocol_name(protocol);
    if (!name.empty()) {
      EXPECT_EQ(parse_ip_protocol(name), protocol);
    }
    EXPECT_EQ(ip_protocol_text(protocol),
              name.empty() ? std::to_string(number) : std::string(name));
    texts.insert(ip_protocol_text(protocol));
  }
  EXPECT_EQ(texts.size(), 256U);
}

TEST(IpProtocol, ReadsNamesInAnyCaseAndNothingElse) {
  EXPECT_EQ(parse_ip_protocol("TCP"), 6);
  EXPECT_EQ(parse_ip_protocol("Sctp"), 132);
  for (const char* text : {"", "tc", "tcpp", "tcp:", "6", "icmp"})
    EXPECT_FALSE(parse_ip_protocol(text)) << text;
}

}  // namespace
}  // namespace saspd
