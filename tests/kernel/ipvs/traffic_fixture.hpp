// SPDX-License-Identifier: Apache-2.0
// What weights do to real connections and datagrams. Clients, director and servers share a
// namespace: virtual and real addresses stand on lo, IPVS schedules what its own host sends, and
// masquerades.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <functional>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "controller/saspd/scaling.hpp"
#include "tests/kernel/ipvs/table_fixture.hpp"
#include "tests/support/kernel_datagrams.hpp"
#include "tests/support/kernel_traffic.hpp"

namespace saspd::netlink {

using Weights = std::vector<std::uint32_t>;
using Counts = std::vector<int>;

struct Advice {
  const char* name;
  Weights weights;
};
inline const Advice lba{"Lba", {64, 47, 0, 23, 5}};  // the z/OS Load Balancing Advisor gives 0..64
inline const Advice raw{"Raw", {60001, 40003, 0, 20011, 10007}};  // SASP allows 16 bits

class Traffic : public IpvsTable {
 protected:
  // A service with servers of weight 1 behind it. More options of ipvsadm may follow the
  // scheduler's name: "mh -b mh-fallback".
  void start(std::string_view scheduler, Family family = Family::v4, std::size_t servers = 4) {
    create("tcp", scheduler, family, servers);
    servers_.emplace(servers_at_);
  }
  // The same for datagrams, each of which is scheduled on its own.
  void start_datagrams(std::string_view scheduler, std::size_t servers) {
    create("udp", fmt::format("{} -o", scheduler), Family::v4, servers);
    receivers_.emplace(servers_at_);
  }

  void set_weights(const Weights& weights) {
    const lb::Table actual = list({spec_});
    lb::Table desired = actual;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      desired.at(service(spec_)).destinations.at(servers_at_[i]).weight = weights[i];
    }
    expect_applied(diff(actual, desired));
  }
  // As saspd would write them; returns what was written.
  Weights advise(const Weights& advised, std::optional<std::uint32_t> max = {}) {
    const std::string scheduler = list({spec_}).at(service(spec_)).scheduler;
    Weights scaled = director::Scale().scale(advised, director::limits_of(scheduler, max));
    set_weights(scaled);
    return scaled;
  }

  // The servers that `times` connections reached. Each ends at once,
  Counts connect(int times) { return connect(times, nullptr); }
  // or lasts as long as the test: at most 500 in all, because of the limit of open files.
  Counts hold(int times) { return connect(times, &held_); }

  // The servers that `times` datagrams reached, each from where `next_client` says.
  Counts send(int times, const std::function<Endpoint()>& next_client) {
    Counts counts(servers_at_.size());
    for (int i = 0; i < times; ++i) {
      const Endpoint from = next_client();
      const auto server = receivers_->reached(from, vip_);
      if (!server) {
        ADD_FAILURE() << "nobody got the datagram of " << from.text();
        break;
      }
      ++counts[*server];
    }
    return counts;
  }
  // Clients far from each other, the same ones in each test.
  Endpoint client() {
    constexpr std::uint32_t network = 10U << 24 | 64U << 16;  // 10.64.0.0/10
    const std::uint32_t at = network | static_cast<std::uint32_t>(random_() >> 10);
    const auto byte = [at](int shift) { return static_cast<std::uint8_t>(at >> shift); };
    return {IpAddress::v4(std::array{byte(24), byte(16), byte(8), byte(0)}), 0};
  }

  static void expect_shares(const Counts& counts, const Weights& weights, double tolerance = 3.0) {
    const double connections = std::accumulate(counts.begin(), counts.end(), 0.0);
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double share = 100 * counts[i] / connections;
      const double expected = 100 * weights[i] / total;
      std::printf("server %zu: %d connections, %.1f %%, expected %.1f %%\n", i, counts[i], share,
                  expected);
      EXPECT_NEAR(share, expected, weights[i] == 0 ? 0.0 : tolerance) << "server " << i;
    }
  }

  Endpoint vip_;
  std::string spec_;
  std::vector<Endpoint> servers_at_;
  std::optional<kernel::Servers> servers_;
  std::optional<kernel::Receivers> receivers_;

 private:
  void create(std::string_view protocol, std::string_view scheduler, Family family,
              std::size_t servers) {
    const bool v4 = family == Family::v4;
    vip_ = endpoint(v4 ? "10.0.0.1:80" : "[2001:db8::1]:80");
    spec_ = fmt::format("{}:{}", protocol, vip_.text());
    const std::string key = fmt::format("-{} {}", protocol.front(), vip_.text());
    std::string lines = fmt::format("-A {} -s {}\n", key, scheduler);
    std::string addresses = fmt::format(
        "address add {} dev lo\nroute add local 10.64.0.0/10 dev lo\n", vip_.address.text());
    for (std::size_t i = 1; i <= servers; ++i) {
      servers_at_.push_back(
          endpoint(fmt::format(fmt::runtime(v4 ? "10.0.1.{}:8080" : "[2001:db8:1::{}]:8080"), i)));
      const Endpoint& at = servers_at_.back();
      addresses += fmt::format("address add {} dev lo\n", at.address.text());
      lines += fmt::format("-a {} -r {} -m -w 1\n", key, at.text());
    }
    kernel::ip_batch(addresses);
    ipvsadm(lines);
  }

  Counts connect(int times, std::vector<kernel::Connection>* held) {
    Counts counts(servers_at_.size());
    for (int i = 0; i < times; ++i) {
      auto connection = kernel::Connection::open(vip_);
      if (!connection) {
        ADD_FAILURE() << "connection " << i << " failed";
        break;
      }
      ++counts[connection->server()];
      if (held != nullptr) held->push_back(std::move(*connection));
    }
    return counts;
  }

  std::vector<kernel::Connection> held_;
  std::mt19937 random_{1};
};

}  // namespace saspd::netlink
