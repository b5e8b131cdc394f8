// SPDX-License-Identifier: Apache-2.0
// The fixture of the end-to-end tests: saspd, sasp-gwm and saspctl as an operator runs them, in a
// namespace with a virtual server 10.9.0.10:80 and four real ones, 10.9.1.1 to 10.9.1.4.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <optional>
#include <regex>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "controller/net/control_client.hpp"
#include "tests/support/kernel_namespace.hpp"
#include "tests/support/program.hpp"

namespace saspd::test {

namespace json = boost::json;
using kernel::Ipvsadm;
using std::chrono::seconds;

inline const std::string programs = PROGRAMS;

class SaspdOnIpvs : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/saspd-e2e-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    kernel::ip_batch(
        "address add 10.9.0.10 dev lo\n"
        "address add 10.9.1.1 dev lo\naddress add 10.9.1.2 dev lo\n"
        "address add 10.9.1.3 dev lo\naddress add 10.9.1.4 dev lo\n");
  }
  void TearDown() override {
    if (HasFailure()) show_logs({path("saspd.log"), path("gwm.log"), path("ctl.log")});
    saspd_.reset();
    gwm_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  void given_service(std::string_view scheduler = "wrr", int weight = 10) {
    std::string lines = fmt::format("-A -t 10.9.0.10:80 -s {}\n", scheduler);
    for (int i = 1; i <= 4; ++i)
      lines +=
          fmt::format("-a -t 10.9.0.10:80 -r 10.9.1.{}:80 -m -w {} -x 5000 -y 4000\n", i, weight);
    Ipvsadm::run(lines);
  }

  // One line of the weights file per server: "40", "quiesce", "down", "unknown".
  void advise(const std::vector<std::string>& words) {
    std::string text = "# written by a test\n";
    for (std::size_t i = 0; i < words.size(); ++i)
      text += fmt::format("web 10.9.1.{}:80 {}\n", i + 1, words[i]);
    write_weights(text);
  }
  void write_weights(const std::string& text) {
    std::ofstream(path("weights.new")) << text;
    std::filesystem::rename(path("weights.new"), path("weights"));
  }

  void start_gwm(const Arguments& more = {}) {
    Arguments arguments{programs + "/sasp-gwm", "--interval", "1",
                        "--start-grace",        "0",          "--weights",
                        path("weights")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    gwm_.emplace(arguments, path("gwm.log"));
  }
  // With these flags and no service but those in them.
  Arguments saspd_with(const Arguments& more) const {
    Arguments arguments{programs + "/saspd",
                        "--gwm",
                        "127.0.0.1",
                        "--lb-uid",
                        "e2e",
                        "--control",
                        path("control"),
                        "--ledger",
                        ledger_.empty() ? path("ledger") : ledger_,
                        "--history",
                        path("history"),
                        "--overrides",
                        path("overrides"),
                        "--retry-min",
                        "1",
                        "--reconcile-interval",
                        "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Arguments saspd_arguments(const Arguments& more = {}) const {
    Arguments arguments = saspd_with(more);
    arguments.insert(arguments.begin() + 1, {"--service", "web=tcp:10.9.0.10:80"});
    return arguments;
  }
  void run_saspd(const Arguments& more) { saspd_.emplace(saspd_with(more), path("saspd.log")); }
  // `in_front`: a command that runs it.
  void start_saspd(const Arguments& more = {}, const Arguments& in_front = {}) {
    Arguments arguments = saspd_arguments(more);
    arguments.insert(arguments.begin(), in_front.begin(), in_front.end());
    saspd_.emplace(arguments, path("saspd.log"));
  }
  void start(const std::vector<std::string>& advice) {
    given_service();
    advise(advice);
    start_gwm();
    start_saspd();
  }

  // Of this service: by itself saspd does not look again at what others make of it.
  void start_listing_once(std::string_view rules) {
    Ipvsadm::run(rules);
    advise({"40", "30", "20", "10"});
    start_gwm();
    Arguments arguments = saspd_arguments();
    *std::next(std::find(arguments.begin(), arguments.end(), "--reconcile-interval")) = "3600";
    saspd_.emplace(arguments, path("saspd.log"));
    ASSERT_TRUE(comes_to("40 30 20 10"));
  }

  // Exit code of a program that is expected to end by itself.
  int ends_with(const Arguments& arguments, std::string* output = nullptr) {
    std::filesystem::remove(path("ctl.log"));
    Program program(arguments, path("ctl.log"));
    const auto code = program.wait(seconds{10});
    if (output != nullptr) *output = program.log();
    return code.value_or(-1);
  }

  // "40 30 20 10": the weights in the kernel, as ipvsadm reads them.
  static std::string kernel_weights() {
    std::istringstream words(Ipvsadm::saved());
    std::string weights;
    std::string word;
    while (words >> word) {
      if (word != "-w") continue;
      words >> word;
      weights += (weights.empty() ? "" : " ") + word;
    }
    return weights;
  }
  static bool comes_to(const std::string& weights) {
    return eventually([&] { return kernel_weights() == weights; }, seconds{120}) ||
           (ADD_FAILURE() << "the kernel has " << kernel_weights() << ", not " << weights, false);
  }

  // Over three passes of --reconcile-interval 1.
  static bool stays(const std::string& weights) {
    for (int look = 0; look < 15; ++look) {
      if (kernel_weights() != weights) {
        ADD_FAILURE() << "the kernel has " << kernel_weights() << ", no longer " << weights;
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{200});
    }
    return true;
  }
  // Of all services and destinations, as ipvsadm shows them.
  static std::string everything_but_weights() {
    static const std::regex weight("-w [0-9]+");
    static const std::regex column("Conns.*|[0-9]+ +[0-9]+ *\n");
    return std::regex_replace(Ipvsadm::saved(), weight, "-w _") + Ipvsadm::thresholds();
  }

  json::value status() const {
    const auto answer = net::control_request(path("control"), {{"command", "status"}}, seconds{5});
    return answer ? json::value(*answer) : json::value();
  }
  json::value member(int n) const {
    return status().at_pointer(fmt::format("/groups/0/members/{}", n - 1));
  }
  bool gwm_becomes(std::string_view state, seconds patience = seconds{60}) const {
    return eventually(
        [&] {
          const auto now = status();
          return now.is_object() && now.at_pointer("/gwm/0/state").as_string() == state;
        },
        patience);
  }

  kernel::NetNamespace namespace_;
  std::string directory_;
  std::string ledger_;  // empty: "ledger" in the directory
  std::optional<Program> gwm_;
  std::optional<Program> saspd_;
};

}  // namespace saspd::test
