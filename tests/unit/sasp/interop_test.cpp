// SPDX-License-Identifier: Apache-2.0
// Where RFC 4678 is ambiguous or misprinted: what we send, what we accept, and that it is counted.
// The rows are those of controller/sasp/sasp-interop.md.
#include <gtest/gtest.h>

#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"
#include "tests/support/hex.hpp"
#include "tests/support/sasp_wire.hpp"

namespace saspd::sasp {
namespace {

using namespace saspd::testing;

constexpr DecodeOptions strict{.accept_trailing = false, .accept_long_components = false};

Bytes golden(const std::string& name) {
  return hex_file(TESTS_DIR "/conformance/sasp/golden/" + name + ".hex");
}

// Decodes to the same value as `golden` does, with this tolerance counted `n` times, and no other.
void expect_tolerated(const Bytes& bytes, const std::string& name, Tolerance tolerance,
                      std::uint64_t n, DecodeOptions options = DecodeOptions::lb()) {
  const auto decoded = decode(bytes, options);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->frame.message, decode(golden(name))->frame.message);
  ToleranceCounts expected;
  expected.add(tolerance, n);
  EXPECT_EQ(decoded->tolerances, expected);
}

void expect_refused(const Bytes& bytes, Errc code, DecodeOptions options = DecodeOptions::lb()) {
  const auto decoded = decode(bytes, options);
  ASSERT_FALSE(decoded) << "was accepted";
  EXPECT_EQ(decoded.error().code, code) << decoded.error().detail;
}

// Offsets in the 106 bytes of RFC 4678 section 8.
constexpr std::size_t reply_length = 15;
constexpr std::size_t group_length = 24;
constexpr std::size_t group_data_length = 30;
constexpr std::size_t group_data_end = 42;
constexpr std::size_t member_length = 44;
constexpr std::size_t member_end = 66;

TEST(Row1, AcceptsALengthThatCoversWhatItNests) {
  // 106 - 13 = 93 for the reply, 106 - 22 = 84 for the group.
  const Bytes reply = overwritten(golden("section8"), reply_length, "00 5D");
  expect_tolerated(reply, "section8", Tolerance::covering_length, 1);
  const Bytes both = overwritten(reply, group_length, "00 54");
  expect_tolerated(both, "section8", Tolerance::covering_length, 2);
  expect_tolerated(both, "section8", Tolerance::covering_length, 2, DecodeOptions::gwm());
}

TEST(Row1, AcceptsAGroupThatCoversWhatItNestsThoughAnotherFollows) {
  // 6 + 14 + 28 + 8 + 24 + 8 = 88 for the first group of two.
  const Bytes first = overwritten(golden("send_weights"), 21, "00 58");
  expect_tolerated(first, "send_weights", Tolerance::covering_length, 1);
}

TEST(Row1, RefusesALengthThatCoversAPartOfWhatItNests) {
  for (const char* length : {"00 0B", "00 0F", "00 5C"}) {
    expect_refused(overwritten(golden("section8"), reply_length, length),
                   Errc::bad_component_length);
  }
}

TEST(Row1, SkipsFieldsThatItDoesNotKnow) {
  Bytes member = inserted(golden("section8"), member_end, "DE AD BE");
  member = overwritten(member, member_length, "00 1B");
  expect_tolerated(member, "section8", Tolerance::extension_skipped, 1);
  Bytes group_data = inserted(golden("section8"), group_data_end, "FF");
  group_data = overwritten(group_data, group_data_length, "00 0F");
  expect_tolerated(group_data, "section8", Tolerance::extension_skipped, 1);
  const Bytes reply = message("10 15 00 07 00 AB CD");
  expect_tolerated(reply, "registration_reply", Tolerance::extension_skipped, 1);
}

TEST(Row1, SkipsFieldsThatItDoesNotKnowBetweenAComponentAndWhatItNests) {
  Bytes reply = inserted(golden("section8"), 22, "AB");
  reply = overwritten(reply, reply_length, "00 0A");
  expect_tolerated(reply, "section8", Tolerance::extension_skipped, 1);
}

TEST(Row1, RefusesBothWhenStrict) {
  expect_refused(overwritten(golden("section8"), reply_length, "00 5D"), Errc::bad_component_length,
                 strict);
  expect_refused(message("10 15 00 07 00 AB CD"), Errc::bad_component_length, strict);
}

TEST(Row1, SendsTheLengthOfTheOwnFields) {
  const Bytes bytes = encode({1, SendWeights{{{{"u", "g"}, {{}, {}}}}}}).value();
  EXPECT_EQ(Bytes(bytes.begin() + 13, bytes.begin() + 25),
            hex("10 40 00 06 00 01  40 11 00 06 00 02"));
}

TEST(Row2, ReadsAMappedAddressAsTheSameMember) {
  const Bytes mapped = overwritten(golden("section8"), 59, "FF FF");
  const auto decoded = decode(mapped);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->tolerances[Tolerance::mapped_address], 1U);
  const auto& seen = std::get<GetWeightsReply>(decoded->frame.message).groups[0].items[0].member;
  const auto original = decode(golden("section8"));
  const auto& sent = std::get<GetWeightsReply>(original->frame.message).groups[0].items[0].member;
  EXPECT_EQ(seen.key(), sent.key());
}

