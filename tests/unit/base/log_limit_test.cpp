// SPDX-License-Identifier: Apache-2.0

#include "controller/base/log_limit.hpp"

#include <gtest/gtest.h>

namespace saspd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const TimePoint start{std::chrono::hours{1}};

int lines(LogLimit& limit, TimePoint now, int wanted) {
  int written = 0;
  for (int i = 0; i < wanted; ++i) {
    written += limit.allows(now) ? 1 : 0;
  }
  return written;
}

TEST(LogLimit, LetsABurstThroughAndThenOneLinePerSecond) {
  LogLimit limit(10, seconds{1});
  EXPECT_EQ(lines(limit, start, 100), 10);
  EXPECT_EQ(lines(limit, start + milliseconds{999}, 100), 0);
  EXPECT_EQ(lines(limit, start + seconds{1}, 100), 1);
  EXPECT_EQ(lines(limit, start + seconds{4}, 100), 3);
}

TEST(LogLimit, NeverSavesUpMoreThanABurst) {
  LogLimit limit(10, seconds{1});
  EXPECT_EQ(lines(limit, start, 10), 10);
  EXPECT_EQ(lines(limit, start + seconds{100000}, 100), 10);
}

TEST(LogLimit, CountsWhatItSuppressed) {
  LogLimit limit(10, seconds{1});
  lines(limit, start, 17);
  EXPECT_EQ(limit.take_suppressed(), 7U);
  EXPECT_EQ(limit.take_suppressed(), 0U);
}

}  // namespace
}  // namespace saspd
