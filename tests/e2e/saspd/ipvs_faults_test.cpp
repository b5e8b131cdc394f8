// SPDX-License-Identifier: Apache-2.0
// Kills and failing system calls on real IPVS.

#include "tests/e2e/saspd/faults.hpp"
#include "tests/e2e/saspd/fixture.hpp"

namespace saspd::test {
namespace {

class OnIpvs : public SaspdOnIpvs {
 protected:
  static Endpoint vip() { return *Endpoint::parse("10.9.0.10:80"); }
  static const kernel::Host* client() { return nullptr; }
  void starts_with(const std::vector<std::string>& words) {
    servers_.emplace(
        std::vector<Endpoint>{*Endpoint::parse("10.9.1.1:80"), *Endpoint::parse("10.9.1.2:80"),
                              *Endpoint::parse("10.9.1.3:80"), *Endpoint::parse("10.9.1.4:80")});
    given_service();
    advise(words);
    drain(std::nullopt);
    start_gwm({"--drains", path("drains")});
    start_saspd();
    ASSERT_TRUE(comes_to(fmt::format("{}", fmt::join(words, " "))));
  }
  void drain(const std::optional<std::size_t>& server) {
    std::ofstream(path("drains.new")) << (server ? fmt::format("10.9.1.{}:80\n", *server + 1) : "");
    std::filesystem::rename(path("drains.new"), path("drains"));
  }
  void advise_at_once(const std::vector<std::string>& words) {
    advise(words);
    gwm_->send(SIGHUP);
  }
  static std::string described() { return Ipvsadm::saved(); }
  static bool leads_by(const std::vector<std::uint32_t>& weights) {
    return kernel_weights() == fmt::format("{}", fmt::join(weights, " "));
  }

  std::optional<kernel::Servers> servers_;
};

using FaultsOnIpvs = Faults<OnIpvs>;

TEST_F(FaultsOnIpvs, AreSurvivedInALoopOfKills) {
  is_killed_in_a_loop();
}

TEST_F(FaultsOnIpvs, AreSurvivedAtEachCallOfAStart) {
  sweep({.calls = "sendto,recvmsg,write,rename,fsync", .starts = true, .signal = 0});
}

TEST_F(FaultsOnIpvs, AreSurvivedAtEachCallOfAnUpdate) {
  sweep({.calls = "sendto,recvmsg,write,rename,fsync", .starts = false, .signal = 0});
}

TEST_F(FaultsOnIpvs, AreSurvivedAtEachCallOfAReload) {
  sweep({.calls = "sendto,recvmsg,write,rename,fsync", .starts = false, .signal = SIGHUP});
}

TEST_F(FaultsOnIpvs, AreSurvivedAtEachCallOfAStop) {
  sweep({.calls = "sendto,close,write,rename,fsync", .starts = false, .signal = SIGTERM});
}

}  // namespace
}  // namespace saspd::test