TEST(Row2, EchoesTheFormThatItWasGiven) {
  const Bytes mapped = overwritten(golden("section8"), 59, "FF FF");
  EXPECT_EQ(encode(decode(mapped)->frame).value(), mapped);
}

TEST(Row2, SendsTheCompatibleForm) {
  const auto member = MemberData::of({*IpAddress::parse("10.10.10.1"), 6, 80});
  const Bytes bytes = encode({1, RegistrationRequest{1, {{{"u", "g"}, {member}}}}}).value();
  EXPECT_EQ(Bytes(bytes.end() - 17, bytes.end()),
            hex("00 00 00 00 00 00 00 00 00 00 00 00 0A 0A 0A 01 00"));
}

TEST(Row3, AcceptsTheMisprintedGroupTypeInSetMemberState) {
  const Bytes misprint = overwritten(golden("set_member_state_request"), 20, "40 11");
  expect_tolerated(misprint, "set_member_state_request", Tolerance::group_type_misprint, 1);
}

TEST(Row3, AcceptsTheMisprintUnderACoveringLengthToo) {
  Bytes misprint = overwritten(golden("set_member_state_request"), 20, "40 11");
  misprint = overwritten(misprint, 15, "00 56");  // 99 - 13
  const auto decoded = decode(misprint);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->tolerances[Tolerance::covering_length], 1U);
  EXPECT_EQ(decoded->tolerances[Tolerance::group_type_misprint], 1U);
}

TEST(Row4, GivesTheMisprintedReplyTypeAsADeregistrationReply) {
  // Which request it answers only its message id tells; the session knows.
  const auto decoded = decode(message("10 25 00 05 00"));
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(std::holds_alternative<DeregistrationReply>(decoded->frame.message));
}

TEST(Row4, SendsTheTypesOfTheErrata) {
  EXPECT_EQ(encode({1, SetLbStateReply{}}).value(), message("10 55 00 05 00"));
  EXPECT_EQ(encode({1, SetMemberStateReply{}}).value(), message("10 65 00 05 00"));
}

TEST(Row5, CarriesTheWholeRangeOfWeights) {
  for (const int weight : {0, 1, 64, 100, 65535}) {
    const WeightEntry entry{{}, 0, 0, static_cast<std::uint16_t>(weight)};
    const Frame frame{1, SendWeights{{{{"u", "g"}, {entry}}}}};
    EXPECT_EQ(decode(encode(frame).value())->frame, frame);
  }
}

TEST(Row7, IgnoresReservedBits) {
  Bytes bytes = overwritten(golden("section8"), 71, "FD");  // 0x0D and four reserved bits
  expect_tolerated(bytes, "section8", Tolerance::reserved_bits, 1);
  bytes = overwritten(golden("set_member_state_request"), 17, "FE");
  expect_tolerated(bytes, "set_member_state_request", Tolerance::reserved_bits, 1);
  bytes = overwritten(golden("set_lb_state_request"), 21, "FF FB");  // health and flags
  expect_tolerated(bytes, "set_lb_state_request", Tolerance::reserved_bits, 2);
}

TEST(Row7, HasDifferentBitsForQuiesceInWeightsAndStates) {
  const auto last_byte_but = [](const Frame& frame, std::size_t n) {
    const Bytes bytes = encode(frame).value();
    return bytes.at(bytes.size() - 1 - n);
  };
  EXPECT_EQ(last_byte_but({1, SendWeights{{{{}, {{{}, 0, weight_flag::quiesce, 0}}}}}}, 2), 0x02);
  EXPECT_EQ(last_byte_but({1, SetMemberStateRequest{0, {{{}, {{{}, 0, state_flag::quiesce}}}}}}, 0),
            0x01);
}

TEST(Row8, LeavesTheIntervalToTheSession) {
  const auto decoded = decode(message("10 35 00 09 00 00 00 00 00"));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<GetWeightsReply>(decoded->frame.message).interval, 0);
  EXPECT_FALSE(decoded->tolerances.any());
}

TEST(Row9, CarriesUidsOfAnySizeSoThatAGwmCanAnswerTheWrongOnes) {
  for (const std::size_t size : {0U, 64U, 65U, 255U}) {
    const Frame frame{1, SetLbStateRequest{std::string(size, 'u'), 0, 0}};
    EXPECT_EQ(decode(encode(frame).value())->frame, frame);
  }
}

