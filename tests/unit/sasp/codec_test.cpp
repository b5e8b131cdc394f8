// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/codec.hpp"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/hex.hpp"
#include "tests/support/sasp_wire.hpp"

namespace saspd::sasp {
namespace {

using namespace saspd::testing;

// ---- The encoder --------------------------------------------------------------------------------

Errc refusal(Message message) {
  const auto bytes = encode({1, std::move(message)});
  if (bytes) {
    ADD_FAILURE() << "was encoded";
    return {};
  }
  EXPECT_EQ(bytes.error().code.category(), category());
  return static_cast<Errc>(bytes.error().code.value());
}

TEST(Encoder, RefusesTextsAbove255Bytes) {
  const std::string longest(255, 'x');
  const std::string too_long(256, 'x');
  EXPECT_TRUE(encode({1, GetWeightsRequest{{{longest, longest}}}}));
  EXPECT_EQ(refusal(GetWeightsRequest{{{too_long, "g"}}}), Errc::not_encodable);
  EXPECT_EQ(refusal(GetWeightsRequest{{{"u", too_long}}}), Errc::not_encodable);
  EXPECT_EQ(refusal(SetLbStateRequest{too_long}), Errc::not_encodable);
  EXPECT_EQ(refusal(RegistrationRequest{1, {{{"u", "g"}, {{6, 80, {}, too_long}}}}}),
            Errc::not_encodable);
}

TEST(Encoder, RefusesMoreItemsThanACountCanSay) {
  GetWeightsRequest request;
  request.groups.resize(65535);
  EXPECT_EQ(encode({1, request})->size(), 13U + 6 + 65535 * 6);
  request.groups.resize(65536);
  EXPECT_EQ(refusal(request), Errc::not_encodable);
}

TEST(Encoder, RefusesReservedBits) {
  EXPECT_EQ(refusal(RegistrationRequest{0x02, {}}), Errc::not_encodable);
  EXPECT_EQ(refusal(DeregistrationRequest{0x80, 0, {}}), Errc::not_encodable);
  EXPECT_EQ(refusal(SetLbStateRequest{"u", 0x80, 0}), Errc::not_encodable);
  EXPECT_EQ(refusal(SetLbStateRequest{"u", 0, 0x08}), Errc::not_encodable);
  EXPECT_EQ(refusal(SendWeights{{{{"u", "g"}, {{{}, 0, 0x10, 0}}}}}), Errc::not_encodable);
  EXPECT_EQ(refusal(SetMemberStateRequest{0, {{{"u", "g"}, {{{}, 0, 0x02}}}}}),
            Errc::not_encodable);
}

TEST(Encoder, NamesTheMessageAndTheFieldThatDoNotFit) {
  EXPECT_EQ(encode({1, SetLbStateRequest{std::string(300, 'x')}}).error().detail,
            "set lb state request: lb uid: 300 bytes, at most 255");
}

TEST(Encoder, WritesCountsAndLengthsBigEndian) {
  GetWeightsRequest request;
  request.groups.resize(0x0102);
  const Bytes bytes = encode({0x0A0B0C0D, request}).value();
  const Bytes head(bytes.begin(), bytes.begin() + 19);
  // 13 + 6 + 258 * 6 = 1567
  EXPECT_EQ(head, hex("20 10 00 0D 01 00 00 06 1F 0A 0B 0C 0D  10 30 00 06 01 02"));
}

// ---- Bad messages -------------------------------------------------------------------------------

Bytes section8() {
  return hex_file(TESTS_DIR "/conformance/sasp/golden/section8.hex");
}
Bytes set_lb_state() {
  return hex_file(TESTS_DIR "/conformance/sasp/golden/set_lb_state_request.hex");
}
Bytes set_member_state() {
  return hex_file(TESTS_DIR "/conformance/sasp/golden/set_member_state_request.hex");
}

// Where the fields of the 106 bytes stand.
namespace at {
constexpr std::size_t header_type = 0;
constexpr std::size_t header_length = 2;
constexpr std::size_t message_length = 5;
constexpr std::size_t reply_type = 13;
constexpr std::size_t reply_length = 15;
constexpr std::size_t return_code = 17;
constexpr std::size_t group_count = 20;
constexpr std::size_t group_type = 22;
constexpr std::size_t group_length = 24;
constexpr std::size_t entry_count = 26;
constexpr std::size_t group_data_type = 28;
constexpr std::size_t group_data_length = 30;
constexpr std::size_t lb_uid_length = 32;
constexpr std::size_t group_name_length = 36;
constexpr std::size_t member_type = 42;
constexpr std::size_t member_length = 44;
constexpr std::size_t label_length = 65;
constexpr std::size_t entry_type = 66;
constexpr std::size_t entry_length = 68;
constexpr std::size_t second_member = 74;
constexpr std::size_t second_entry = 98;
}  // namespace at

struct Bad {
  const char* name;
  Bytes bytes;
  Errc expected;
};

std::vector<Bad> bad_messages() {
  const auto with = [](std::size_t where, const char* what) {
    return overwritten(section8(), where, what);
  };
  return {
      // Header
      {"nothing", {}, Errc::truncated},
      {"one_byte", hex("20"), Errc::truncated},
      {"header_type", with(at::header_type, "20 11"), Errc::bad_header},
      {"header_length_0", with(at::header_length, "00 00"), Errc::bad_header},
      {"header_length_12", with(at::header_length, "00 0C"), Errc::bad_header},
      {"header_beyond_the_message", with(at::header_length, "00 6B"), Errc::truncated},
      {"header_is_all_there_is", with(at::header_length, "00 6A"), Errc::truncated},
      {"message_length_0", with(at::message_length, "00 00 00 00"), Errc::bad_message_length},
      {"message_length_17", with(at::message_length, "00 00 00 11"), Errc::bad_message_length},
      {"message_length_one_less", with(at::message_length, "00 00 00 69"),
       Errc::bad_message_length},
      {"message_length_one_more", with(at::message_length, "00 00 00 6B"),
       Errc::bad_message_length},
      {"message_length_minus_1", with(at::message_length, "FF FF FF FF"), Errc::bad_message_length},
      {"message_length_most_negative", with(at::message_length, "80 00 00 00"),
       Errc::bad_message_length},
      // Message component
      {"no_message_component", shortened(section8(), 13), Errc::truncated},
      {"half_a_message_type", shortened(section8(), 14), Errc::truncated},
      {"message_type_alone", shortened(section8(), 15), Errc::truncated},
      {"unknown_message_type", with(at::reply_type, "10 41"), Errc::unknown_message},
      {"reserved_message_type", with(at::reply_type, "00 00"), Errc::unknown_message},
      {"component_as_message", with(at::reply_type, "40 11"), Errc::unknown_message},
      {"header_as_message", with(at::reply_type, "20 10"), Errc::unknown_message},
      {"reply_length_0", with(at::reply_length, "00 00"), Errc::bad_component_length},
      {"reply_length_3", with(at::reply_length, "00 03"), Errc::bad_component_length},
      {"reply_length_4", with(at::reply_length, "00 04"), Errc::bad_component_length},
      {"reply_length_one_short", with(at::reply_length, "00 08"), Errc::bad_component_length},
      {"reply_length_beyond_the_message", with(at::reply_length, "FF FF"),
       Errc::bad_component_length},
      {"reply_covers_half_of_what_it_nests", with(at::reply_length, "00 0F"),
       Errc::bad_component_length},
      {"success_in_the_short_form", message("10 35 00 05 00"), Errc::bad_component_length},
      {"error_between_short_and_long_form", message("10 35 00 07 10 00 3C"),
       Errc::bad_component_length},
      {"code_reply_without_code", message("10 15 00 04"), Errc::bad_component_length},
      // Groups
      {"one_group_more_announced", with(at::group_count, "00 02"), Errc::truncated},
      {"65535_groups_announced", with(at::group_count, "FF FF"), Errc::bad_count},
      {"one_group_not_counted", with(at::group_count, "00 00"), Errc::bad_count},
      {"group_of_another_kind", with(at::group_type, "40 10"), Errc::unexpected_component},
      {"group_is_missing", with(at::group_type, "30 11"), Errc::unexpected_component},
      {"group_length_0", with(at::group_length, "00 00"), Errc::bad_component_length},
      {"group_length_5", with(at::group_length, "00 05"), Errc::bad_component_length},
      {"one_entry_more_announced", with(at::entry_count, "00 03"), Errc::bad_count},
      {"65535_entries_announced", with(at::entry_count, "FF FF"), Errc::bad_count},
      {"one_entry_not_counted", with(at::entry_count, "00 01"), Errc::bad_count},
      {"misprint_of_figure_11_in_a_registration",
       message("10 10 00 07 01 00 01  40 11 00 06 00 00  30 11 00 06 00 00"),
       Errc::unexpected_component},
      {"member_data_in_set_member_state", overwritten(set_member_state(), 20, "40 10"),
       Errc::unexpected_component},
      // Group data
      {"group_data_type", with(at::group_data_type, "30 10"), Errc::unexpected_component},
      {"group_data_one_short", with(at::group_data_length, "00 0D"), Errc::bad_component_length},
      {"lb_uid_beyond_its_component", with(at::lb_uid_length, "FF"), Errc::bad_component_length},
      {"group_name_beyond_its_component", with(at::group_name_length, "06"),
       Errc::bad_component_length},
      // Members and entries
      {"member_type", with(at::member_type, "30 12"), Errc::unexpected_component},
      {"member_one_short", with(at::member_length, "00 17"), Errc::bad_component_length},
      {"label_beyond_its_component", with(at::label_length, "01"), Errc::bad_component_length},
      {"entry_is_another_member", with(at::entry_type, "30 10"), Errc::unexpected_component},
      {"entry_is_a_member_state", with(at::entry_type, "30 13"), Errc::unexpected_component},
      {"entry_one_short", with(at::entry_length, "00 07"), Errc::bad_component_length},
      {"entry_without_its_last_byte", shortened(section8(), 105), Errc::bad_component_length},
      {"last_member_without_entry", shortened(section8(), at::second_entry), Errc::truncated},
      {"last_member_is_missing", shortened(section8(), at::second_member), Errc::bad_count},
      // Texts of the message itself
      {"lb_uid_beyond_set_lb_state", overwritten(set_lb_state(), 17, "FF"),
       Errc::bad_component_length},
      {"set_lb_state_without_flags", overwritten(set_lb_state(), 15, "00 09"),
       Errc::bad_component_length},
  };
}

class BadMessage : public ::testing::TestWithParam<Bad> {};

TEST_P(BadMessage, IsRefusedByBothRoles) {
  for (const DecodeOptions options : {DecodeOptions::lb(), DecodeOptions::gwm()}) {
    const auto decoded = decode(GetParam().bytes, options);
    ASSERT_FALSE(decoded) << "was accepted";
    EXPECT_EQ(decoded.error().code, GetParam().expected) << decoded.error().detail;
    EXPECT_FALSE(decoded.error().detail.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Decoder, BadMessage, ::testing::ValuesIn(bad_messages()),
                         [](const auto& bad) { return std::string(bad.param.name); });

TEST(Decoder, SaysWhatWasWrongAndWhere) {
  const auto detail = [](const Bytes& bytes) { return decode(bytes).error().detail; };
  EXPECT_EQ(detail(overwritten(section8(), at::entry_length, "00 07")),
            "weight entry: length 7 is too short for its fields at byte 66");
  EXPECT_EQ(detail(overwritten(section8(), at::group_type, "40 10")),
            "0x4010 where group of weight entry data is due at byte 22");
  EXPECT_EQ(detail(overwritten(section8(), at::entry_count, "FF FF")),
            "65535 times weight entry announced, 78 bytes left at byte 28");
}

// ---- The envelope -------------------------------------------------------------------------------

TEST(Envelope, IsReadWhenTheRestOfTheMessageIsOfANewerVersion) {
  const Bytes newer = fitted(hex("20 10 00 0F 02 00 00 00 00 00 00 00 07 AB CD  10 50 FF FF FF"));
  const auto envelope = decode_envelope(newer);
  ASSERT_TRUE(envelope) << envelope.error().detail;
  EXPECT_EQ(envelope->version, 2);
  EXPECT_EQ(envelope->message_id, 7U);
  EXPECT_EQ(envelope->type, Type::set_lb_state_request);
}

TEST(Envelope, GivesMessageTypesThatNobodyKnows) {
  const auto envelope = decode_envelope(message("10 41 00 04"));
  ASSERT_TRUE(envelope) << envelope.error().detail;
  EXPECT_FALSE(is_message(envelope->type));
}

TEST(Envelope, RefusesABadHeader) {
  EXPECT_EQ(decode_envelope(overwritten(section8(), at::header_type, "10 10")).error().code,
            Errc::bad_header);
  EXPECT_EQ(decode_envelope(shortened(section8(), 14)).error().code, Errc::truncated);
}

// ---- The error category -------------------------------------------------------------------------

TEST(Errc, HasATextForEachCode) {
  std::set<std::string> texts;
  for (int code = 1; code <= static_cast<int>(Errc::unsupported_version); ++code) {
    texts.insert(category().message(code));
  }
  EXPECT_EQ(texts.size(), static_cast<std::size_t>(Errc::unsupported_version));
  EXPECT_FALSE(texts.contains("unknown error"));
  EXPECT_EQ(category().message(0), "unknown error");
}

}  // namespace
}  // namespace saspd::sasp
