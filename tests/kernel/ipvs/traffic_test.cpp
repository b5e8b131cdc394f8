// What weights written by Ipvs do to real connections. Clients, director and servers share a
// namespace: virtual and real addresses stand on lo, IPVS schedules what its own host sends, and
// masquerades.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <numeric>
#include <thread>

#include <fmt/format.h>

#include "controller/base/clock.hpp"
#include "controller/saspd/scaling.hpp"
#include "tests/kernel/ipvs/table_fixture.hpp"
#include "tests/support/kernel_traffic.hpp"

namespace saspd::netlink {
namespace {

using Weights = std::vector<std::uint32_t>;
using Counts = std::vector<int>;

class Traffic : public IpvsTable {
 protected:
  // A service with four servers of weight 1 behind it.
  void start(std::string_view scheduler, Family family = Family::v4) {
    const bool v4 = family == Family::v4;
    vip_ = endpoint(v4 ? "10.0.0.1:80" : "[2001:db8::1]:80");
    spec_ = "tcp:" + vip_.text();
    std::string addresses = fmt::format("address add {} dev lo\n", vip_.address.text());
    std::string lines = fmt::format("-A -t {} -s {}\n", vip_.text(), scheduler);
    for (int i = 1; i <= 4; ++i) {
      servers_at_.push_back(
          endpoint(fmt::format(fmt::runtime(v4 ? "10.0.1.{}:8080" : "[2001:db8:1::{}]:8080"), i)));
      const Endpoint& at = servers_at_.back();
      addresses += fmt::format("address add {} dev lo\n", at.address.text());
      lines += fmt::format("-a -t {} -r {} -m -w 1\n", vip_.text(), at.text());
    }
    kernel::feed("ip -batch -", addresses);
    servers_.emplace(servers_at_);
    ipvsadm(lines);
  }

  void set_weights(const Weights& weights) {
    const lb::Table actual = list({spec_});
    lb::Table desired = actual;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      desired.at(service(spec_)).destinations.at(servers_at_[i]).weight = weights[i];
    }
    expect_applied(diff(actual, desired));
  }

  Counts connect(int times) {
    Counts counts(servers_at_.size());
    for (int i = 0; i < times; ++i) {
      const auto connection = kernel::Connection::open(vip_);
      if (!connection)
        ADD_FAILURE() << "connection " << i << " failed";
      else
        ++counts[connection->server()];
    }
    return counts;
  }

  // Under wlc a server with a connection that lasts waits for its turn longer than one without.
  bool comes_back(std::size_t server) {
    for (int tries = 0; tries < 25; ++tries) {
      if (connect(40)[server] > 0) return true;
    }
    return false;
  }

  static void expect_shares(const Counts& counts, const Weights& weights) {
    const double connections = std::accumulate(counts.begin(), counts.end(), 0.0);
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double share = 100 * counts[i] / connections;
      const double expected = 100 * weights[i] / total;
      std::printf("server %zu: %d connections, %.1f %%, expected %.1f %%\n", i, counts[i], share,
                  expected);
      EXPECT_NEAR(share, expected, 3.0) << "server " << i;
    }
  }

  Endpoint vip_;
  std::string spec_;
  std::vector<Endpoint> servers_at_;
  std::optional<kernel::Servers> servers_;
};

TEST_F(Traffic, UnderWrrFollowsScaledSaspWeightsFromTheStart) {
  start("wrr");
  const Weights advised{60001, 40003, 20011, 10007};
  set_weights(scale_weights(advised, largest_weight("wrr")));
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
    set_weights(scale_weights(advised, largest_weight("wrr")));
    expect_shares(connect(400), advised);
  }
}

TEST_F(Traffic, OverIpv6FollowsItsWeights) {
  start("wrr", Family::v6);
  const Weights weights{4, 3, 2, 1};
  set_weights(weights);
  expect_shares(connect(400), weights);
}

// Connections are held open, so that wlc sees them: it takes raw SASP weights.
TEST_F(Traffic, UnderWlcFollowsRawSaspWeights) {
  start("wlc");
  const Weights advised{60001, 40003, 20011, 10007};
  ASSERT_EQ(scale_weights(advised, largest_weight("wlc")), advised);
  set_weights(advised);
  Counts counts(4);
  std::vector<kernel::Connection> held;
  for (int i = 0; i < 400; ++i) {
    auto connection = kernel::Connection::open(vip_);
    ASSERT_TRUE(connection) << i;
    ++counts[connection->server()];
    held.push_back(std::move(*connection));
  }
  expect_shares(counts, advised);
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

class Quiescing : public Traffic, public testing::WithParamInterface<const char*> {};

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
