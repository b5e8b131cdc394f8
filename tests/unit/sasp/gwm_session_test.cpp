// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/gwm_session.hpp"

#include <algorithm>
#include <array>
#include <random>

#include <gtest/gtest.h>

namespace saspd::sasp {
namespace {

using std::chrono::seconds;

const TimePoint start{std::chrono::hours{1}};

Bytes encoded(std::uint32_t id, Message message, std::uint8_t version = 1) {
  return *encode({id, std::move(message), version});
}

RegistrationRequest registration() {
  const MemberKey member{*IpAddress::parse("192.0.2.1"), 6, 80};
  return {.groups = {{{"lb1", "web"}, {MemberData::of(member, "one")}}}};
}

Bytes unknown_message(std::uint32_t id) {
  Bytes bytes = encoded(id, SetLbStateReply{});
  bytes[13] = 0x12;
  bytes[14] = 0x34;
  return bytes;
}

// A peer and what it gets from a session, written down so that two runs can be compared.
struct Peer {
  void peer_sends(const Bytes& bytes) {
    if (closed) return;
    session.handle_bytes(bytes);
    for (;;) {
      auto event = session.next(now);
      if (!event) {
        closed = event.error();
        return;
      }
      if (!*event) return;
      std::visit([&](const auto& e) { note(e); }, **event);
    }
  }
  void note(const GwmRequest& request) { requests.push_back(request); }
  void note(const GwmRefusal& refusal) {
    refusals.push_back(decode(refusal.answer)->frame);
    reasons.push_back(refusal.why.code);
  }
  void note(const GwmSkipped& skipped) { reasons.push_back(skipped.why.code); }

  TimePoint now = start;
  GwmSession session{GwmSessionConfig{.interval = 64}};
  std::vector<GwmRequest> requests;
  std::vector<Frame> refusals;
  std::vector<std::error_code> reasons;
  std::optional<Error> closed;
};

class GwmSessionTest : public testing::Test, protected Peer {};

TEST_F(GwmSessionTest, HandsOutRequestsInOrderWithTheirMessageIds) {
  Bytes bytes = encoded(7, registration());
  const Bytes second = encoded(0xFFFFFFFF, GetWeightsRequest{{{"lb1", ""}}});
  bytes.insert(bytes.end(), second.begin(), second.end());
  peer_sends(bytes);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0], (GwmRequest{7, registration(), {}}));
  EXPECT_EQ(requests[1], (GwmRequest{0xFFFFFFFF, GetWeightsRequest{{{"lb1", ""}}}, {}}));
  EXPECT_FALSE(closed);
}

// RFC 4678 4.4 and sasp-interop row 15.
TEST_F(GwmSessionTest, AnswersAnyOtherVersionWithItsOwnInTheMatchingReply) {
  const std::vector<std::pair<Message, Message>> pairs = {
      {registration(), RegistrationReply{ReturnCode::not_understood}},
      {DeregistrationRequest{}, DeregistrationReply{ReturnCode::not_understood}},
      {GetWeightsRequest{}, GetWeightsReply{ReturnCode::not_understood, 64, {}}},
      {SetLbStateRequest{"lb1"}, SetLbStateReply{ReturnCode::not_understood}},
      {SetMemberStateRequest{}, SetMemberStateReply{ReturnCode::not_understood}},
  };
  for (const std::uint8_t version : std::array<std::uint8_t, 3>{0, 2, 255}) {
    for (const auto& [request, reply] : pairs) {
      refusals.clear();
      peer_sends(encoded(9, request, version));
      ASSERT_EQ(refusals.size(), 1U);
      EXPECT_EQ(refusals[0], (Frame{9, reply, 1}));
      EXPECT_EQ(reasons.back(), Errc::unsupported_version);
    }
  }
  EXPECT_TRUE(requests.empty());
  EXPECT_FALSE(closed);
}

// A message of a later version may look like anything behind its type.
TEST_F(GwmSessionTest, ReadsOnlyTheMessageTypeOfAnotherVersion) {
  Bytes bytes = encoded(3, registration(), 2);
  bytes[15] = 0xFF;  // an impossible length of the message component
  peer_sends(bytes);
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0], (Frame{3, RegistrationReply{ReturnCode::not_understood}}));
}

TEST_F(GwmSessionTest, AnswersARequestItCannotDecodeAndGoesOn) {
  Bytes bytes = encoded(4, registration());
  bytes[18] = 9;  // more groups than there are
  peer_sends(bytes);
  peer_sends(encoded(5, registration()));
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0], (Frame{4, RegistrationReply{ReturnCode::not_understood}}));
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].message_id, 5U);
}

// sasp-interop rows 18 and 19: a GWM is strict.
TEST_F(GwmSessionTest, RefusesTrailingBytes) {
  Bytes bytes = encoded(4, SetLbStateRequest{"lb1"});
  bytes.push_back(0);
  bytes[8] = static_cast<std::uint8_t>(bytes.size());
  peer_sends(bytes);
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(reasons, std::vector{make_error_code(Errc::trailing_bytes)});
}

