// SPDX-License-Identifier: Apache-2.0
// A reload on XDP, under connections: a server and a service come, another one goes, and what is not
// different is neither written nor interrupted.
#include <atomic>

#include "tests/e2e/saspd/xdp_fixture.hpp"

namespace saspd::test {
namespace {

Endpoint vip_at(std::uint16_t port) {
  return {vip.address, port};
}

class Reload : public SaspdOnXdp {
 protected:
  void SetUp() override {
    SaspdOnXdp::SetUp();
    for (std::size_t i = 0; i < network_.servers.size(); ++i) {
      network_.servers[i]->run([&] {
        servers_.push_back(std::make_unique<kernel::Servers>(
            std::vector<Endpoint>{vip_at(81), vip_at(82), vip_at(83)}, i));
      });
    }
  }
  // Three services of which two stay as they are but for a member more, and one that is given.
  void configure(const std::string& more) const {
    std::ofstream(path("conf.new")) << fmt::format(
        "backend = xdp\npins = {}\ngwm = 127.0.0.1\nlb-uid = xdp\ncontrol = {}\nledger = {}\nhistory = none\noverrides = none\nretry-min = 1\n"
        "reconcile-interval = 1\nservice = web=tcp:192.0.2.10:80\nservice = same=tcp:192.0.2.10:83\n"
        "member = web=10.0.1.2:80\nmember = web=10.0.2.2:80\nmember = web=10.0.3.2:80\n"
        "member = same=10.0.1.2:83\nmember = same=10.0.2.2:83\n{}",
        pins(), path("control"), path("ledger"), more);
    std::filesystem::rename(path("conf.new"), path("conf"));
  }
  void start_configured() {
    attach();
    std::ofstream(path("weights"))
        << "web 10.0.1.2:80 40\nweb 10.0.2.2:80 30\nweb 10.0.3.2:80 20\nweb 10.0.4.2:80 10\n"
           "same 10.0.1.2:83 3\nsame 10.0.2.2:83 1\nold 10.0.3.2:81 1\nnew 10.0.4.2:82 7\n";
    start_gwm();
    network_.director.run([&] {
      saspd_.emplace(Arguments{programs + "/saspd", "--config", path("conf")}, path("saspd.log"));
    });
  }
  bool serves(std::uint16_t port) {
    bool opened = false;
    network_.client.run([&] { opened = kernel::Connection::open(vip_at(port)).has_value(); });
    return opened;
  }
  std::uint32_t table_of(std::uint16_t port) const {
    const kernel::RawMaps maps(pins());
    std::uint32_t in_use = 99;
    maps.find("tables_in_use", maps.tcp_number(port).value_or(0), in_use);
    return in_use;
  }
  std::size_t slots_of(std::uint16_t port, const std::string& server) const {
    const auto service = kernel::RawMaps(pins()).tcp(port);
    if (!service || !service->servers.contains(server)) return 0;
    return service->servers.at(server).slots;
  }
  int reload(std::string* said) {
    return ends_with({"saspctl", "--socket", path("control"), "reload"}, said);
  }
};

TEST_F(Reload, ChangesWhatIsDifferentAndNothingElse) {
  configure("service = old=tcp:192.0.2.10:81\nmember = old=10.0.3.2:81\n");
  start_configured();
  ASSERT_TRUE(eventually([&] { return leads_by({40, 30, 20}); })) << json::serialize(status());
  ASSERT_TRUE(eventually([&] { return serves(81) && slots_of(83, "1.2") > slots_of(83, "2.2"); }));
  const auto table = table_of(83);

  std::atomic<bool> goes_on{true};
  std::atomic<int> connections{0};
  std::atomic<int> failed{0};
  std::thread clients([&] {
    network_.client.run([&] {
      while (goes_on) {
        for (const std::uint16_t port : {std::uint16_t{80}, std::uint16_t{83}}) {
          ++connections;
          if (!kernel::Connection::open(vip_at(port))) ++failed;
        }
      }
    });
  });
  configure(
      "service = new=tcp:192.0.2.10:82\nmember = new=10.0.4.2:82\nmember = web=10.0.4.2:80\n");
  std::string said;
  EXPECT_EQ(reload(&said), 0);
  EXPECT_EQ(said,
            "- service = old=tcp:192.0.2.10:81\n+ service = new=tcp:192.0.2.10:82\n"
            "- member = old=10.0.3.2:81\n+ member = new=10.0.4.2:82\n+ member = web=10.0.4.2:80\n");
  EXPECT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}); })) << json::serialize(status());
  EXPECT_TRUE(eventually([&] { return slots_of(82, "4.2") == LB_SLOTS; }));
  const int until = connections + 200;
  EXPECT_TRUE(eventually([&] { return connections >= until; }));
  goes_on = false;
  clients.join();

  EXPECT_EQ(failed, 0) << "of " << connections;
  EXPECT_TRUE(serves(82));
  EXPECT_FALSE(kernel::RawMaps(pins()).tcp_number(81)) << "it is not served any more";
  EXPECT_EQ(table_of(83), table) << "a write would have gone to the other table";
  EXPECT_EQ(gwm_->times_logged("connected from"), 1U) << "the connection stayed";
  EXPECT_EQ(gwm_->times_logged("disconnected"), 0U);
}

TEST_F(Reload, OfABadFileLeavesTheKernelAsItIs) {
  configure("service = old=tcp:192.0.2.10:81\nmember = old=10.0.3.2:81\n");
  start_configured();
  ASSERT_TRUE(eventually([&] { return leads_by({40, 30, 20}) && serves(81); }));
  const auto tables = std::array{table_of(80), table_of(81), table_of(83)};
  configure("member = web=10.0.4.2:80\nmember = web=nowhere\nservice = new=tcp:192.0.2.10\n");
  std::string said;
  EXPECT_EQ(reload(&said), 78);
  EXPECT_NE(said.find(path("conf") + ":19: member: "), std::string::npos) << said;
  EXPECT_NE(said.find(path("conf") + ":20: service: "), std::string::npos) << said;
  std::this_thread::sleep_for(seconds{3});  // passes of --reconcile-interval 1
  EXPECT_EQ((std::array{table_of(80), table_of(81), table_of(83)}), tables);
  EXPECT_TRUE(leads_by({40, 30, 20}));
  EXPECT_TRUE(serves(81));
}

}  // namespace
}  // namespace saspd::test
