// SPDX-License-Identifier: Apache-2.0
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
  EXPECT_EQ(parse_host_port("[::1", 1).error().detail,
            "'[::1' is not HOST or HOST:PORT (write an IPv6 address in brackets)");
  EXPECT_EQ(parse_host_port("::1", 3860).error().detail,
            "'::1' is not HOST or HOST:PORT; write [::1]");
  EXPECT_EQ(parse_host_port("2001:db8::1:99", 3860).error().detail,
            "'2001:db8::1:99' is not HOST or HOST:PORT; write [2001:db8::1]:99, or "
            "[2001:db8::1:99]:3860");
}

// A flag's default is shown, and taken again, as the text of its field.
TEST(Text, OfAValueMeansTheSameValue) {
  enum class Mode { pull, push };
  const auto words = one_of<Mode>({{"pull", Mode::pull}, {"push", Mode::push}});
  for (const auto mode : {Mode::pull, Mode::push})
    EXPECT_EQ(*words(text_of(mode, words)), mode);
  EXPECT_EQ(text_of(std::uint16_t{64}, number<std::uint16_t>(1, 65535)), "64");
  EXPECT_EQ(text_of(std::chrono::milliseconds(5000), seconds(1, 60)), "5");
  EXPECT_EQ(text_of(std::string("a b"), text(0, 9)), "a b");
  const auto listens = listen_or_off(9860);
  for (const auto* each : {"off", "127.0.0.1:9860", "[::1]:1"})
    EXPECT_EQ(text_of(*listens(each), listens), each);
  // Without a value, or an inverse, there is no default.
  EXPECT_EQ(text_of(std::optional<std::uint32_t>(), number<std::uint32_t>(0, 9)), "");
  EXPECT_EQ(text_of(std::optional<std::uint32_t>(7), number<std::uint32_t>(0, 9)), "7");
  EXPECT_EQ(text_of(7, [](std::string_view) { return 7; }), "");
}

TEST(ListenEndpoint, IsTakenAsItIsMeant) {
  const std::vector<std::pair<std::string, std::string>> taken{
      {"[::]:3860", "[::]:3860"},
      {"192.0.2.1:99", "192.0.2.1:99"},
      {"192.0.2.1", "192.0.2.1:3860"},
      {"::1", "[::1]:3860"},
      {"[2001:db8::1]", "[2001:db8::1]:3860"},
      {"9860", "127.0.0.1:9860"},
      {"localhost:9860", "127.0.0.1:9860"},
      {"localhost", "127.0.0.1:3860"},
  };
  for (const auto& [text, means] : taken) {
    const auto endpoint = parse_listen(text, 3860);
    ASSERT_TRUE(endpoint) << endpoint.error().detail;
    EXPECT_EQ(endpoint->text(), means) << text;
  }
}

TEST(ListenEndpoint, IsRefusedWithWhatWasMeant) {
  const std::vector<std::pair<std::string, std::string>> refused{
      {"", "'' is not ADDR:PORT or [ADDR]:PORT"},
      {"0", "port of '0' is not from 1 to 65535"},
      {"65536", "port of '65536' is not from 1 to 65535"},
      {"192.0.2.1:0", "port of '192.0.2.1:0' is not from 1 to 65535"},
      {"::1:3860", "'::1:3860': write an IPv6 address with a port in brackets: [::1]:3860"},
      {":9860",
       "':9860' has no address; write 127.0.0.1:9860, or 0.0.0.0:9860 or [::]:9860 for all of "
       "this machine"},
      {"gwm.example:3860",
       "'gwm.example:3860' is not ADDR:PORT: names are not resolved here; give the address"},
      {"localhost.example:1",
       "'localhost.example:1' is not ADDR:PORT: names are not resolved here; give the address"},
  };
  for (const auto& [text, says] : refused) {
    const auto endpoint = parse_listen(text, 3860);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_EQ(endpoint.error().detail, says);
  }
}

TEST(ListenOrOff, TakesAnAddressOrTheWord) {
  EXPECT_EQ((*parse_listen_or_off("[::1]:9860", 1))->text(), "[::1]:9860");
  EXPECT_EQ((*parse_listen_or_off("9862", 1))->text(), "127.0.0.1:9862");
  ASSERT_TRUE(parse_listen_or_off("off", 1));
  EXPECT_FALSE(parse_listen_or_off("off", 1)->has_value());
  EXPECT_TRUE(parse_listen_or_off("192.0.2.1:0", 1).error().detail.ends_with(", or off"));
}

TEST(Seconds, HaveUnits) {
  const auto parse = seconds(1, 86'400);
  using std::chrono::seconds;
  EXPECT_EQ(*parse("10"), seconds(10));
  EXPECT_EQ(*parse("10s"), seconds(10));
  EXPECT_EQ(*parse("5m"), seconds(300));
  EXPECT_EQ(*parse("2h"), seconds(7200));
  EXPECT_EQ(*parse("1d"), seconds(86'400));
  for (const auto* text :
       {"", "0", "0s", "-1", "25h", "2d", "86401", "1.5", "99999999999999999999"}) {
    EXPECT_EQ(parse(text).error().detail,
              "'" + std::string(text) + "' is not a whole number of seconds from 1 to 86400");
  }
  for (const auto* text : {"s", "5 m", "500ms", "soon", "10sec", "5M", "1.5h"}) {
    EXPECT_EQ(parse(text).error().detail,
              "'" + std::string(text) +
                  "' is not a whole number of seconds from 1 to 86400; the units are s, m, h and "
                  "d, as in 5m");
  }
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
  EXPECT_EQ(parse("PUSH").error().detail, "'PUSH' is not one of: pull, push; did you mean 'push'?");
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
