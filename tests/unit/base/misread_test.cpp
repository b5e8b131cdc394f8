// SPDX-License-Identifier: Apache-2.0

#include "controller/base/misread.hpp"

#include <gtest/gtest.h>

namespace saspd {
namespace {

TEST(Misread, FindsQuotes) {
  EXPECT_EQ(without_quotes("web"), std::nullopt);
  EXPECT_EQ(without_quotes("it's"), std::nullopt);
  EXPECT_EQ(without_quotes(""), std::nullopt);
  for (const char* quoted : {"\"web\"", "'web'", "`web`", "\"web", "web'",
                             "\xE2\x80\x9Cweb\xE2\x80\x9D", "\xC2\xABweb\xC2\xBB"}) {
    EXPECT_EQ(without_quotes(quoted), "web") << quoted;
  }
  EXPECT_EQ(without_quotes("\""), "");
}

TEST(Misread, FindsWhatIsNotSeen) {
  EXPECT_TRUE(check_blanks("web 192.0.2.1:80 40"));
  EXPECT_TRUE(check_blanks("sch\xC3\xB6n 192.0.2.1:80"));
  const auto found = check_blanks(
      "web\xC2\xA0"
      "192.0.2.1:80 40");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().detail,
            "a no-break space (U+00A0) after 'web' looks like a blank or nothing; "
            "type a blank there, or remove it");
  EXPECT_FALSE(check_blanks("a\xE2\x80\x8B"));
  EXPECT_FALSE(check_encoding("\xFF\xFEw\0e\0"));
  EXPECT_FALSE(check_encoding("\xFE\xFF"));
  EXPECT_TRUE(check_encoding("\xEF\xBB\xBFweb"));
}

TEST(Misread, KnowsHexadecimal) {
  EXPECT_EQ(decimal_of_hexadecimal("0x28"), "40");
  EXPECT_EQ(decimal_of_hexadecimal("0XfF"), "255");
  for (const char* other : {"28", "0x", "0xg", "0x28 ", "x28", "0x11112222333344445"}) {
    EXPECT_EQ(decimal_of_hexadecimal(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace saspd
