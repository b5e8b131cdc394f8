// SPDX-License-Identifier: Apache-2.0

#include "controller/base/address.hpp"

#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

namespace saspd {
namespace {

std::string reprinted_address(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address ? address->text() : "refused";
}

std::string reprinted_endpoint(std::string_view text) {
  const auto endpoint = Endpoint::parse(text);
  return endpoint ? endpoint->text() : "refused";
}

TEST(IpAddress, PrintsWhatItParsedInItsShortestForm) {
  EXPECT_EQ(reprinted_address("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(reprinted_address("2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(reprinted_address("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
  EXPECT_EQ(reprinted_address("::"), "::");
}

TEST(IpAddress, RefusesWhatIsNotOneAddress) {
  for (const std::string_view text :
       {"", " 192.0.2.1", "192.0.2.1 ", "192.0.2", "192.0.2.256", "192.0.2.01", "example.org",
        "[2001:db8::1]", "fe80::1%eth0", "2001:db8:::1", "192.0.2.1/24", "0x7f000001"}) {
    EXPECT_EQ(reprinted_address(text), "refused") << text;
  }
}

TEST(IpAddress, RefusesAnAddressThatGoesOnBehindANul) {
  EXPECT_EQ(reprinted_address(std::string_view("192.0.2.1\0junk", 14)), "refused");
}

TEST(IpAddress, HasItsBytesInNetworkOrder) {
  const auto v4 = IpAddress::parse("192.0.2.1");
  EXPECT_EQ(v4->family(), Family::v4);
  EXPECT_EQ(std::vector<std::uint8_t>(v4->bytes().begin(), v4->bytes().end()),
            (std::vector<std::uint8_t>{192, 0, 2, 1}));
  const auto v6 = IpAddress::parse("2001:db8::1");
  EXPECT_EQ(v6->family(), Family::v6);
  EXPECT_EQ(v6->bytes().size(), 16U);
  EXPECT_EQ(v6->bytes()[0], 0x20);
  EXPECT_EQ(v6->bytes()[15], 1);
}

TEST(IpAddress, IsBuiltFromItsBytes) {
  const auto v4 = IpAddress::parse("192.0.2.1");
  EXPECT_EQ(IpAddress::v4(v4->bytes().first<4>()), *v4);
  const auto v6 = IpAddress::parse("2001:db8::1");
  EXPECT_EQ(IpAddress::v6(v6->bytes().first<16>()), *v6);
}

TEST(IpAddress, DiffersBetweenTheFamiliesThoughTheBytesAreTheSame) {
  EXPECT_NE(*IpAddress::parse("32.1.13.184"), *IpAddress::parse("2001:db8::"));
}

// Trees are walked, and answers printed, in this order.
TEST(IpAddress, IsOrderedByFamilyAndThenByteByByte) {
  const std::vector<std::string> ascending{
      "0.0.0.1",   "1.0.0.0",         "10.0.0.2",    "10.0.1.0",     "127.255.255.255",
      "128.0.0.0", "255.255.255.255", "::",          "::1",          "::100",
      "0:0:0:1::", "0:0:0:1::1",      "1::",         "7fff:ffff::1", "8000::",
      "fe80::1",   "fe80::1:0:0:0",   "fe80:0:0:1::"};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      const auto a = *IpAddress::parse(ascending[i]);
      const auto b = *IpAddress::parse(ascending[j]);
      EXPECT_EQ(a <=> b, i <=> j) << ascending[i] << " and " << ascending[j];
      EXPECT_EQ(a == b, i == j) << ascending[i] << " and " << ascending[j];
    }
  }
}

TEST(IpAddress, KnowsLoopback) {
  EXPECT_TRUE(IpAddress::parse("127.0.0.1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("127.255.0.3")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("126.0.0.1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("1::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("0.0.0.0")->is_loopback());
}

TEST(Endpoint, PrintsWhatItParsed) {
  EXPECT_EQ(reprinted_endpoint("192.0.2.1:80"), "192.0.2.1:80");
  EXPECT_EQ(reprinted_endpoint("[2001:db8::1]:65535"), "[2001:db8::1]:65535");
  EXPECT_EQ(reprinted_endpoint("192.0.2.1:0"), "192.0.2.1:0");
}

TEST(Endpoint, RefusesWhatIsNotAddressAndPort) {
  for (const std::string_view text :
       {"", ":", "192.0.2.1", "192.0.2.1:", ":80", "2001:db8::1:80", "[192.0.2.1]:80",
        "[2001:db8::1]", "[2001:db8::1]80", "[]:80", "[:80", "]:80", "192.0.2.1:65536",
        "192.0.2.1:-1", "192.0.2.1:+80", "192.0.2.1: 80", "192.0.2.1:http", "192.0.2.1:80 "}) {
    EXPECT_EQ(reprinted_endpoint(text), "refused") << text;
  }
}

TEST(Endpoint, SaysTheRangeOfAPort) {
  EXPECT_EQ(Endpoint::parse("192.0.2.1:70000").error().detail,
            "port of '192.0.2.1:70000': '70000' is not a whole number from 0 to 65535");
}

TEST(Endpoint, ShowsForeignBytesWithoutHarmInItsErrors) {
  EXPECT_EQ(Endpoint::parse("\x1b[2J").error().detail,
            "'\\x1b[2J' is not ADDR:PORT or [ADDR]:PORT");
}

// Each says what is missing, and the text that was probably meant.
TEST(Endpoint, NamesWhatWasMeant) {
  const auto error = [](std::string_view text) { return Endpoint::parse(text).error().detail; };
  EXPECT_EQ(error("2001:db8::1:80"),
            "'2001:db8::1:80': write an IPv6 address with a port in brackets: [2001:db8::1]:80");
  EXPECT_EQ(error("192.0.2.1"), "'192.0.2.1' has no port; write 192.0.2.1:PORT");
  EXPECT_EQ(error("2001:db8::1"), "'2001:db8::1' has no port; write [2001:db8::1]:PORT");
  EXPECT_EQ(error("[2001:db8::1]"), "'[2001:db8::1]' has no port; write [2001:db8::1]:PORT");
  for (const auto* text : {"www.example.org:80", "localhost:80", "web-1", "web_1:80"}) {
    EXPECT_NE(error(text).find("names are not resolved here; give the address"), std::string::npos)
        << error(text);
  }
  EXPECT_EQ(error("192.0.2.300:80"), "'192.0.2.300:80' is not ADDR:PORT or [ADDR]:PORT");
}

// field-cases 11: it was another system, without a word.
TEST(LoneAddress, IsRefusedWhereItsEndMayBeAPort) {
  const auto parse = [](std::string_view text) {
    const auto address = parse_lone_address(text);
    return address ? address->text() : address.error().detail;
  };
  EXPECT_EQ(parse("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(parse("2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(parse("[2001:db8::1]"), "2001:db8::1");
  EXPECT_EQ(parse("2001:db8::a:b0b"), "2001:db8::a:b0b") << "no port has letters";
  EXPECT_EQ(parse("2001:db8:0:0:0:0:1:80"), "2001:db8::1:80") << "eight groups leave no port over";
  EXPECT_EQ(parse("[2001:db8::1:80]"), "2001:db8::1:80");
  EXPECT_EQ(parse("2001:db8::1:80"),
            "'2001:db8::1:80' may be an address, or an address and a port; write "
            "[2001:db8::1:80] or [2001:db8::1]:80");
  EXPECT_EQ(parse("[192.0.2.1]"), "'[192.0.2.1]': brackets are for IPv6 addresses");
  EXPECT_EQ(
      parse("www.example.org"),
      "'www.example.org' is not an IP address: names are not resolved here; give the address");
  EXPECT_EQ(parse("192.0.2.300"), "'192.0.2.300' is not an IP address");
}

TEST(Endpoint, IsOrderedByAddressThenPort) {
  const auto endpoint = [](const char* text) { return *Endpoint::parse(text); };
  EXPECT_LT(endpoint("192.0.2.1:80"), endpoint("192.0.2.2:79"));
  EXPECT_LT(endpoint("192.0.2.1:80"), endpoint("192.0.2.1:81"));
  EXPECT_LT(endpoint("255.255.255.255:1"), endpoint("[::]:1"));
}

TEST(Endpoint, HashesPortsAndAddressesApart) {
  std::unordered_set<std::size_t> hashes;
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    hashes.insert(std::hash<Endpoint>{}({*IpAddress::parse("192.0.2.1"), port}));
    hashes.insert(std::hash<Endpoint>{}({*IpAddress::parse("2001:db8::1"), port}));
  }
  EXPECT_EQ(hashes.size(), 2000U);
}

TEST(ParseNumber, TakesWhatIsInTheRange) {
  EXPECT_EQ(*parse_number("0", 0, 5), 0U);
  EXPECT_EQ(*parse_number("5", 0, 5), 5U);
  EXPECT_EQ(*parse_number("18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
}

TEST(ParseNumber, RefusesWhatIsOutsideOrNoWholeNumber) {
  for (const std::string_view text : {"", "6", "1", "-2", "+2", " 2", "2 ", "2.0", "0x2", "two",
                                      "18446744073709551616", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_number(text, 2, 5)) << text;
  }
}

}  // namespace
}  // namespace saspd
