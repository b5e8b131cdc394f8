// SPDX-License-Identifier: Apache-2.0
// What a peer sends bounds what we allocate: at most 16 times the bytes received, plus a constant,
// whatever lengths and counts it announces. This program counts every allocation.
#include <gtest/gtest.h>

#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"
#include "controller/sasp/gwm_session.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/sasp/member_session.hpp"
#include "tests/support/counted_memory.hpp"
#include "tests/support/sasp_samples.hpp"
#include "tests/support/sasp_wire.hpp"

namespace saspd::sasp {
namespace {

using namespace saspd::testing;

constexpr std::size_t constant = 4096;

// As a connection sees them: framer and decoder, all of the result still held.
std::size_t peak_of_receiving(const Bytes& bytes) {
  return peak_of([&] {
    Framer framer;
    framer.append(bytes);
    const auto next = framer.next();
    if (next && next->has_value()) (void)decode(**next);
  });
}

void expect_bounded(const Bytes& bytes) {
  EXPECT_LE(peak_of_receiving(bytes), 16 * bytes.size() + constant) << bytes.size() << " bytes";
}

TEST(Memory, IsCounted) {
  EXPECT_GE(peak_of([] { std::vector<char>(100000, 'x'); }), 100000U);
  EXPECT_GE(peak_of_receiving(encode({1, GetWeightsRequest{{{"u", "g"}}}}).value()), 28U);
}

TEST(Memory, IsNotTakenForAnAnnouncedMessageLength) {
  expect_bounded(hex("20 10 00 0D 01 01 00 00 00 00 00 00 01"));  // 16 MiB
}

TEST(Memory, IsNotTakenForAnnouncedCounts) {
  expect_bounded(message("10 40 00 06 FF FF"));
  expect_bounded(message("10 10 00 07 01 FF FF  40 10 00 06 FF FF  30 11 00 06 00 00"));
  expect_bounded(message("10 40 00 06 00 01  40 11 00 06 FF FF  30 11 00 06 00 00"));
  expect_bounded(message("10 30 00 06 FF FF  30 11 00 06 00 00"));
}

TEST(Memory, IsNotTakenForAnnouncedTexts) {
  expect_bounded(message("10 50 00 07 FF 00 00"));
  expect_bounded(message("10 30 00 06 00 01  30 11 FF FF FF FF"));
}

TEST(Memory, IsBoundedWhenCountsAreFalseOnEveryLevel) {
  // As many groups as could be there, the first with as many members as could be there, none of
  // them.
  for (const std::size_t padding : {1000U, 100000U, 2000000U}) {
    Bytes bytes = message("10 40 00 06 00 00  40 11 00 06 00 00  30 11 00 06 00 00");
    bytes.resize(bytes.size() + padding);
    const auto at_most = [](std::size_t n) { return std::min<std::size_t>(n, 65535); };
    const auto put = [&](std::size_t where, std::size_t count) {
      bytes.at(where) = static_cast<std::uint8_t>(count >> 8);
      bytes.at(where + 1) = static_cast<std::uint8_t>(count);
    };
    put(17, at_most(padding / 12));
    put(23, at_most(padding / 32));
    expect_bounded(fitted(bytes));
  }
}

TEST(Memory, IsBoundedForTheSmallestItems) {
  GetWeightsRequest request;
  request.groups.resize(65535);
  expect_bounded(encode({1, request}).value());
  SendWeights groups;
  groups.groups.resize(65535);
  expect_bounded(encode({1, groups}).value());
  SendWeights members;
  members.groups.resize(3);
  for (auto& group : members.groups)
    group.items.resize(65535);
  expect_bounded(encode({1, members}).value());
}

TEST(Memory, IsBoundedForRandomAndDamagedMessages) {
  const std::uint64_t seed = random_seed();
  SCOPED_TRACE("SASPD_TEST_SEED=" + std::to_string(seed));
  Samples samples(seed);
  for (int i = 0; i < 2000; ++i) {
    const Bytes bytes = encode(samples.frame()).value();
    expect_bounded(bytes);
    expect_bounded(samples.damaged(bytes));
  }
}

Bytes message_of(std::size_t size) {
  Bytes big = encode({1, SetLbStateRequest{"u", 0, 0}}).value();
  big.resize(size);
  return fitted(std::move(big));
}

TEST(Memory, OfTheFramerGrowsWithWhatArrivedAndIsGivenBack) {
  const Bytes big = message_of(std::size_t{4} << 20);
  Framer framer;
  std::size_t arrived = 0;
  const std::size_t before = live;
  for (std::size_t at = 0; at < big.size(); at += 1448) {
    const std::size_t n = std::min<std::size_t>(1448, big.size() - at);
    framer.append(ByteView(big).subspan(at, n));
    arrived += n;
    ASSERT_LE(live - before, 2 * arrived + constant);
  }
  ASSERT_TRUE(framer.next()->has_value());
  ASSERT_FALSE(framer.next()->has_value());
  EXPECT_LE(live - before, std::size_t{64} << 10);
}

TEST(Memory, OfTheFramerIsGivenBackThoughTheNextMessageHasBegun) {
  const Bytes next = encode({2, SetLbStateRequest{"u", 0, 0}}).value();
  for (const std::size_t begun : {std::size_t{1}, std::size_t{12}}) {
    Bytes bytes = message_of(std::size_t{4} << 20);
    bytes.insert(bytes.end(), next.begin(), next.begin() + static_cast<std::ptrdiff_t>(begun));
    Framer framer;
    const std::size_t before = live;
    framer.append(bytes);
    ASSERT_TRUE(framer.next()->has_value());
    ASSERT_FALSE(framer.next()->has_value());
    EXPECT_LE(live - before, std::size_t{64} << 10);
    framer.append(ByteView(next).subspan(begun));
    const auto whole = framer.next();
    ASSERT_TRUE(whole->has_value());
    EXPECT_EQ(Bytes((*whole)->begin(), (*whole)->end()), next);
  }
}

// --- sessions, from bytes to events, fed in pieces of any size

constexpr std::size_t session_constant = 16384;

Bytes joined(const std::vector<Bytes>& messages) {
  Bytes all;
  for (const Bytes& message : messages)
    all.insert(all.end(), message.begin(), message.end());
  return all;
}

// Small in bytes, large in what is made of them; false counts; texts of length zero; an
// unfinished one.
std::vector<Bytes> hostile_streams() {
  GetWeightsRequest groups;
  groups.groups.resize(2000);
  RegistrationRequest members;
  members.groups.resize(2000);
  for (auto& group : members.groups)
    group.items.resize(2);
  SendWeights weights;
  weights.groups.resize(2000, {{"lb1", "g"}, {}});
  const SendWeights one_group{{{{"lb1", "g"}, {}}}};
  SendWeights entries;
  entries.groups.resize(1, {{"lb1", "g"}, {}});
  entries.groups[0].items.resize(5000);
  const Bytes false_counts = message("10 40 00 06 FF FF  40 11 00 06 FF FF  30 11 00 06 00 00");
  const Bytes unknown = message("10 99 00 04");
  Bytes unfinished = encode({1, entries}).value();
  unfinished.pop_back();
  return {encode({1, groups}).value(),
          encode({1, members}).value(),
          encode({1, weights}).value(),
          encode({1, entries}).value(),
          joined(std::vector<Bytes>(500, encode({1, one_group}).value())),
          joined(std::vector<Bytes>(500, false_counts)),
          joined(std::vector<Bytes>(500, unknown)),
          unfinished};
}

// start() gives a session, feed() hands it bytes.
template <class Start, class Feed>
void expect_bounded_sessions(Start start, Feed feed) {
  for (const Bytes& stream : hostile_streams()) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1448}, stream.size()}) {
      auto session = start();
      const std::size_t peak = peak_of([&] {
        for (std::size_t at = 0; at < stream.size(); at += piece)
          feed(session, ByteView(stream).subspan(at, std::min(piece, stream.size() - at)));
      });
      EXPECT_LE(peak, 16 * stream.size() + session_constant)
          << stream.size() << " bytes in pieces of " << piece;
    }
  }
}

