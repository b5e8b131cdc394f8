// SPDX-License-Identifier: Apache-2.0
// Clients that connect without end, beside what a test does.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/director_network.hpp"
#include "tests/support/kernel_traffic.hpp"

namespace saspd::kernel {

// One request after another until it goes home; and how many failed.
class Crowd {
 public:
  // From that host, or from where the test is.
  explicit Crowd(const Endpoint& to, const Host* from = nullptr) {
    thread_ = std::thread([this, to, from] {
      const auto ask = [&] { keep_asking(to); };
      from != nullptr ? from->run(ask) : ask();
    });
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() { go_home(); }
  void go_home() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  std::atomic<int> worked = 0;
  std::atomic<int> failed = 0;

 private:
  // Of its 28 232 ports each is free again a minute after its connection.
  static constexpr std::chrono::milliseconds pause{5};

  void keep_asking(const Endpoint& to) {
    while (!stop_) {
      const auto connection = Connection::open(to);
      ++(connection && connection->works() ? worked : failed);
      std::this_thread::sleep_for(pause);
    }
  }

  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace saspd::kernel