TEST(Row10, CarriesTextsAsTheyAre) {
  const std::string odd("\0\x1b\xff\xc3", 4);
  const Frame frame{1, GetWeightsRequest{{{odd, odd}}}};
  EXPECT_EQ(decode(encode(frame).value())->frame, frame);
}

TEST(Row13, ClosesOnImpossibleMessageLengths) {
  for (const char* length : {"00 00 00 11", "80 00 00 6A", "FF FF FF FF"}) {
    Framer framer;
    framer.append(overwritten(golden("section8"), message_length_offset, length));
    EXPECT_EQ(framer.next().error().code, Errc::bad_message_length);
  }
}

TEST(Row14, SkipsTheSurplusOfALongerHeader) {
  Bytes longer = inserted(golden("section8"), 13, "AB CD EF");
  longer = overwritten(longer, 2, "00 10");
  expect_tolerated(longer, "section8", Tolerance::header_surplus, 1);
  expect_tolerated(longer, "section8", Tolerance::header_surplus, 1, DecodeOptions::gwm());
}

TEST(Row14, ClosesOnAShorterHeader) {
  Framer framer;
  framer.append(overwritten(golden("section8"), 2, "00 0C"));
  EXPECT_EQ(framer.next().error().code, Errc::bad_header);
}

TEST(Row15, ReadsTypeAndIdOfAMessageOfAnotherVersion) {
  const auto envelope = decode_envelope(overwritten(golden("set_lb_state_request"), 4, "02"));
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->version, 2);
  EXPECT_EQ(envelope->message_id, 8U);
  EXPECT_EQ(envelope->type, Type::set_lb_state_request);
}

TEST(Row16, SkipsAnUnknownMessageAndGoesOn) {
  Framer framer;
  framer.append(message("10 41 00 06 12 34"));
  framer.append(golden("registration_reply"));
  EXPECT_EQ(decode(*framer.next().value()).error().code, Errc::unknown_message);
  EXPECT_TRUE(decode(*framer.next().value()));
}

TEST(Row17, RefusesTheMessageForAnUnknownComponent) {
  for (const DecodeOptions options : {DecodeOptions::lb(), DecodeOptions::gwm()}) {
    expect_refused(overwritten(golden("section8"), 42, "30 1F"), Errc::unexpected_component,
                   options);
  }
}

TEST(Row18, ReadsTheFirstOfTwoMessageComponentsAsALoadBalancer) {
  const Bytes two = appended(golden("section8"), "10 15 00 05 00");
  expect_tolerated(two, "section8", Tolerance::second_component, 1);
  expect_refused(two, Errc::second_component, DecodeOptions::gwm());
}

TEST(Row19, ToleratesTrailingBytesAsALoadBalancer) {
  for (const char* trailing : {"00", "EE EE", "DE AD BE EF", "20 10 00 0D 01"}) {
    const Bytes bytes = appended(golden("section8"), trailing);
    expect_tolerated(bytes, "section8", Tolerance::trailing_bytes, 1);
    expect_refused(bytes, Errc::trailing_bytes, DecodeOptions::gwm());
  }
}

TEST(Row19, RefusesAComponentThatWasNotCounted) {
  const Bytes bytes = appended(golden("section8"), "40 11 00 06 00 00  30 11 00 06 00 00");
  expect_refused(bytes, Errc::bad_count);
  expect_refused(bytes, Errc::bad_count, DecodeOptions::gwm());
}

TEST(Row20, CarriesAsManyMembersAsAGroupCanCount) {
  Frame frame{1, SendWeights{{{{"LB1", "FARM1"}, {}}}}};
  auto& items = std::get<SendWeights>(frame.message).groups[0].items;
  items.resize(65535);
  items.back().weight = 7;
  const Bytes bytes = encode(frame).value();
  EXPECT_EQ(bytes.size(), 13U + 6 + 6 + 14 + 65535 * 32);
  EXPECT_LT(bytes.size(), default_max_message);
  EXPECT_EQ(decode(bytes)->frame, frame);
}

TEST(Row31, AcceptsAnErrorReplyThatEndsAfterItsCode) {
  const auto decoded = decode(message("10 35 00 05 43"));
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(decoded->frame.message, Message(GetWeightsReply{ReturnCode::unknown_lb_uid, 0, {}}));
  EXPECT_EQ(decoded->tolerances[Tolerance::short_error_reply], 1U);
  expect_refused(message("10 35 00 05 00"), Errc::bad_component_length);
}

TEST(Row31, SendsAnErrorReplyWithAllItsFields) {
  EXPECT_EQ(encode({1, GetWeightsReply{ReturnCode::unknown_lb_uid, 60, {}}}).value(),
            message("10 35 00 09 43 00 3C 00 00"));
}

}  // namespace

void PrintTo(const Frame& frame, std::ostream* out) {
  *out << name(type_of(frame.message)) << " " << frame.message_id;
}

}  // namespace saspd::sasp
