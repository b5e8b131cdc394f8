// SPDX-License-Identifier: Apache-2.0
// Members as operators name them.
#include "controller/base/member_name.hpp"

#include <gtest/gtest.h>

namespace saspd {
namespace {

TEST(MemberName, IsAnEndpointInAGroupOrInAny) {
  const auto any = MemberName::parse("192.0.2.1:80");
  ASSERT_TRUE(any);
  EXPECT_FALSE(any->group);
  EXPECT_EQ(any->endpoint.text(), "192.0.2.1:80");
  const auto one = MemberName::parse("a/b/[2001:db8::1]:80");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->group, "a/b");
  EXPECT_EQ(one->endpoint.text(), "[2001:db8::1]:80");
}

TEST(MemberName, NeedsNoPortWhenItIsASystem) {
  EXPECT_EQ(MemberName::parse("2001:db8::1")->endpoint.port, 0);
  EXPECT_EQ(MemberName::parse("web/192.0.2.1")->endpoint,
            (Endpoint{*IpAddress::parse("192.0.2.1"), 0}));
}

TEST(MemberName, IsWrittenAsItIsRead) {
  for (const char* text : {"192.0.2.1", "[2001:db8::1]:80", "a/b/192.0.2.1:80", "web/2001:db8::1"})
    EXPECT_EQ(MemberName::parse(text)->text(), text);
}

TEST(MemberName, SaysHowItIsWritten) {
  for (const char* text :
       {"", "web", "web/", "/", "web/192.0.2.1:", "192.0.2.1:80/web", "web:80"}) {
    const auto name = MemberName::parse(text);
    ASSERT_FALSE(name) << text;
    EXPECT_TRUE(name.error().detail.starts_with("MEMBER is ADDR:PORT or GROUP/ADDR:PORT: "));
    EXPECT_EQ(name.error().code, std::errc::invalid_argument);
  }
}

}  // namespace
}  // namespace saspd
