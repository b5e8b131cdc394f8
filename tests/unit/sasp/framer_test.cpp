// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/framer.hpp"

#include <gtest/gtest.h>

#include "tests/support/hex.hpp"

namespace saspd::sasp {
namespace {

using saspd::testing::hex;

// A registration reply with this id.
Bytes reply(std::uint8_t id) {
  Bytes bytes = hex("20 10 00 0D 01 00 00 00 12 00 00 00 00  10 15 00 05 00");
  bytes[12] = id;
  return bytes;
}

class FramerTest : public ::testing::Test {
 protected:
  void receives(const Bytes& bytes) { framer.append(bytes); }
  void receives(const char* text) { framer.append(hex(text)); }

  void expect_message(const Bytes& bytes) {
    const auto next = framer.next();
    ASSERT_TRUE(next) << next.error().detail;
    ASSERT_TRUE(next->has_value()) << "no message yet";
    EXPECT_EQ(Bytes((*next)->begin(), (*next)->end()), bytes);
  }
  void expect_nothing_yet() {
    const auto next = framer.next();
    ASSERT_TRUE(next) << next.error().detail;
    EXPECT_FALSE(next->has_value());
  }
  void expect_error(Errc code) {
    const auto next = framer.next();
    ASSERT_FALSE(next) << "no error";
    EXPECT_EQ(next.error().code, code) << next.error().detail;
  }

  Framer framer;
};

TEST_F(FramerTest, WaitsForTheRestOfAMessage) {
  const Bytes bytes = reply(1);
  for (const std::uint8_t byte : bytes) {
    expect_nothing_yet();
    receives(Bytes{byte});
  }
  expect_message(bytes);
  expect_nothing_yet();
}

TEST_F(FramerTest, CutsMessagesThatArriveTogether) {
  Bytes three = reply(1);
  for (const std::uint8_t id : {std::uint8_t{2}, std::uint8_t{3}}) {
    const Bytes more = reply(id);
    three.insert(three.end(), more.begin(), more.end());
  }
  receives(three);
  expect_message(reply(1));
  expect_message(reply(2));
  expect_message(reply(3));
  expect_nothing_yet();
}

TEST_F(FramerTest, SaysWhetherAMessageIsUnfinished) {
  EXPECT_FALSE(framer.partial());
  receives("20");
  EXPECT_TRUE(framer.partial());
  receives("10 00 0D 01 00 00 00 12 00 00 00 01  10 15 00 05 00  20 10");
  expect_message(reply(1));
  EXPECT_TRUE(framer.partial());
  expect_nothing_yet();
  receives("00 0D 01 00 00 00 12 00 00 00 02  10 15 00 05 00");
  expect_message(reply(2));
  EXPECT_FALSE(framer.partial());
}

TEST_F(FramerTest, RefusesWhatIsNoSaspByItsFirstTwoBytes) {
  receives("16");
  expect_nothing_yet();
  receives("03");  // a TLS handshake
  expect_error(Errc::bad_header);
}

TEST_F(FramerTest, StaysRefusingAfterAnError) {
  receives("16 03");
  expect_error(Errc::bad_header);
  receives(reply(1));
  expect_error(Errc::bad_header);
}

TEST_F(FramerTest, GivesTheMessagesThatCameBeforeAnError) {
  receives(reply(1));
  receives("20 11");
  expect_message(reply(1));
  expect_error(Errc::bad_header);
}

TEST_F(FramerTest, RefusesAHeaderLengthBelow13) {
  receives("20 10 00 0C");
  expect_error(Errc::bad_header);
}

TEST_F(FramerTest, AcceptsALongerHeader) {
  const Bytes bytes = hex("20 10 00 0F 01 00 00 00 14 00 00 00 01 EE EE  10 15 00 05 00");
  receives(bytes);
  expect_message(bytes);
}

TEST_F(FramerTest, RefusesImpossibleMessageLengths) {
  for (const char* length : {"00 00 00 00", "00 00 00 01", "00 00 00 0D", "00 00 00 11",
                             "80 00 00 00", "FF FF FF FF", "FF FF FF EE"}) {
    framer = Framer();
    receives("20 10 00 0D 01");
    receives(length);
    expect_error(Errc::bad_message_length);
  }
}

TEST_F(FramerTest, RefusesAMessageAboveTheLimitBeforeItArrives) {
  receives("20 10 00 0D 01 01 00 00 00");  // 16 MiB
  expect_nothing_yet();
  framer = Framer();
  receives("20 10 00 0D 01 01 00 00 01");
  expect_error(Errc::too_large);
}

TEST_F(FramerTest, TakesItsLimitFromTheCaller) {
  framer = Framer(17);
  receives(reply(1));
  expect_error(Errc::too_large);
  framer = Framer(18);
  receives(reply(1));
  expect_message(reply(1));
}

}  // namespace
}  // namespace saspd::sasp
