// SPDX-License-Identifier: Apache-2.0
// Who may come in, by each limit.
#include "controller/net/admission.hpp"

#include <gtest/gtest.h>

namespace saspd::net {
namespace {

using namespace std::chrono_literals;

Endpoint at(const char* text) {
  return Endpoint::parse(text).value();
}

// The words of a refusal; empty: let in.
std::string refused(Admission& admission, const char* peer, TimePoint now = {}) {
  const auto why = admission.refusal(at(peer), now);
  return why ? why->detail : "";
}

TEST(Admission, IsForThoseWhoMayConnect) {
  AdmissionLimits limits;
  limits.allowed = {*IpNetwork::parse("192.0.2.0/24")};
  Admission admission(limits);
  EXPECT_EQ(refused(admission, "192.0.2.1:1"), "");
  EXPECT_EQ(refused(admission, "198.51.100.1:1"), "198.51.100.1 may not connect");
}

TEST(Admission, EndsWhenAllPlacesAreTaken) {
  AdmissionLimits limits;
  limits.max_connections = 1;
  Admission admission(limits);
  admission.enter(at("192.0.2.1:1"), false);
  EXPECT_EQ(refused(admission, "127.0.0.1:1"),
            "1 connections are open, closing a new one from 127.0.0.1:1");
  admission.leave(at("192.0.2.1:1"), 0);
  EXPECT_EQ(refused(admission, "127.0.0.1:1"), "");
}

TEST(Admission, CountsAHostOnceWhateverItsAddressInASlash64) {
  AdmissionLimits limits;
  limits.max_per_address = 1;
  Admission admission(limits);
  admission.enter(at("[2001:db8::1]:1"), false);
  EXPECT_EQ(refused(admission, "[2001:db8::ffff]:1"),
            "1 connections are open from 2001:db8::/64, closing a new one");
  EXPECT_EQ(refused(admission, "[2001:db8:0:1::1]:1"), "");
  admission.leave(at("[2001:db8::1]:1"), 0);
  EXPECT_EQ(refused(admission, "[2001:db8::ffff]:1"), "");
}

TEST(Admission, CountsNewConnectionsPerSecond) {
  AdmissionLimits limits;
  limits.max_new_per_second = 2;
  Admission admission(limits);
  const TimePoint start{10s};
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(refused(admission, "192.0.2.1:1", start), "");
  EXPECT_EQ(refused(admission, "192.0.2.1:1", start + 999ms),
            "more than 2 new connections a second from 192.0.2.1, closing one");
  EXPECT_EQ(refused(admission, "192.0.2.2:1", start + 999ms), "");
  EXPECT_EQ(refused(admission, "192.0.2.1:1", start + 1s), "");
}

TEST(Admission, CountsHandshakesUntilTheyEnd) {
  AdmissionLimits limits;
  limits.max_handshakes_per_address = 1;
  Admission admission(limits);
  admission.enter(at("192.0.2.1:1"), true);
  EXPECT_EQ(refused(admission, "192.0.2.1:2"),
            "1 TLS handshakes with 192.0.2.1 are unfinished, closing a new connection");
  admission.shook_hands(at("192.0.2.1:1"));
  EXPECT_EQ(refused(admission, "192.0.2.1:2"), "");
}

TEST(Admission, SparesThisHost) {
  AdmissionLimits limits;
  limits.max_per_address = 0;
  limits.max_new_per_second = 1;
  Admission admission(limits);
  admission.enter(at("127.0.0.1:1"), false);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(refused(admission, "127.0.0.1:2"), "");
  limits.spare_loopback = false;
  Admission strict(limits);
  strict.enter(at("127.0.0.1:1"), false);
  EXPECT_NE(refused(strict, "127.0.0.1:2"), "");
}

TEST(Admission, EndsWhoHoldsMuchWhenAllHoldTooMuch) {
  AdmissionLimits limits;
  limits.max_unfinished = 100'000;
  Admission admission(limits);
  EXPECT_TRUE(admission.hold(0, 90'000));
  EXPECT_TRUE(admission.hold(0, 60'000)) << "a small message is for everybody";
  EXPECT_EQ(admission.hold(0, 70'000).error().detail,
            "220000 bytes of unfinished messages are in memory, 70000 of this connection");
  admission.enter(at("192.0.2.1:1"), false);
  admission.leave(at("192.0.2.1:1"), 90'000);
  admission.enter(at("192.0.2.1:1"), false);
  admission.leave(at("192.0.2.1:1"), 70'000);
  EXPECT_TRUE(admission.hold(60'000, 80'000));
}

}  // namespace
}  // namespace saspd::net
