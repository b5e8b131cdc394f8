// SPDX-License-Identifier: Apache-2.0
// Six servers with their agents, sasp-gwm that probes them, saspd, and real IPVS: sasp-gwm is ended
// and started, and no weight in the kernel moves by that (faults-found 2.5 and 2.6).

#include <list>

#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/kernel_traffic.hpp"
#include "tests/support/kinds_of_end.hpp"

namespace saspd::test {
namespace {

constexpr int servers = 6;

class GwmRestart : public SaspdOnIpvs {
 protected:
  void TearDown() override {
    if (HasFailure()) show_logs({path("member1.log")});
    agents_.clear();
    SaspdOnIpvs::TearDown();
  }
  void start_gwm(const Arguments& more) {
    Arguments arguments{
        programs + "/sasp-gwm", "--control", path("gwm"), "--interval", "1", "--probe", "tcp",
        "--probe-interval",     "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    gwm_.emplace(arguments, path("gwm.log"));
  }
  static std::string name(int n) { return fmt::format("10.9.1.{}:80", n); }
  Arguments agent(const std::string& command, int n) const {
    return {programs + "/sasp-member",
            command,
            "--gwm",
            "127.0.0.1",
            "--retry-min",
            "1",
            "--lb-uid",
            "e2e",
            "--group",
            "web",
            "--member",
            name(n)};
  }

  void given_farm(const Arguments& more) {
    kernel::ip_batch("address add 10.9.1.5 dev lo\naddress add 10.9.1.6 dev lo\n");
    std::vector<Endpoint> endpoints;
    for (int n = 1; n <= servers; ++n)
      endpoints.push_back(*Endpoint::parse(name(n)));
    listeners_.emplace(endpoints);
    Arguments first = more;
    first.insert(first.end(), {"--start-grace", "0"});
    start_gwm(first);
    run_saspd({"--trust", "--mode", "push", "--service",
               "web=tcp:10.9.0.10:80,manage,scheduler=wrr,forward=masquerade,drain=0"});
    ASSERT_TRUE(gwm_becomes("established"));
    for (int n = 1; n <= servers; ++n)
      agents_.emplace_back(agent("run", n), path(fmt::format("member{}.log", n)));
    ASSERT_TRUE(comes_to("64 64 64 64 64 64"));
  }
  json::value ask(const json::object& request) const {
    const auto answer = net::control_request(path("gwm"), request, seconds{30});
    return answer ? json::value(*answer) : json::value(json::object{});
  }
  // Nothing that was last registered, quiesced or found is lost by a SIGKILL now.
  bool is_kept() const {
    std::ifstream file(path("state"));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (int n = 1; n <= servers; ++n) {
      if (text.find(fmt::format("\"endpoint\":\"{}\"", name(n))) == std::string::npos) return false;
    }
    return text.find("\"quiesced_by_member\":true") != std::string::npos;
  }

  std::optional<kernel::Servers> listeners_;
  std::list<Program> agents_;
};

TEST_F(GwmRestart, MovesNoWeightInTheKernel) {
  const Arguments state{"--state", path("state")};
  given_farm(state);
  const auto drained = ask({{"command", "drain"}, {"member", name(2)}});
  ASSERT_EQ(drained.at("kept"), true);
  std::string output;
  agents_.pop_back();  // killed: its server stays registered
  ASSERT_EQ(ends_with(agent("quiesce", 6), &output), 0) << output;
  const std::string weights = "64 0 64 64 64 0";
  ASSERT_TRUE(comes_to(weights));
  const auto zeros = saspd_->times_logged("-> 0");
  for (const int signal : kinds_of_end()) {
    ASSERT_TRUE(eventually([&] { return is_kept(); }, seconds{120}));
    gwm_->send(signal);
    ASSERT_TRUE(gwm_->wait(seconds{60}));
    start_gwm(state);
    // The sixth is not run by an agent any more, and cannot return.
    const auto five_are_back = [&] {
      EXPECT_EQ(kernel_weights(), weights) << signal;
      const auto status = ask({{"command", "status"}});
      const auto* restored = status.as_object().if_contains("restored");
      return HasFailure() ||
             (restored != nullptr && restored->at("lbs_unconfirmed").as_int64() == 0 &&
              restored->at("members_unconfirmed").as_int64() == 1);
    };
    ASSERT_TRUE(eventually(five_are_back, seconds{120})) << ask({{"command", "status"}});
    ASSERT_TRUE(stays(weights));
  }
  EXPECT_EQ(saspd_->times_logged("-> 0"), zeros) << "nor did it for a moment";
  ask({{"command", "undrain"}, {"member", name(2)}});
  ASSERT_EQ(ends_with(agent("resume", 6), &output), 0) << output;
  EXPECT_TRUE(comes_to("64 64 64 64 64 64"));
}

TEST_F(GwmRestart, WithoutAStateTakesNoServerAwayBeforeAllAreBack) {
  given_farm({"--state", "off"});
  gwm_->send(SIGKILL);
  ASSERT_TRUE(gwm_->wait(seconds{60}));
  start_gwm({"--state", "off", "--start-grace", "3600"});
  const auto all_registered = [&] {
    EXPECT_EQ(kernel_weights(), "64 64 64 64 64 64");
    const auto status = ask({{"command", "status"}});
    return HasFailure() || (status.as_object().contains("member_counts") &&
                            status.at_pointer("/member_counts/all").as_int64() == servers);
  };
  ASSERT_TRUE(eventually(all_registered, seconds{120}));
  EXPECT_TRUE(stays("64 64 64 64 64 64"));
  EXPECT_EQ(saspd_->times_logged("-> 0"), 0U);
}

}  // namespace
}  // namespace saspd::test