TEST(Memory, OfAGwmSessionIsBounded) {
  expect_bounded_sessions([] { return GwmSession(); },
                          [](GwmSession& session, ByteView bytes) {
                            session.handle_bytes(bytes);
                            auto next = session.next({});
                            while (next && next->has_value())
                              next = session.next({});
                          });
}

// What is the one request in these bytes?
Frame request_in(const Bytes& bytes) {
  return decode(bytes).value().frame;
}

// A load balancer that has everything it wants.
LbSession settled_lb() {
  LbSessionConfig config;
  config.lb_uid = "lb1";
  config.push = true;
  LbSession lb(config);
  Bytes sent = lb.connected({}).send;
  while (!sent.empty()) {
    const Frame request = request_in(sent);
    const bool asks = std::holds_alternative<GetWeightsRequest>(request.message);
    sent = lb.handle_bytes(encode({request.message_id,
                                   asks ? Message(GetWeightsReply{}) : Message(SetLbStateReply{})})
                               .value(),
                           {})
               .send;
  }
  return lb;
}

TEST(Memory, OfAnLbSessionIsBounded) {
  expect_bounded_sessions(settled_lb, [](LbSession& session, ByteView bytes) {
    (void)session.handle_bytes(bytes, {});
  });
}

// It remembers which members the GWM knows.
TEST(Memory, OfWhatAnLbSessionLearnsIsBounded) {
  LbSessionConfig config;
  config.lb_uid = "lb1";
  LbSession lb(config);
  Frame request = request_in(lb.connected({}).send);
  request =
      request_in(lb.handle_bytes(encode({request.message_id, SetLbStateReply{}}).value(), {}).send);
  GetWeightsReply reply;
  reply.groups.resize(1, {{"lb1", "g"}, {}});
  for (std::uint16_t port = 1; port <= 20'000; ++port) {
    const MemberKey key{*IpAddress::parse("10.0.0.1"), 6, port};
    reply.groups[0].items.push_back({MemberData::of(key), 0, 0, 1});
  }
  const Bytes bytes = encode({request.message_id, reply}).value();
  EXPECT_LE(peak_of([&] { (void)lb.handle_bytes(bytes, {}); }),
            16 * bytes.size() + session_constant);
}

MemberSession connected_member() {
  MemberSessionConfig config;
  config.lb_uid = "lb1";
  config.group = "g";
  config.members = {MemberData::of({*IpAddress::parse("10.0.0.1"), 6, 80})};
  MemberSession member(config, {.presence = Presence::registered});
  (void)member.connected({});
  return member;
}

TEST(Memory, OfAMemberSessionIsBounded) {
  expect_bounded_sessions(connected_member, [](MemberSession& session, ByteView bytes) {
    (void)session.handle_bytes(bytes, {});
  });
}

}  // namespace
}  // namespace saspd::sasp
