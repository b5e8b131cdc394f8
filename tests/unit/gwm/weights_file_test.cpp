// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/weights_file.hpp"

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using sasp::MemberKey;

MemberKey key(const char* address, std::uint8_t protocol = 6, std::uint16_t port = 80) {
  return {*IpAddress::parse(address), protocol, port};
}

TEST(WeightsFile, ReadsEveryForm) {
  const auto table = parse_weights(
      "# a comment\n"
      "\n"
      "web 192.0.2.1:80 40\n"
      "  web\ttcp:192.0.2.2:80   quiesce   # maintenance\r\n"
      "web [2001:db8::3]:80 down\n"
      "web tcp:192.0.2.4:80 unknown\n"
      "dns udp:192.0.2.1:53 65535\n"
      "sig sctp:[2001:db8::1]:2905 0\n"
      "hosts 192.0.2.5 10\n"
      "hosts 2001:db8::5 11\n"
      "hosts [2001:db8::1:80] 12\n");
  ASSERT_TRUE(table) << table.error().detail;
  const AdviceTable expected = {
      {"web",
       {{key("192.0.2.1"), {.confident = true, .weight = 40}},
        {key("192.0.2.2"), {.confident = true, .quiesce = true}},
        {key("2001:db8::3"), {.contact = false, .confident = true}},
        {key("192.0.2.4"), Advice{}}}},
      {"dns", {{key("192.0.2.1", 17, 53), {.confident = true, .weight = 65535}}}},
      {"sig", {{key("2001:db8::1", 132, 2905), {.confident = true}}}},
      {"hosts",
       {{key("192.0.2.5", 0, 0), {.confident = true, .weight = 10}},
        {key("2001:db8::5", 0, 0), {.confident = true, .weight = 11}},
        {key("2001:db8::1:80", 0, 0), {.confident = true, .weight = 12}}}},
  };
  EXPECT_EQ(*table, expected);
}

TEST(WeightsFile, IsValidWithNothingInIt) {
  for (const char* text : {"", "\n", "# nothing\n", "\xEF\xBB\xBF# nothing\n"}) {
    const auto table = parse_weights(text);
    ASSERT_TRUE(table) << text;
    EXPECT_TRUE(table->empty());
  }
}

TEST(WeightsFile, TakesAGroupNameWithSpacesAndSigns) {
  const auto table = parse_weights("the web #1 servers: A 192.0.2.1:80 4\nb#2 192.0.2.1:80 5\n");
  EXPECT_FALSE(table) << "behind a space, # starts a comment";
  const auto good = parse_weights("the web servers: A 192.0.2.1:80 4\nb#2 192.0.2.1:80 5\n");
  ASSERT_TRUE(good) << good.error().detail;
  EXPECT_EQ(good->count("the web servers: A"), 1U);
  EXPECT_EQ(good->count("b#2"), 1U);
}

// A load balancer's ::192.0.2.1 and ::ffff:192.0.2.1 are the member 192.0.2.1 (sasp-interop row 2).
TEST(WeightsFile, KnowsAnIpv4AddressInEveryForm) {
  const auto table = parse_weights("a [::192.0.2.1]:80 1\nb [::ffff:192.0.2.1]:80 1\n");
  ASSERT_TRUE(table) << table.error().detail;
  EXPECT_EQ(table->at("a").count(key("192.0.2.1")), 1U);
  EXPECT_EQ(table->at("b").count(key("192.0.2.1")), 1U);
}

