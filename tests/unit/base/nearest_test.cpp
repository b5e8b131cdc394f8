// SPDX-License-Identifier: Apache-2.0

#include "controller/base/nearest.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace saspd {
namespace {

constexpr std::array<std::string_view, 6> names{"gwm",   "drain",  "undrain",
                                                "watch", "lb-uid", "service"};

TEST(Nearest, IsASlipOfTheFingersAway) {
  EXPECT_EQ(nearest("gvm", names), "gwm");
  EXPECT_EQ(nearest("drian", names), "drain") << "neighbours swapped";
  EXPECT_EQ(nearest("servce", names), "service");
  EXPECT_EQ(nearest("services", names), "service");
  EXPECT_EQ(nearest("lb_uid", names), "lb-uid");
  EXPECT_EQ(nearest("GWM", names), "gwm") << "another case";
}

TEST(Nearest, IsTheOnlyOneThatBeginsSo) {
  EXPECT_EQ(nearest("und", names), "undrain");
  EXPECT_EQ(nearest("un", names), "") << "too little to go by";
  constexpr std::array<std::string_view, 2> alike{"tls-ca-file", "tls-ca-folder"};
  EXPECT_EQ(nearest("tls-ca", alike), "");
}

TEST(Nearest, IsNoOtherWord) {
  EXPECT_EQ(nearest("status", names), "");
  EXPECT_EQ(nearest("x", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest("gx", names), "");
  EXPECT_EQ(nearest(std::string(100'000, 'a'), names), "") << "and costs no time";
  EXPECT_EQ(nearest("gwm", {}), "");
}

TEST(Nearest, IsAskedForInAnError) {
  EXPECT_EQ(did_you_mean("gvm", names, "--"), "; did you mean '--gwm'?");
  EXPECT_EQ(did_you_mean("frobnicate", names, "--"), "");
}

}  // namespace
}  // namespace saspd
