// SPDX-License-Identifier: Apache-2.0
// The drains file, and whose a drain is.
#include "controller/gwm/drains.hpp"

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

MemberName name(const char* text) {
  return *MemberName::parse(text);
}
sasp::MemberKey key(const char* address, std::uint16_t port) {
  return {*IpAddress::parse(address), 6, port};
}
std::string refused(std::string_view text) {
  const auto drains = parse_drains(text);
  return drains ? "" : drains.error().detail;
}

TEST(DrainsFile, NamesMembersAsSaspctlDoes) {
  const auto drains = parse_drains(
      "# for the work tonight\n"
      "192.0.2.1:80   # in every group\r\n"
      "\n"
      "  web/192.0.2.2:80\n"
      "a group/with a slash/[2001:db8::3]:443\n"
      "hosts/192.0.2.5\n");
  ASSERT_TRUE(drains) << drains.error().detail;
  EXPECT_EQ(*drains,
            (std::set{name("192.0.2.1:80"), name("web/192.0.2.2:80"),
                      name("a group/with a slash/[2001:db8::3]:443"), name("hosts/192.0.2.5")}));
  EXPECT_TRUE(parse_drains("")->empty());
  EXPECT_TRUE(parse_drains("# none\n")->empty());
}

TEST(DrainsFile, IsRefusedAsAWholeAndNamesTheLine) {
  EXPECT_EQ(refused("192.0.2.1:80\n\n# two\n192.0.2.2:0x50\n").substr(0, 8), "line 4: ");
  EXPECT_EQ(refused("192.0.2.1:80\n\"192.0.2.2:80\"\n"),
            "line 2: a member is not quoted; write 192.0.2.2:80");
  EXPECT_EQ(refused("192.0.2.1:80\nweb/192.0.2.1:80\n192.0.2.1:80\n"),
            "line 3: 192.0.2.1:80 is named twice");
  for (const char* bad :
       {"web 192.0.2.1:80\n", "192.0.2.1:80 192.0.2.2:80\n", "/192.0.2.1:80\n", "2001:db8::1:80\n",
        "web/\n", "192.0.2.1:80 quiesce\n", "192.0.2.1\xC2\xA0:80\n"})
    EXPECT_EQ(refused(bad).substr(0, 8), "line 1: ") << bad << refused(bad);
  EXPECT_NE(refused("192.0.2.1:80\n192.0.2.2:8").find("no newline"), std::string::npos)
      << "it may go on";
}

TEST(Drains, BelongToWhoGaveThem) {
  Drains drains;
  EXPECT_TRUE(drains.add(name("web/192.0.2.1:80"), {"uid 1", 10}));
  EXPECT_FALSE(drains.add(name("web/192.0.2.1:80"), {"uid 2", 20}));
  EXPECT_EQ(drains.of_operator().begin()->second, (Drain{"uid 1", 10})) << "who did it first";
  EXPECT_TRUE(drains.use({name("192.0.2.1:80")}));
  EXPECT_FALSE(drains.use({name("192.0.2.1:80")}));
  EXPECT_TRUE(drains.by_operator("web", key("192.0.2.1", 80)));
  EXPECT_FALSE(drains.by_operator("other", key("192.0.2.1", 80)));
  EXPECT_TRUE(drains.by_file("other", key("192.0.2.1", 80)));
  EXPECT_FALSE(drains.by_file("other", key("192.0.2.1", 81)));
  EXPECT_EQ(drains.in_file(name("web/192.0.2.1:80")), std::vector{name("192.0.2.1:80")});
  EXPECT_TRUE(drains.in_file(name("192.0.2.2:80")).empty());

  EXPECT_TRUE(drains.use({name("web/192.0.2.1:80")}));
  EXPECT_TRUE(drains.in_file(name("other/192.0.2.1:80")).empty());
  EXPECT_FALSE(drains.remove(name("192.0.2.1:80"))) << "not under this name";
  EXPECT_TRUE(drains.remove(name("web/192.0.2.1:80")));
  EXPECT_TRUE(drains.by_file("web", key("192.0.2.1", 80))) << "the file goes on";
}

}  // namespace
}  // namespace saspd::gwm
