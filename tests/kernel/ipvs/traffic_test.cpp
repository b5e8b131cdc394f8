// SPDX-License-Identifier: Apache-2.0
// Connections while weights change.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "controller/base/clock.hpp"
#include "tests/kernel/ipvs/traffic_fixture.hpp"

namespace saspd::netlink {
namespace {

TEST_F(Traffic, UnderWrrFollowsScaledSaspWeightsFromTheStart) {
  start("wrr");
  const Weights advised{60001, 40003, 20011, 10007};
  advise(advised);
  const TimePoint before = Clock::now();
  const Counts counts = connect(1000);
  const std::chrono::duration<double> took = Clock::now() - before;
  std::printf("%.0f connections/s\n", 1000 / took.count());
  expect_shares(counts, advised);
}

TEST_F(Traffic, UnderWrrFollowsEachNewAdvice) {
  start("wrr");
  for (const Weights& advised : {Weights{100, 100, 100, 100}, Weights{65535, 1000, 1000, 1000},
                                 Weights{0, 300, 200, 100}, Weights{7, 7, 7, 7}}) {
    advise(advised);
    expect_shares(connect(400), advised);
  }
}

TEST_F(Traffic, OverIpv6FollowsItsWeights) {
  start("wrr", Family::v6);
  const Weights weights{4, 3, 2, 1};
  set_weights(weights);
  expect_shares(connect(400), weights);
}

// Clients that connect without pause, each connection on its own.
class Crowd {
 public:
  explicit Crowd(const Endpoint& vip) {
    for (auto& thread : threads_) {
      thread = std::thread([this, vip] {
        while (!stop_) {
          const auto connection = kernel::Connection::open(vip);
          if (!connection || !connection->works())
            ++failed_;
          else
            ++worked_;
        }
      });
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() { go_home(); }

  void go_home() {
    stop_ = true;
    for (auto& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  int worked() const { return worked_; }
  int failed() const { return failed_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> worked_ = 0;
  std::atomic<int> failed_ = 0;
  std::array<std::thread, 3> threads_;
};

class Quiescing : public Traffic, public testing::WithParamInterface<const char*> {
 protected:
  // Under wlc a server with a connection that lasts waits for its turn longer than one without.
  bool comes_back(std::size_t server) {
    for (int tries = 0; tries < 25; ++tries) {
      if (connect(40)[server] > 0) return true;
    }
    return false;
  }
};

TEST_P(Quiescing, LosesNoConnectionAndBringsNoNewOne) {
  start(GetParam());
  set_weights({10, 10, 10, 10});
  Crowd crowd(vip_);
  for (std::size_t quiesced = 0; quiesced < 4; ++quiesced) {
    std::optional<kernel::Connection> established;
    while (!established || established->server() != quiesced) {
      established = kernel::Connection::open(vip_);
      ASSERT_TRUE(established);
    }
    Weights weights{10, 10, 10, 10};
    weights[quiesced] = 0;
    set_weights(weights);
    const Counts counts = connect(200);
    EXPECT_EQ(counts[quiesced], 0);
    EXPECT_TRUE(established->works());
    set_weights({10, 10, 10, 10});
    EXPECT_TRUE(comes_back(quiesced)) << "server " << quiesced;
    EXPECT_TRUE(established->works());
  }
  crowd.go_home();
  std::printf("%d connections of the crowd\n", crowd.worked());
  EXPECT_EQ(crowd.failed(), 0);
  EXPECT_GT(crowd.worked(), 100);
}

INSTANTIATE_TEST_SUITE_P(Under, Quiescing, testing::Values("wrr", "wlc"),
                         [](const auto& scheduler) { return std::string(scheduler.param); });

TEST_F(Traffic, FindsNobodyWhenEveryWeightIsZeroAndComesBack) {
  start("wrr");
  set_weights({0, 0, 0, 0});
  EXPECT_FALSE(kernel::Connection::open(vip_));
  set_weights({1, 1, 1, 1});
  EXPECT_EQ(connect(40), (Counts{10, 10, 10, 10}));
}

}  // namespace
}  // namespace saspd::netlink
