// saspd --backend xdp as an operator runs it: client, director and servers in namespaces, real
// connections, on this machine's own kernel.

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <numeric>

#include <boost/json.hpp>

#include "controller/base/clock.hpp"
#include "controller/net/control_client.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/kernel_datagrams.hpp"
#include "tests/support/kernel_traffic.hpp"
#include "tests/support/program.hpp"

namespace saspd::test {
namespace {

namespace json = boost::json;
using kernel::Connection;
using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string programs = PROGRAMS;
const Endpoint vip = *Endpoint::parse("192.0.2.10:80");
const Endpoint vip6 = *Endpoint::parse("[2001:db8:f::10]:80");

class SaspdOnXdp : public testing::TestWithParam<const char*> {
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
    if (HasFailure()) {
      for (const char* log : {"saspd.log", "gwm.log", "ctl.log"}) {
        std::ifstream file(path(log));
        std::cerr << "--- " << log << "\n" << file.rdbuf() << "\n";
      }
    }
    saspd_.reset();
    gwm_.reset();
    network_.director.run([this] {
      Program({programs + "/saspd", "--detach", "--pins", pins()}, path("ctl.log"))
          .wait(seconds{5});
    });
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string pins() const { return file_system_.path() + "/saspd"; }

  // Exit code of a program in the director that ends by itself.
  int ends_with(Arguments arguments, std::string* output = nullptr) {
    arguments[0] = programs + "/" + arguments[0];
    std::filesystem::remove(path("ctl.log"));
    int code = -1;
    network_.director.run([&] {
      Program program(arguments, path("ctl.log"));
      code = program.wait(seconds{20}).value_or(-1);
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
  void start_gwm() {
    network_.director.run([this] {
      gwm_.emplace(
          Arguments{programs + "/sasp-gwm", "--interval", "1", "--weights", path("weights")},
          path("gwm.log"));
    });
  }
  void start_saspd(const std::string& service = "web=tcp:192.0.2.10:80", int members = 4,
                   const Arguments& more = {}) {
    Arguments arguments{programs + "/saspd",
                        "--backend",
                        "xdp",
                        "--pins",
                        pins(),
                        "--gwm",
                        "127.0.0.1",
                        "--lb-uid",
                        "xdp",
                        "--control",
                        path("control"),
                        "--retry-min",
                        "1",
                        "--reconcile-interval",
                        "1",
                        "--service",
                        service};
    for (int n = 1; n <= members; ++n) {
      arguments.emplace_back("--member");
      arguments.push_back(fmt::format("web=10.0.{}.2:80", n));
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
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

  // How many of `connections` each server got.
  std::vector<double> connect(int connections, const Endpoint& to = vip) {
    std::vector<double> counts(servers_.size());
    network_.client.run([&] {
      for (int i = 0; i < connections; ++i) {
        const auto connection = Connection::open(to);
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
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double p = weights[i] / total;
      EXPECT_LE(std::abs(counts[i] - n * p), 5 * std::sqrt(n * p * (1 - p)))
          << "server " << i + 1 << ": " << counts[i] << " of " << n << ", " << 100 * p << " %";
    }
  }

  kernel::DirectorNetwork network_{4};
  kernel::BpfFileSystem file_system_;
  std::string directory_;
  std::vector<std::unique_ptr<kernel::Servers>> servers_;
  std::optional<Program> gwm_;
  std::optional<Program> saspd_;
  int failed_ = 0;
};

class InMode : public SaspdOnXdp {};

TEST_P(InMode, SharesConnectionsByTheAdvice) {
  start({"40", "30", "20", "10"}, GetParam());
  ASSERT_TRUE(weights_become({40, 30, 20, 10}));
  ASSERT_TRUE(all_have_slots(4));
  const auto before = connect(2000);
  EXPECT_EQ(failed_, 0);
  expect_shares(before, {40, 30, 20, 10});
  advise({"1", "quiesce", "1", "1"});
  ASSERT_TRUE(weights_become({1, 0, 1, 1}));
  expect_shares(connect(500), {1, 0, 1, 1});
  EXPECT_EQ(failed_, 0);
}

INSTANTIATE_TEST_SUITE_P(Xdp, InMode, testing::Values("native", "generic"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace saspd::test