TEST(WeightsFile, NamesTheLineAndWhatIsWrongWithIt) {
  struct Case {
    std::string line;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"web", "expected GROUP [tcp:|udp:|sctp:]ADDR[:PORT] WEIGHT|quiesce|down|unknown"},
      {"web 40", "expected GROUP"},
      {"192.0.2.1:80 40", "expected GROUP"},
      {"web 192.0.2.1:80", "expected GROUP"},
      {"web 192.0.2.1:80 65536", "'65536' is not a weight from 0 to 65535"},
      {"web 192.0.2.1:80 -1", "'-1' is not a weight"},
      {"web 192.0.2.1:80 4.5", "'4.5' is not a weight"},
      {"web 192.0.2.1:80 0x28", "'0x28' is not a weight"},
      {"web 192.0.2.1:80 0x28", "did you mean '40'?"},
      {"web 192.0.2.1:80 Down", "nor quiesce, down or unknown; did you mean 'down'?"},
      {"web 192.0.2.1:80 drain", "did you mean 'quiesce'?"},
      {"web 192.0.2.1:80 MAINT", "did you mean 'quiesce'?"},
      {"web 192.0.2.1:80 quiese", "did you mean 'quiesce'?"},
      {"web 192.0.2.1:80 offline", "did you mean 'down'?"},
      {"web 192.0.2.1:80 \"40\"", "did you mean '40'?"},
      {"web 192.0.2.1:80 40# the fast one", "a comment begins with a blank and #"},
      {"web 192.0.2.1:80 40#fast", "'40#fast' is not a weight"},
      {"web 2001:db8::1:80 40", "write [2001:db8::1:80] or [2001:db8::1]:80"},
      {"web tcp:2001:db8::1:80 40", "in brackets: [2001:db8::1]:80"},
      {"\"web\" 192.0.2.1:80 40", "quotes would be part of the group's name; write web"},
      {"'the web' 192.0.2.1:80 40", "quotes would be part of the group's name; write the web"},
      {"web \"192.0.2.1:80\" 40", "a member is not quoted; write 192.0.2.1:80"},
      {"web 192.0.2.1:80 40 192.0.2.2:80 20", "with the member 192.0.2.1:80 in its name"},
      {"web 192.0.2.1 192.0.2.2:80 20", "with the member 192.0.2.1 in its name"},
      {"web\xC2\xA0"
       "192.0.2.1:80 40",
       "a no-break space (U+00A0) after 'web'"},
      {"web 192.0.2.1:0 4", "'192.0.2.1:0' is not a member"},
      {"web 0.0.0.0:80 4", "0.0.0.0 is the unspecified address; write the server's own"},
      {"web 0.0.0.0 4", "0.0.0.0 is the unspecified address"},
      {"web udp:[::]:53 4", ":: is the unspecified address"},
      {"web 224.0.0.1:80 4", "224.0.0.1 is a multicast address"},
      {"web [ff02::1]:80 4", "ff02::1 is a multicast address"},
      {"web 255.255.255.255:80 4", "255.255.255.255 is the broadcast address"},
      {"web 192.0.2.1:65536 4", "'192.0.2.1:65536' is not a member"},
      {"web 192.0.2.256:80 4", "'192.0.2.256:80' is not a member"},
      {"web 2001:db8::1:80:80:80:80:80 4", "is not a member"},
      {"web tcp:192.0.2.1 4", "'tcp:192.0.2.1' is not a member"},
      {"web tcp:udp:192.0.2.1:80 4", "is not a member"},
      {"web icmp:192.0.2.1:80 4", "is not a member"},
      {"web www.example:80 4", "is not a member"},
      {"web 192.0.2.1:80 4\x01", "'4\\x01' is not a weight"},
      {"w\x01"
       "eb 192.0.2.1:80 4",
       "group 'w\\x01eb' is not UTF-8"},
      {std::string(256, 'g') + " 192.0.2.1:80 4", "the group has 256 bytes, at most 255"},
      {std::string("web 192.0.2.1:80 4\0", 19), "'4\\x00' is not a weight"},
  };
  for (const auto& [line, says] : cases) {
    const auto table =
        parse_weights("# first\nweb 192.0.2.9:80 1\n" + line + "\nweb 192.0.2.8:80 1\n");
    ASSERT_FALSE(table) << line;
    EXPECT_EQ(table.error().detail.rfind("line 3: ", 0), 0U) << table.error().detail;
    EXPECT_NE(table.error().detail.find(says), std::string::npos) << table.error().detail;
  }
}

TEST(WeightsFile, RefusesAMemberTwiceInAGroup) {
  const auto table =
      parse_weights("\nweb 192.0.2.1:80 1\ndns 192.0.2.1:80 1\nweb tcp:192.0.2.1:80 2\n");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().detail, "line 4: tcp:192.0.2.1:80 is already in group 'web'");
}

// The beginning of a file that is just being written is none: 4 may become 40.
TEST(WeightsFile, IsNotTakenByHalf) {
  const std::string whole = "web 192.0.2.1:80 40\nweb 192.0.2.2:80 quiesce # soon\n";
  for (std::size_t length = 1; length < whole.size(); ++length) {
    const auto table = parse_weights(whole.substr(0, length));
    EXPECT_EQ(table.has_value(), whole[length - 1] == '\n') << whole.substr(0, length);
    if (!table) {
      EXPECT_EQ(table.error().detail.find("the last line has no newline"), 0U)
          << table.error().detail;
    }
  }
}

TEST(WeightsFile, HasToBeUtf8) {
  const auto table = parse_weights(std::string_view("\xFF\xFEw\0\n\0", 6));
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().detail, "line 1: the text is UTF-16; save it as UTF-8");
}

TEST(WeightsFile, DoubtsAGroupOfBothKinds) {
  const auto table = parse_weights(
      "web 192.0.2.1:80 40\nweb 192.0.2.2 40\n"
      "hosts 192.0.2.1 40\nhosts 192.0.2.2 40\ndns udp:192.0.2.1:53 1\ndns 192.0.2.1:53 1\n");
  ASSERT_TRUE(table) << table.error().detail;
  EXPECT_EQ(doubts_about(*table),
            (std::vector<std::string>{
                "group 'web' names the system 192.0.2.2 and the application tcp:192.0.2.1:80, but "
                "holds one kind only (RFC 4678 5.1): is a port missing?"}));
}

}  // namespace
}  // namespace saspd::gwm
