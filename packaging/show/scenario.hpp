// SPDX-License-Identifier: Apache-2.0
// What the demo shows: the phases of the GWM's advice, and what is expected of each.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "controller/base/address.hpp"

namespace saspd::show {

using namespace std::chrono_literals;

struct Advised {
  enum class Kind { weight, quiesce, down, stopped };
  Kind kind = Kind::weight;
  std::uint16_t weight = 0;
};

constexpr Advised weight(std::uint16_t value) {
  return {Advised::Kind::weight, value};
}
inline constexpr Advised quiesce{Advised::Kind::quiesce, 0};
inline constexpr Advised down{Advised::Kind::down, 0};
// Its weight stays in the file; it is the server itself that is gone, and nobody says so.
inline constexpr Advised stopped{Advised::Kind::stopped, 0};
inline constexpr std::uint16_t weight_of_stopped = 20;

inline constexpr std::size_t server_count = 4;

struct Phase {
  std::string_view title;
  std::array<Advised, server_count> advice;
};

inline constexpr std::array phases = {
    Phase{"all equal", {weight(10), weight(10), weight(10), weight(10)}},
    Phase{"graded", {weight(40), weight(30), weight(20), weight(10)}},
    Phase{"s2 quiesced", {weight(40), quiesce, weight(20), weight(10)}},
    Phase{"s2 back", {weight(40), weight(30), weight(20), weight(10)}},
    Phase{"s3 down", {weight(40), weight(30), down, weight(10)}},
    Phase{"s3 back", {weight(10), weight(20), weight(30), weight(40)}},
    // Unscaled these would send nearly everything to s1: see "wrr" in the kernel.
    // nginx is stopped and started; only sasp-gwm's probe can tell.
    Phase{"s3 stopped", {weight(40), weight(30), stopped, weight(10)}},
    Phase{"s3 started", {weight(40), weight(30), weight(weight_of_stopped), weight(10)}},
    Phase{"16-bit weights", {weight(60001), weight(40003), weight(20011), weight(10007)}},
};

// What is expected of the connections counted in a phase: wrr of IPVS deals them in rounds, so
// shares are exact but for what is under way; XDP draws a server for each, so their numbers are
// binomial.
enum class Backend { ipvs, xdp };

struct Rule {
  std::size_t min_connections;
  double max_deviation;
  std::string_view unit;        // of the deviation
  std::string_view short_unit;  // in the table
};

constexpr Rule rule_of(Backend backend) {
  if (backend == Backend::ipvs) return {500, 3, "points", "points"};
  return {1000, 5, "standard deviations", "sd"};
}

inline constexpr auto follow_limit = 10s;  // from new advice to the kernel
// From the end of a server to the kernel: what packaging/demo-run lets sasp-gwm take to notice it
// (two probes a second apart at most, of a second each) and a second for the push and the write.
inline constexpr auto detection_limit = 4s;
inline constexpr auto count_limit = 30s;
inline constexpr auto connection_limit = 5s;
inline constexpr auto show_limit =
    95s;                           // with setting up and clearing away it ends within two minutes
inline constexpr auto pace = 4ms;  // between two connections: many, but slow enough to watch
inline constexpr int parallel = 4;
inline constexpr auto redraw_every = 200ms;

std::string text(const Advised& advised);
std::string text(const std::array<Advised, server_count>& advice);

// In percent; quiesced and down count as weight 0.
std::array<double, server_count> expected_shares(const Phase& phase);

struct Server {
  std::string name;
  Endpoint endpoint;
};

struct Arguments {
  Backend backend = Backend::ipvs;
  boost::asio::ip::tcp::endpoint vip;
  std::string control;  // control socket of saspd
  std::string weights;  // weights file of sasp-gwm
  std::string group;
  std::string farm;  // tests/support/farm, which stops and starts servers
  std::string farm_name;
  std::vector<Server> servers;
};

}  // namespace saspd::show
