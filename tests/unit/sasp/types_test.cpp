// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/types.hpp"

#include <set>

#include <gtest/gtest.h>

namespace saspd::sasp {
namespace {

MemberKey key(std::uint8_t protocol, const char* endpoint) {
  const Endpoint where = Endpoint::parse(endpoint).value();
  return {where.address, protocol, where.port};
}

TEST(Type, IsOneOfElevenMessagesOrSevenComponents) {
  int messages = 0;
  int components = 0;
  int named = 0;
  for (int value = 0; value <= 0xFFFF; ++value) {
    const auto type = static_cast<Type>(value);
    messages += static_cast<int>(is_message(type));
    components += static_cast<int>(is_component(type));
    named += static_cast<int>(name(type) != "unknown type");
    EXPECT_FALSE(is_message(type) && is_component(type));
  }
  EXPECT_EQ(messages, 11);
  EXPECT_EQ(components, 7);
  EXPECT_EQ(named, 11 + 7 + 1);  // and the header
}

TEST(ReturnCode, HasATextForEachByte) {
  std::set<std::string> texts;
  for (int byte = 0; byte < 256; ++byte)
    texts.insert(text(static_cast<ReturnCode>(byte)));
  EXPECT_EQ(texts.size(), 256U);
  EXPECT_EQ(text(ReturnCode::not_understood), "0x10 message not understood");
  EXPECT_EQ(text(static_cast<ReturnCode>(0xEE)), "0xee unknown return code");
}

TEST(ReturnCode, IsDoneOnlyWhenZero) {
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(classify(static_cast<ReturnCode>(byte)) == CodeClass::done, byte == 0) << byte;
  }
}

TEST(ReturnCode, SaysWhatToDo) {
  EXPECT_EQ(classify(ReturnCode::unknown_lb_uid), CodeClass::resynchronise);
  EXPECT_EQ(classify(ReturnCode::not_understood), CodeClass::retry_later);
  EXPECT_EQ(classify(ReturnCode::lb_not_contacted), CodeClass::retry_later);
  EXPECT_EQ(classify(ReturnCode::not_accepted), CodeClass::refused);
  EXPECT_EQ(classify(static_cast<ReturnCode>(0xEE)), CodeClass::refused);
}

TEST(MemberKey, IsPrintedWithItsProtocol) {
  EXPECT_EQ(key(6, "192.0.2.1:80").text(), "tcp:192.0.2.1:80");
  EXPECT_EQ(key(17, "[2001:db8::1]:53").text(), "udp:[2001:db8::1]:53");
  EXPECT_EQ(key(132, "192.0.2.1:2905").text(), "sctp:192.0.2.1:2905");
  EXPECT_EQ(key(47, "192.0.2.1:1").text(), "47:192.0.2.1:1");
}

TEST(MemberKey, IsASystemOnlyWithoutPortAndProtocol) {
  EXPECT_EQ(key(0, "192.0.2.1:0").text(), "192.0.2.1");
  EXPECT_EQ(key(6, "192.0.2.1:0").text(), "tcp:192.0.2.1:0");
  EXPECT_EQ(key(0, "192.0.2.1:80").text(), "0:192.0.2.1:80");
}

TEST(Tolerance, HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < tolerance_count; ++i)
    names.insert(name(static_cast<Tolerance>(i)));
  EXPECT_EQ(names.size(), tolerance_count);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(ToleranceCounts, AddUp) {
  ToleranceCounts one;
  EXPECT_FALSE(one.any());
  one.add(Tolerance::reserved_bits, 2);
  ToleranceCounts sum;
  sum.add(Tolerance::reserved_bits);
  sum.add(Tolerance::mapped_address);
  sum.add(one);
  EXPECT_TRUE(sum.any());
  EXPECT_EQ(sum[Tolerance::reserved_bits], 3U);
  EXPECT_EQ(sum[Tolerance::mapped_address], 1U);
  EXPECT_EQ(sum[Tolerance::trailing_bytes], 0U);
}

}  // namespace
}  // namespace saspd::sasp
