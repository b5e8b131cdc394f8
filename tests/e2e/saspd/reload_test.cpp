// SPDX-License-Identifier: Apache-2.0
// A reload on IPVS, under connections: a server and services come and go, and what is not different
// is neither written nor interrupted.
#include <atomic>

#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/kernel_traffic.hpp"

namespace saspd::test {
namespace {

using kernel::Connection;

class ReloadOnIpvs : public SaspdOnIpvs {
 protected:
  void SetUp() override {
    SaspdOnIpvs::SetUp();
    std::vector<Endpoint> all;
    for (const char* at : {"10.9.1.1:80", "10.9.1.2:80", "10.9.1.3:81", "10.9.1.4:82"})
      all.push_back(*Endpoint::parse(at));
    servers_.emplace(all);
    Ipvsadm::run(
        "-A -t 10.9.0.10:80 -s wrr\n"
        "-a -t 10.9.0.10:80 -r 10.9.1.1:80 -m -w 10\n-a -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 10\n"
        "-A -t 10.9.0.10:81 -s wrr\n-a -t 10.9.0.10:81 -r 10.9.1.3:81 -m -w 10\n"
        "-A -t 10.9.0.10:82 -s wrr\n-a -t 10.9.0.10:82 -r 10.9.1.4:82 -m -w 10\n");
    write_weights(
        "web 10.9.1.1:80 40\nweb 10.9.1.2:80 30\nold 10.9.1.3:81 7\nnew 10.9.1.4:82 8\n"
        "owned 10.9.1.4:82 5\n");
    start_gwm();
  }
  void configure(const std::string& more) const {
    std::ofstream(path("conf.new")) << fmt::format(
        "gwm = 127.0.0.1\nlb-uid = e2e\ncontrol = {}\nledger = {}\nhistory = none\noverrides = none\nretry-min = 1\n"
        "reconcile-interval = 1\nservice = web=tcp:10.9.0.10:80\n{}",
        path("control"), path("ledger"), more);
    std::filesystem::rename(path("conf.new"), path("conf"));
  }
  int reload(std::string* said) {
    return ends_with({programs + "/saspctl", "--socket", path("control"), "reload"}, said);
  }
  static std::string writes_to_web() {
    const auto text = http_get(*Endpoint::parse("127.0.0.1:9860"), "/metrics");
    std::istringstream lines(text);
    std::string found;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("saspd_weight_changes_total{group=\"web\"")) found += line + "\n";
    }
    return found;
  }

  std::optional<kernel::Servers> servers_;
};

TEST_F(ReloadOnIpvs, ChangesWhatIsDifferentAndNothingElse) {
  configure("service = old=tcp:10.9.0.10:81\n");
  saspd_.emplace(Arguments{programs + "/saspd", "--config", path("conf")}, path("saspd.log"));
  ASSERT_TRUE(comes_to("40 30 7 10"));
  const auto writes = writes_to_web();
  EXPECT_NE(writes, "");

  std::atomic<bool> goes_on{true};
  std::atomic<int> connections{0};
  std::atomic<int> failed{0};
  std::thread client([&] {
    while (goes_on) {
      ++connections;
      if (!Connection::open(*Endpoint::parse("10.9.0.10:80"))) ++failed;
    }
  });
  configure(
      "service = new=tcp:10.9.0.10:82\n"
      "service = owned=tcp:10.9.0.10:90,manage,scheduler=wrr,forward=masquerade\n"
      "member = owned=10.9.1.4:82\npanic = 20\n");
  std::string said;
  EXPECT_EQ(reload(&said), 0) << said;
  EXPECT_NE(said.find("panic: 0 -> 20\n"), std::string::npos) << said;
  EXPECT_TRUE(comes_to("40 30 7 8 5")) << "what was taken out stays as it is";
  const int until = connections + 100;
  EXPECT_TRUE(eventually([&] { return connections >= until; }));
  goes_on = false;
  client.join();
  EXPECT_EQ(failed, 0) << "of " << connections;
  EXPECT_EQ(writes_to_web(), writes);
  EXPECT_EQ(gwm_->times_logged("connected from"), 1U) << "the connection stayed";
  EXPECT_EQ(gwm_->times_logged("disconnected"), 0U);
  EXPECT_TRUE(Connection::open(*Endpoint::parse("10.9.0.10:90"))) << "the service that we made";
}

TEST_F(ReloadOnIpvs, OfABadFileChangesNothing) {
  configure("service = old=tcp:10.9.0.10:81\n");
  saspd_.emplace(Arguments{programs + "/saspd", "--config", path("conf")}, path("saspd.log"));
  ASSERT_TRUE(comes_to("40 30 7 10"));
  configure("service = new=tcp:10.9.0.10:82\nservice = new=tcp:10.9.0.10\npanic = 200\n");
  std::string said;
  EXPECT_EQ(reload(&said), 78);
  EXPECT_NE(said.find(path("conf") + ":11: service: "), std::string::npos) << said;
  EXPECT_NE(said.find(path("conf") + ":12: panic: "), std::string::npos) << said;
  EXPECT_TRUE(stays("40 30 7 10"));
}

}  // namespace
}  // namespace saspd::test
