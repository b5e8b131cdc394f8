// SPDX-License-Identifier: Apache-2.0

#include "controller/member/load.hpp"

#include <gtest/gtest.h>

namespace saspd::member {
namespace {

LoadTexts texts(const std::string& load1, const std::string& cpu = "0.00",
                const std::string& memory = "0.00", const std::string& io = "0.00") {
  const auto pressure = [](const std::string& some, const std::string& full) {
    return "some avg10=" + some + " avg60=99.00 avg300=99.00 total=12345\n" + "full avg10=" + full +
           " avg60=99.00 avg300=99.00 total=678\n";
  };
  return {load1 + " 9.00 9.00 3/456 7890\n", pressure(cpu, "0.00"), pressure(memory, "50.00"),
          pressure("100.00", io)};
}

TEST(Load, IsTheWorstOfItsFigures) {
  EXPECT_EQ(load_byte(texts("0.00"), 4), 0);
  EXPECT_EQ(load_byte(texts("4.00"), 4), 128) << "a runnable task per CPU is half of it";
  EXPECT_EQ(load_byte(texts("4.00"), 8), 64);
  EXPECT_EQ(load_byte(texts("8.00"), 4), 255);
  EXPECT_EQ(load_byte(texts("4000.00"), 4), 255);
  EXPECT_EQ(load_byte(texts("0.00", "20.00"), 4), 51);
  EXPECT_EQ(load_byte(texts("0.00", "20.00", "60.00"), 4), 153);
  EXPECT_EQ(load_byte(texts("0.00", "20.00", "60.00", "100.00"), 4), 255);
  EXPECT_EQ(load_byte(texts("8.00", "20.00", "60.00", "40.00"), 4), 255);
}

TEST(Load, GoesByWhatThereIs) {
  EXPECT_EQ(load_byte({"2.00 0 0 1/1 1", "", "", ""}, 2), 128);
  EXPECT_EQ(load_byte({"", "some avg10=100.00 avg60=0.00 avg300=0.00 total=1", "", ""}, 2), 255);
  EXPECT_EQ(load_byte({"1.00 0 0 1/1 1", "", "", ""}, 0), 128) << "there is a CPU";
  EXPECT_EQ(load_byte({"", "", "", ""}, 2), std::nullopt);
}

TEST(Load, TakesNoNonsense) {
  for (const char* text : {"", "x", "-1.00", "nan", "inf", "some avg10",
                           "some avg10=", "some avg10=x", "something avg10=100.00"}) {
    EXPECT_EQ(load_byte({text, text, text, text}, 1), std::nullopt) << text;
  }
  EXPECT_EQ(load_byte({"0.10", "some avg100=100.00", "", ""}, 1), 13);
}

TEST(Load, IsToldWhenItHasChangedByMuch) {
  EXPECT_FALSE(is_news(100, 100));
  EXPECT_FALSE(is_news(100, 107));
  EXPECT_FALSE(is_news(100, 93));
  EXPECT_TRUE(is_news(100, 108));
  EXPECT_TRUE(is_news(100, 92));
  EXPECT_TRUE(is_news(0, 255));
  EXPECT_TRUE(is_news(255, 0));
}

TEST(Load, OfThisMachineIsKnown) {
  EXPECT_TRUE(load_now());
}

}  // namespace
}  // namespace saspd::member