TEST_F(GwmSessionTest, AnswersWithTheIntervalAlsoWhenItRefuses) {
  Bytes bytes = encoded(6, GetWeightsRequest{{{"lb1", "web"}}});
  bytes[18] = 9;
  peer_sends(bytes);
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0], (Frame{6, GetWeightsReply{ReturnCode::not_understood, 64, {}}}));
}

// sasp-interop row 16.
TEST_F(GwmSessionTest, SkipsUnknownMessagesAndCountsThem) {
  peer_sends(unknown_message(1));
  peer_sends(encoded(2, SendWeights{}));  // known, but only a GWM sends it
  peer_sends(encoded(3, registration()));
  EXPECT_EQ(requests.size(), 1U);
  EXPECT_TRUE(refusals.empty());
  EXPECT_EQ(session.tolerances()[Tolerance::unknown_message_type], 2U);
}

TEST_F(GwmSessionTest, ClosesAfterSixteenUnknownMessagesInARow) {
  for (int i = 0; i < 15; ++i)
    peer_sends(unknown_message(1));
  peer_sends(encoded(3, registration()));
  for (int i = 0; i < 15; ++i)
    peer_sends(unknown_message(1));
  EXPECT_FALSE(closed);
  peer_sends(unknown_message(1));
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, Errc::unknown_message);
}

TEST_F(GwmSessionTest, ClosesOnGarbage) {
  peer_sends(encoded(1, registration()));
  peer_sends({'G', 'E', 'T', ' '});
  EXPECT_EQ(requests.size(), 1U);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, Errc::bad_header);
}

TEST_F(GwmSessionTest, ClosesOnAHeaderLongerThanItsMessage) {
  Bytes bytes = encoded(1, SetLbStateRequest{"lb1"});
  bytes[3] = 0xF0;
  peer_sends(bytes);
  EXPECT_TRUE(closed);
}

TEST_F(GwmSessionTest, CountsWhatItForgives) {
  RegistrationRequest request = registration();
  request.groups[0].items[0].address[10] = 0xFF;
  request.groups[0].items[0].address[11] = 0xFF;
  peer_sends(encoded(1, request));
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].tolerances[Tolerance::mapped_address], 1U);
  EXPECT_EQ(session.tolerances()[Tolerance::mapped_address], 1U);
}

TEST_F(GwmSessionTest, GivesAMessageTenSecondsFromItsFirstByte) {
  const Bytes bytes = encoded(1, registration());
  EXPECT_FALSE(session.deadline());
  peer_sends({bytes.begin(), bytes.begin() + 1});
  EXPECT_EQ(session.deadline(), start + seconds{10});
  now += seconds{9};
  peer_sends({bytes.begin() + 1, bytes.end() - 1});
  EXPECT_EQ(session.deadline(), start + seconds{10}) << "later bytes must not extend it";
  peer_sends({bytes.end() - 1, bytes.end()});
  EXPECT_EQ(requests.size(), 1U);
  EXPECT_FALSE(session.deadline());
}

TEST_F(GwmSessionTest, StartsTheTimeOfAMessageThatFollowsAnotherAnew) {
  Bytes bytes = encoded(1, registration());
  peer_sends({bytes.begin(), bytes.begin() + 1});
  now += seconds{5};
  bytes.push_back(0x20);
  peer_sends({bytes.begin() + 1, bytes.end()});
  EXPECT_EQ(session.deadline(), now + seconds{10});
}

// Fed whole, byte by byte or cut at random, the same stream means the same.
TEST_F(GwmSessionTest, DoesNotCareHowTheStreamIsCut) {
  Bytes stream;
  const auto add = [&](const Bytes& bytes) {
    stream.insert(stream.end(), bytes.begin(), bytes.end());
  };
  add(encoded(1, registration()));
  add(unknown_message(2));
  add(encoded(3, SetLbStateRequest{"lb1", 0x7F, lb_flag::trust}, 2));
  add(encoded(4, GetWeightsRequest{{{"lb1", "web"}}}));
  Bytes undecodable = encoded(5, registration());
  undecodable[18] = 9;
  add(undecodable);
  add(encoded(6, SetLbStateRequest{"lb1", 0x7F, lb_flag::trust}));
  add({'x', 'y'});
  peer_sends(stream);
  ASSERT_TRUE(closed);

  std::mt19937 random(4678);
  for (int round = 0; round < 50; ++round) {
    Peer other;
    for (auto at = stream.begin(); at != stream.end();) {
      const auto most = std::min<std::ptrdiff_t>(stream.end() - at, round == 0 ? 1 : 40);
      const auto length = std::uniform_int_distribution<std::ptrdiff_t>(1, most)(random);
      other.peer_sends({at, at + length});
      at += length;
    }
    EXPECT_EQ(other.requests, requests);
    EXPECT_EQ(other.refusals, refusals);
    EXPECT_EQ(other.reasons, reasons);
    EXPECT_EQ(other.closed->code, closed->code);
    EXPECT_EQ(other.session.tolerances(), session.tolerances());
  }
}

}  // namespace
}  // namespace saspd::sasp
