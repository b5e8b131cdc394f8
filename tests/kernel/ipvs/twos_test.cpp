// SPDX-License-Identifier: Apache-2.0
// The twos scheduler, which Linux 6.1 does not have: of two servers drawn by weight it takes the
// one with fewer connections for its weight.
#include <gtest/gtest.h>

#include "tests/kernel/ipvs/traffic_fixture.hpp"

namespace saspd::netlink {
namespace {

class Twos : public Traffic, public testing::WithParamInterface<Advice> {};

TEST_P(Twos, SharesConnectionsThatLastByWeight) {
  start("twos", Family::v4, 5);
  advise(GetParam().weights);
  expect_shares(hold(300), GetParam().weights, 3.0);
}

TEST_P(Twos, SharesDatagramsByWeight) {
  start_datagrams("twos", 5);
  advise(GetParam().weights);
  expect_shares(send(2000, [this] { return client(); }), GetParam().weights, 6.0);
}

// It multiplies weights and connections in 32 bits. Written as they are, these overflow at 128
// connections, and a server that has more is taken for one that has none.
TEST_F(Traffic, UnderTwosPrefersTheIdleServerWithTheLargestWeights) {
  start("twos", Family::v4, 2);
  advise({65535, 0});
  EXPECT_EQ(hold(150), (Counts{150, 0}));
  advise({65535, 65535});
  EXPECT_GT(hold(100)[1], 50) << "it wins 3 of 4 draws";
}

INSTANTIATE_TEST_SUITE_P(Of, Twos, testing::Values(lba, raw),
                         [](const auto& advice) { return std::string(advice.param.name); });

}  // namespace
}  // namespace saspd::netlink
