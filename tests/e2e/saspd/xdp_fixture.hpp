// SPDX-License-Identifier: Apache-2.0
// The fixture of the end-to-end tests on XDP: saspd, sasp-gwm and saspctl as an operator runs them,
// with a client, a director and four servers, 10.0.1.2 to 10.0.4.2, in namespaces.
#pragma once

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "controller/net/control_client.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/kernel_traffic.hpp"
#include "tests/support/program.hpp"
#include "tests/support/raw_maps.hpp"

namespace saspd::test {

namespace json = boost::json;
using std::chrono::seconds;

inline const std::string programs = PROGRAMS;
inline const Endpoint vip = *Endpoint::parse("192.0.2.10:80");
inline const Endpoint vip6 = *Endpoint::parse("[2001:db8:f::10]:80");

class SaspdOnXdp : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/saspd-xdp-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    for (std::size_t i = 0; i < network_.servers.size(); ++i) {
      network_.servers[i]->run([&] {
        servers_.push_back(std::make_unique<kernel::Servers>(std::vector<Endpoint>{vip}, i));
      });
    }
  }
  void TearDown() override {
    if (HasFailure()) show_logs({path("saspd.log"), path("gwm.log"), path("ctl.log")});
    saspd_.reset();
    gwm_.reset();
    network_.director.run([this] {
      Program({programs + "/saspd", "--detach", "--force", "--pins", pins()}, path("ctl.log"))
          .wait(seconds{5});
    });
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string pins() const { return file_system_.path() + "/saspd"; }

  // Exit code of a program in the director that ends by itself.
  int ends_with(Arguments arguments, std::string* output = nullptr) {
    arguments[0] = programs + "/" + arguments[0];
    arguments.insert(arguments.begin(), machine_.begin(), machine_.end());
    std::filesystem::remove(path("ctl.log"));
    int code = -1;
    network_.director.run([&] {
      Program program(arguments, path("ctl.log"));
      code = program.wait(seconds{120}).value_or(-1);
      if (output != nullptr) *output = program.log();
    });
    return code;
  }
  void attach(const std::string& mode = "native", const Arguments& more = {}) {
    Arguments arguments{"saspd",      "--attach", "--interface", "c0",
                        "--xdp-mode", mode,       "--pins",      pins()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::string output;
    ASSERT_EQ(ends_with(arguments, &output), 0) << output;
    ASSERT_NE(output.find("c0: attached in " + mode + " mode"), std::string::npos) << output;
  }
  void advise(const std::vector<std::string>& words, const std::string& prefix = "") {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i)
      text += fmt::format("web {}10.0.{}.2:80 {}\n", prefix, i + 1, words[i]);
    std::ofstream(path("weights.new")) << text;
    std::filesystem::rename(path("weights.new"), path("weights"));
  }
  void start_gwm(const Arguments& more = {}) {
    Arguments arguments{programs + "/sasp-gwm", "--interval", "1",
                        "--start-grace",        "0",          "--weights",
                        path("weights")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    network_.director.run([&] { gwm_.emplace(arguments, path("gwm.log")); });
  }
  void start_saspd(const std::string& service = "web=tcp:192.0.2.10:80", int members = 4,
                   const Arguments& more = {}, const Arguments& in_front = {}) {
    Arguments arguments{programs + "/saspd",
                        "--backend",
                        "xdp",
                        "--pins",
                        pins(),
                        "--gwm",
                        "127.0.0.1",
                        "--lb-uid",
                        lb_uid_,
                        "--control",
                        path("control"),
                        "--ledger",
                        path("ledger"),
                        "--history",
                        path("history"),
                        "--overrides",
                        path("overrides"),
                        "--retry-min",
                        retry_min_,
                        "--reconcile-interval",
                        reconcile_interval_,
                        "--service",
                        service};
    for (int n = 1; n <= members; ++n) {
      arguments.emplace_back("--member");
      arguments.push_back(fmt::format("web=10.0.{}.2:80", n));
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.begin(), in_front.begin(), in_front.end());
    arguments.insert(arguments.begin(), as_user_.begin(), as_user_.end());
    arguments.insert(arguments.begin(), machine_.begin(), machine_.end());
    network_.director.run([&] { saspd_.emplace(arguments, path("saspd.log")); });
  }
  void start(const std::vector<std::string>& words, const std::string& mode = "native") {
    attach(mode);
    advise(words);
    start_gwm();
    start_saspd();
  }

  json::value status() const {
    const auto answer = net::control_request(path("control"), {{"command", "status"}}, seconds{5});
    return answer ? json::value(*answer) : json::value();
  }
  std::vector<std::int64_t> of_members(std::string_view key) const {
    std::vector<std::int64_t> values;
    const auto now = status();
    if (!now.is_object()) return values;
    for (const auto& member : now.at_pointer("/groups/0/members").as_array()) {
      const auto* value = member.as_object().if_contains(key);
      values.push_back(value != nullptr && value->is_int64() ? value->as_int64() : -1);
    }
    return values;
  }
  bool weights_become(const std::vector<std::int64_t>& weights) const {
    return eventually([&] { return of_members("kernel_weight") == weights; }) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  }
  bool all_have_slots(std::size_t count) const {
    return eventually([&] {
             const auto slots = of_members("slots");
             return slots.size() == count &&
                    std::all_of(slots.begin(), slots.end(), [](auto n) { return n > 0; });
           }) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  }

  // By its slots, to less than one: by which packets go.
  bool has_slots_by(const std::vector<std::uint32_t>& weights) const {
    const auto now = kernel::RawMaps(pins()).tcp(80);
    if (!now || !now->has_address || now->nobodys + now->strangers != 0) return false;
    if (now->servers.size() != weights.size()) return false;
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto slots = now->servers.at(fmt::format("{}.2", i + 1)).slots;
      if (std::abs(slots - weights[i] * LB_SLOTS / total) >= 1) return false;
    }
    return true;
  }
  // And the weights in the maps are these.
  bool leads_by(const std::vector<std::uint32_t>& weights) const {
    if (!has_slots_by(weights)) return false;
    const auto now = kernel::RawMaps(pins()).tcp(80);
    for (std::size_t i = 0; now && i < weights.size(); ++i) {
      const auto server = now->servers.find(fmt::format("{}.2", i + 1));
      if (server == now->servers.end() || server->second.weight != weights[i]) return false;
    }
    return now.has_value();
  }
  // Over three passes of --reconcile-interval 1.
  bool stays(const std::vector<std::uint32_t>& weights) const {
    for (int look = 0; look < 15; ++look) {
      if (!leads_by(weights)) return ADD_FAILURE() << json::serialize(status()), false;
      std::this_thread::sleep_for(std::chrono::milliseconds{200});
    }
    return true;
  }

  // How many of `connections` each server got.
  std::vector<double> connect(int connections, const Endpoint& to = vip) {
    std::vector<double> counts(servers_.size());
    network_.client.run([&] {
      for (int i = 0; i < connections; ++i) {
        const auto connection = kernel::Connection::open(to);
        if (!connection)
          ++failed_;
        else
          ++counts.at(connection->server());
      }
    });
    return counts;
  }
  // Within five standard deviations of a binomial.
  static void expect_shares(const std::vector<double>& counts, const std::vector<double>& weights) {
    const double n = std::accumulate(counts.begin(), counts.end(), 0.0);
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    ASSERT_GT(n, 0) << "no connection worked";
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double p = weights[i] / total;
      EXPECT_LE(std::abs(counts[i] - n * p), 5 * std::sqrt(n * p * (1 - p)))
          << "server " << i + 1 << ": " << counts[i] << " of " << n << ", " << 100 * p << " %";
    }
  }

  // A program that is attached anew has new pins.
  void expect_follows_a_replaced_program() {
    attach("native", {"--replace", "--force", "--max-backends", "16"});
    advise({"0", "0", "3", "1"});
    ASSERT_TRUE(weights_become({0, 0, 3, 1}));
    ASSERT_TRUE(eventually([&] { return of_members("slots").at(3) > 0; }));
    expect_shares(connect(400), {0, 0, 3, 1});
    EXPECT_EQ(failed_, 0);
  }

  kernel::DirectorNetwork network_{4};
  kernel::BpfFileSystem file_system_;
  std::string directory_;
  std::vector<std::unique_ptr<kernel::Servers>> servers_;
  std::optional<Program> gwm_;
  std::optional<Program> saspd_;
  std::string lb_uid_ = "xdp";
  std::string reconcile_interval_ = "1";
  std::string retry_min_ = "1";
  Arguments as_user_;  // in front of saspd: a command that gives rights up
  Arguments machine_;  // in front of saspd and what it is attached by: where_user()
  int failed_ = 0;
};

}  // namespace saspd::test
