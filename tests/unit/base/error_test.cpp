// SPDX-License-Identifier: Apache-2.0

#include "controller/base/error.hpp"

#include <gtest/gtest.h>

namespace saspd {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(std::errc::invalid_argument, "odd");
  return value / 2;
}

Result<int> quarter(int value) {
  const auto halved = half(value);
  if (!halved) return fail(at("first half", halved.error()));
  return half(*halved);
}

TEST(Result, CarriesAValueOrAnError) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_FALSE(quarter(6));
}

TEST(Error, KeepsItsCodeWhenAPlaceIsPutInFront) {
  const auto result = quarter(7);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, std::errc::invalid_argument);
  EXPECT_EQ(result.error().detail, "first half: odd");
}

}  // namespace
}  // namespace saspd
