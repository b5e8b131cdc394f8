// SPDX-License-Identifier: Apache-2.0

#include "controller/base/ascii.hpp"

#include <gtest/gtest.h>

namespace saspd::ascii {
namespace {

TEST(Ascii, ChangesTheCaseOfItsLettersAndOfNothingElse) {
  unsigned letters = 0;
  for (int code = 0; code < 256; ++code) {
    const char c = static_cast<char>(code);
    letters += is_letter(c) ? 1U : 0U;
    if (!is_letter(c)) {
      EXPECT_EQ(to_lower(c), c);
      EXPECT_EQ(to_upper(c), c);
      continue;
    }
    EXPECT_NE(is_lower(c), is_upper(c));
    EXPECT_TRUE(is_lower(to_lower(c)) && is_upper(to_upper(c)));
    EXPECT_EQ(to_lower(to_upper(c)), to_lower(c));
  }
  EXPECT_EQ(letters, 52U);
  EXPECT_EQ(lower_case("Content-LENGTH \xC3\x84"), "content-length \xC3\x84");
  EXPECT_EQ(upper_case("cap_net_raw"), "CAP_NET_RAW");
}

TEST(Ascii, ComparesWithoutCase) {
  EXPECT_TRUE(same("TCP", "tcp"));
  EXPECT_FALSE(same("tcp", "tcp "));
  EXPECT_FALSE(same("[", "{"));  // 0x20 apart, as letters are
}

}  // namespace
}  // namespace saspd::ascii
