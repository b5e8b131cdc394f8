// The values of flags: what is taken, what is refused, and how that is said.
#include "controller/cli/parsers.hpp"

#include <gtest/gtest.h>

namespace saspd::cli {
namespace {

TEST(HostPort, TakesNamesAndAddressesWithAndWithoutPort) {
  const std::vector<std::pair<std::string, HostPort>> accepted{
      {"gwm", {"gwm", 3860}},
      {"gwm-1.example_net.", {"gwm-1.example_net.", 3860}},
      {"gwm.example:1", {"gwm.example", 1}},
      {"192.0.2.1", {"192.0.2.1", 3860}},
      {"192.0.2.1:65535", {"192.0.2.1", 65535}},
      {"[2001:db8::1]", {"2001:db8::1", 3860}},
      {"[::1]:99", {"::1", 99}},
  };
  for (const auto& [text, expected] : accepted) {
    const auto parsed = parse_host_port(text, 3860);
    ASSERT_TRUE(parsed) << parsed.error().detail;
    EXPECT_EQ(*parsed, expected);
    EXPECT_EQ(*parse_host_port(parsed->text(), 1), *parsed) << "its text means the same";
  }
}

TEST(HostPort, RefusesTheRestWithTheAcceptedForm) {
  for (const auto* text :
       {"",           ":",      ":3860",       "gwm:",    "gwm:0",  "gwm:65536",
        "gwm:+1",     "gwm:1x", "gwm: 1",      "gwm:1:2", "::1",    "2001:db8::1:3860",
        "[::1",       "::1]",   "[]",          "[::1]x",  "[::1]:", "[192.0.2.1]",
        "[gwm]:1",    "gw m",   "gwm,other",   "-gwm",    ".gwm",   "gwm\n",
        "http://gwm", "gwm/1",  "[::1%eth0]:1"}) {
    const auto parsed = parse_host_port(text, 3860);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().detail.find("'" + std::string(text) + "'"), std::string::npos)
        << parsed.error().detail;
  }
  EXPECT_FALSE(parse_host_port(std::string(254, 'a'), 1));
  EXPECT_EQ(parse_host_port("::1", 1).error().detail,
            "'::1' is not HOST or HOST:PORT (an IPv6 address stands in brackets)");
}

TEST(ListenEndpoint, NeedsAnAddressAndAPort) {
  EXPECT_EQ(listen_endpoint("[::]:3860")->text(), "[::]:3860");
  for (const auto* text : {"", "3860", "192.0.2.1", "192.0.2.1:0", "localhost:3860", "::1:3860"}) {
    EXPECT_FALSE(listen_endpoint(text)) << text;
  }
}

TEST(ListenOrOff, TakesAnAddressOrTheWord) {
  EXPECT_EQ((*listen_or_off("[::1]:9860"))->text(), "[::1]:9860");
  ASSERT_TRUE(listen_or_off("off"));
  EXPECT_FALSE(listen_or_off("off")->has_value());
  EXPECT_TRUE(listen_or_off("192.0.2.1:0").error().detail.ends_with(", or off"));
}

TEST(Number, IsWithinItsRange) {
  EXPECT_EQ(*number(1, 10)("10"), 10U);
  for (const auto* text :
       {"", "0", "11", "-1", "+1", "1.5", "0x1", " 1", "1 ", "1s", "99999999999999999999"}) {
    EXPECT_EQ(number(1, 10)(text).error().detail,
              "'" + std::string(text) + "' is not a whole number from 1 to 10");
  }
}

TEST(Text, CountsBytes) {
  EXPECT_EQ(*text(1, 4)("\xc3\xa4\xc3\xa4"), "\xc3\xa4\xc3\xa4");
  EXPECT_FALSE(text(1, 3)("\xc3\xa4\xc3\xa4"));
  EXPECT_FALSE(text(1, 3)(""));
}

TEST(OneOf, NamesTheWordsThatItKnows) {
  const auto parse = one_of<int>({{"pull", 1}, {"push", 2}});
  EXPECT_EQ(*parse("push"), 2);
  EXPECT_EQ(parse("PUSH").error().detail, "'PUSH' is not one of: pull, push");
  EXPECT_FALSE(parse(""));
}

TEST(CheckPlaintext, AllowsLoopbackAndWhatSomebodyAllowed) {
  for (const auto* host : {"127.0.0.1", "127.255.0.1", "::1", "localhost"}) {
    EXPECT_TRUE(check_plaintext(host, false)) << host;
  }
  for (const auto* host : {"192.0.2.1", "0.0.0.0", "::", "128.0.0.1", "2001:db8::1", "gwm.example",
                           "localhost.example", "::ffff:192.0.2.1", ""}) {
    EXPECT_FALSE(check_plaintext(host, false)) << host;
    EXPECT_TRUE(check_plaintext(host, true)) << host;
  }
  EXPECT_NE(check_plaintext("192.0.2.1", false).error().detail.find("--insecure-plaintext"),
            std::string::npos);
}

}  // namespace
}  // namespace saspd::cli
