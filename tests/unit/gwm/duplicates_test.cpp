// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/duplicates.hpp"

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

using std::chrono::minutes;

const Endpoint a = *Endpoint::parse("192.0.2.1:40001");
const Endpoint b = *Endpoint::parse("192.0.2.2:40002");
const Endpoint b_again = *Endpoint::parse("192.0.2.1:40003");
constexpr TimePoint now{std::chrono::hours{1}};

TEST(Duplicates, AreTwoWhoReplaceEachOtherAgainAndAgain) {
  Duplicates duplicates;
  duplicates.replaced("d1", a, b, now);
  duplicates.replaced("d1", b, a, now + minutes{1});
  EXPECT_TRUE(duplicates.suspected(now + minutes{1}).empty()) << "a failover and its end";
  duplicates.replaced("d1", a, b, now + minutes{2});
  const auto suspected = duplicates.suspected(now + minutes{2});
  ASSERT_EQ(suspected.size(), 1U);
  EXPECT_EQ(suspected[0].lb_uid, "d1");
  EXPECT_EQ(suspected[0].replacements, 3U);
  EXPECT_NE(text(suspected[0]).find("192.0.2.1 and one at 192.0.2.2"), std::string::npos)
      << text(suspected[0]);
  EXPECT_EQ(duplicates.suspected(now + minutes{15}).size(), 1U);
  EXPECT_TRUE(duplicates.suspected(now + minutes{16}).empty());
}

TEST(Duplicates, MayBeAtOneAddress) {
  Duplicates duplicates;
  for (int i = 0; i < 3; ++i)
    duplicates.replaced("d1", a, b_again, now);
  const auto suspected = duplicates.suspected(now);
  ASSERT_EQ(suspected.size(), 1U);
  EXPECT_NE(text(suspected[0]).find("at 192.0.2.1 seem"), std::string::npos);
  EXPECT_NE(text(suspected[0]).find("40001 and 40003"), std::string::npos);
}

TEST(Duplicates, AreNotOneWhoseConnectionBreaksNowAndThen) {
  Duplicates duplicates;
  for (int i = 0; i < 20; ++i) {
    duplicates.replaced("d1", a, b_again, now + i * minutes{8});
    EXPECT_TRUE(duplicates.suspected(now + i * minutes{8}).empty());
  }
}

TEST(Duplicates, AreKnownByTheirUidAndTakeNoMoreMemoryThanSo) {
  Duplicates duplicates;
  for (int i = 0; i < 8000; ++i)
    duplicates.replaced("x" + std::to_string(i % 2000), a, b, now);
  EXPECT_EQ(duplicates.suspected(now).size(), Duplicates::most_uids);
}

}  // namespace
}  // namespace saspd::gwm
