// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "controller/base/error.hpp"
#include "packaging/show/scenario.hpp"

namespace saspd::show {

using SteadyClock = std::chrono::steady_clock;

// Connections all the time, at an even pace. Those begun after count() are counted by server; every
// one that fails is remembered, counted or not.
class Traffic {
 public:
  Traffic(boost::asio::io_context& io, const Arguments& arguments)
      : io_(io), arguments_(arguments) {}

  void start();
  void stop() { stopped_ = true; }
  bool idle() const { return running_ == 0; }

  void count(std::size_t connections) {
    wanted_ = connections;
    begun_ = ended_ = 0;
    by_server_.fill(0);
  }
  bool counted() const { return ended_ == wanted_; }

  std::size_t total() const { return total_; }
  std::size_t failures() const { return failures_; }
  // Those of them that a host without a server refused, or a server that was just ending.
  std::size_t refused() const { return refused_; }
  const std::string& first_failure() const { return first_failure_; }
  std::size_t of(std::size_t server) const { return by_server_.at(server); }
  std::size_t answered() const {
    return std::accumulate(by_server_.begin(), by_server_.end(), std::size_t{0});
  }
  // In percent of the counted connections so far.
  double share(std::size_t server) const {
    const auto all = answered();
    return all == 0 ? 0 : 100.0 * static_cast<double>(of(server)) / static_cast<double>(all);
  }

 private:
  boost::asio::awaitable<void> keep_connecting();
  void record(const Result<std::string>& answer, bool counts);
  void failed(std::string why);

  boost::asio::io_context& io_;
  const Arguments& arguments_;
  SteadyClock::time_point next_;
  bool stopped_ = false;
  int running_ = 0;
  std::size_t total_ = 0;
  std::size_t failures_ = 0;
  std::size_t refused_ = 0;
  std::string first_failure_;
  std::size_t wanted_ = 0;
  std::size_t begun_ = 0;
  std::size_t ended_ = 0;
  std::array<std::size_t, server_count> by_server_{};
};

}  // namespace saspd::show
