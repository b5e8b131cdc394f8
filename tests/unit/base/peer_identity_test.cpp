// SPDX-License-Identifier: Apache-2.0
// How a peer is called in logs.
#include "controller/base/peer_identity.hpp"

#include <gtest/gtest.h>

namespace saspd {
namespace {

TEST(PeerIdentity, IsToldWithAllItsNames) {
  PeerIdentity identity;
  EXPECT_EQ(identity.text(), "without a name");
  identity.common_name = "director-1";
  EXPECT_EQ(identity.text(), "'director-1'");
  identity.dns_names = {"lb1.example"};
  identity.addresses = {*IpAddress::parse("192.0.2.1")};
  identity.uris = {"sasp:lb:1"};
  identity.emails = {"a@example"};
  EXPECT_EQ(identity.text(), "'director-1' (lb1.example, 192.0.2.1, sasp:lb:1, a@example)");
  identity.common_name.clear();
  EXPECT_EQ(identity.text(), "without a name (lb1.example, 192.0.2.1, sasp:lb:1, a@example)");
}

TEST(PeerIdentity, IsCutToALine) {
  PeerIdentity identity;
  identity.dns_names.assign(100, "a");
  EXPECT_EQ(identity.text(), "without a name (a, a, a, a, a, a, a, a and 92 more)");
}

}  // namespace
}  // namespace saspd
