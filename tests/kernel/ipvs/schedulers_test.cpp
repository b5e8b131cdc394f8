// SPDX-License-Identifier: Apache-2.0
// Every scheduler of Linux 6.1 under the weights that saspd writes: where connections go.
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <numeric>
#include <tuple>

#include "tests/kernel/ipvs/traffic_fixture.hpp"

namespace saspd::netlink {
namespace {

// Tests of a scheduler under an advice.
class Scheduler : public Traffic,
                  public testing::WithParamInterface<std::tuple<const char*, Advice>> {
 protected:
  static std::string_view scheduler() { return std::get<0>(GetParam()); }
  static const Weights& advised() { return std::get<1>(GetParam()).weights; }
};

auto each(std::initializer_list<const char*> schedulers) {
  return testing::Combine(testing::ValuesIn(schedulers), testing::Values(lba, raw));
}
std::string name_of(const testing::TestParamInfo<std::tuple<const char*, Advice>>& info) {
  const auto& [scheduler, advice] = info.param;
  return std::string(scheduler) + advice.name;
}

using Round = Scheduler;

TEST_P(Round, GivesEachServerItsScaledWeight) {
  start(scheduler(), Family::v4, 5);
  const Weights scaled = advise(advised());
  const std::uint32_t round = std::accumulate(scaled.begin(), scaled.end(), 0U);
  EXPECT_EQ(connect(static_cast<int>(round)), Counts(scaled.begin(), scaled.end()));
  expect_shares(connect(static_cast<int>(round)), advised());
}

INSTANTIATE_TEST_SUITE_P(Of, Round, each({"wrr"}), name_of);

using ByWeight = Scheduler;

// Their rule is the number of connections that a server has, so these last.
TEST_P(ByWeight, HoldsShares) {
  start(scheduler(), Family::v4, 5);
  EXPECT_EQ(advise(advised()), advised()) << "these take weights as they are";
  expect_shares(hold(300), advised(), 1.0);
}

INSTANTIATE_TEST_SUITE_P(Of, ByWeight, each({"wlc", "sed", "nq"}), name_of);

using Even = Scheduler;

TEST_P(Even, AmongServersThatHaveAnyWeight) {
  start(scheduler(), Family::v4, 5);
  advise(advised());
  EXPECT_EQ(hold(100), (Counts{25, 25, 0, 25, 25}));
}

INSTANTIATE_TEST_SUITE_P(Of, Even, each({"rr", "lc"}), name_of);

using HighestWeight = Scheduler;

TEST_P(HighestWeight, TakesAll) {
  start(scheduler(), Family::v4, 5);
  advise(advised());
  EXPECT_EQ(hold(30), (Counts{30, 0, 0, 0, 0}));
  Weights without_it = advised();
  without_it[0] = 0;
  advise(without_it);
  EXPECT_EQ(hold(30), (Counts{0, 30, 0, 0, 0}));
}

INSTANTIATE_TEST_SUITE_P(Of, HighestWeight, each({"fo", "ovf"}), name_of);

// A weight is a capacity here: the next server follows when more connections are active.
TEST_F(Traffic, UnderOvfOverflowsToTheNext) {
  start("ovf", Family::v4, 5);
  const Weights weights = advise(lba.weights);
  EXPECT_EQ(weights, lba.weights);
  EXPECT_EQ(hold(65 + 48 + 24 + 6), (Counts{65, 48, 0, 24, 6}));
  EXPECT_FALSE(kernel::Connection::open(vip_)) << "all are full";
}

TEST_F(Traffic, UnderOvfOverflowsByRawWeightsOnlyWithALimit) {
  start("ovf", Family::v4, 5);
  EXPECT_EQ(advise(raw.weights, 20), (Weights{20, 13, 0, 7, 3}));
  EXPECT_EQ(hold(21 + 14 + 8 + 4), (Counts{21, 14, 0, 8, 4}));
}

TEST_F(Traffic, UnderNqNeverWaitsWhileAServerIsIdle) {
  start("nq", Family::v4, 5);
  advise({60000, 2, 0, 2, 2});
  EXPECT_EQ(hold(4), (Counts{1, 1, 0, 1, 1}));
  EXPECT_EQ(hold(40), (Counts{40, 0, 0, 0, 0}));
}

// A client belongs to a server. With the fallback flag, because a server that once had a weight
// keeps its part of the clients at zero, see below.
class Hash : public Scheduler {
 protected:
  void start_hash(std::string_view more_flags = "") {
    start_datagrams(fmt::format("{0} -b {0}-fallback{1}", scheduler(), more_flags), 5);
    advise(advised());
  }
  // Chance has a standard deviation of 1 % here, and tables hold the weights roughly.
  static constexpr int datagrams = 2000;
  static constexpr double tolerance = 4.0;
};

TEST_P(Hash, SharesClientsByWeight) {
  start_hash();
  expect_shares(send(datagrams, [this] { return client(); }), advised(), tolerance);
}

TEST_P(Hash, KeepsAClientAtItsServer) {
  start_hash();
  const Endpoint someone = client();
  const Counts counts = send(50, [&] { return someone; });
  EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 50);
}

TEST_P(Hash, SharesTheConnectionsOfOneClientIfItsPortCounts) {
  start_hash(fmt::format(",{}-port", scheduler()));
  Endpoint someone = client();
  someone.port = 20000;
  const auto next_port = [&] {
    ++someone.port;
    return someone;
  };
  expect_shares(send(datagrams, next_port), advised(), tolerance);
}

INSTANTIATE_TEST_SUITE_P(Of, Hash, each({"sh", "mh"}), name_of);

// The kernel leaves a server at zero its part of the clients, and only the fallback flag sends
// these elsewhere. Hence the alarm no_fallback.
class Quiesced : public Traffic, public testing::WithParamInterface<const char*> {
 protected:
  void quiesce_two_of_five() {
    advise({10, 10, 10, 10, 10});
    advise({10, 0, 10, 10, 0});
  }
};

TEST_P(Quiesced, LoseTheirClientsWithoutTheFallbackFlag) {
  start_datagrams(GetParam(), 5);
  quiesce_two_of_five();
  int lost = 0;
  for (int i = 0; i < 500; ++i) {
    if (!receivers_->reached(client(), vip_)) ++lost;
  }
  std::printf("%d of 500 clients lost\n", lost);
  EXPECT_GT(lost, 0);
}

TEST_P(Quiesced, RefuseConnectionsWithoutTheFallbackFlag) {
  start(GetParam(), Family::v4, 5);
  quiesce_two_of_five();
  // Only the first one, because a refusal may take a second.
  bool refused = false;
  for (int i = 0; i < 200 && !refused; ++i)
    refused = !kernel::Connection::open(vip_, client());
  EXPECT_TRUE(refused);
}

TEST_P(Quiesced, LoseNothingWithTheFallbackFlag) {
  start(fmt::format("{0} -b {0}-fallback", GetParam()), Family::v4, 5);
  quiesce_two_of_five();
  for (int i = 0; i < 200; ++i) {
    const auto connection = kernel::Connection::open(vip_, client());
    ASSERT_TRUE(connection) << i;
    EXPECT_TRUE(connection->server() != 1 && connection->server() != 4);
  }
}

INSTANTIATE_TEST_SUITE_P(Under, Quiesced, testing::Values("sh", "mh"),
                         [](const auto& scheduler) { return std::string(scheduler.param); });

}  // namespace
}  // namespace saspd::netlink
