// SPDX-License-Identifier: Apache-2.0
// Weights that ipvsadm writes beside saspd, on real IPVS: what is said of them, and what --drift makes
// of them.

#include "tests/e2e/saspd/fixture.hpp"

namespace saspd::test {
namespace {

class DriftOnIpvs : public SaspdOnIpvs {
 protected:
  void starts_with(std::string_view drift) {
    given_service();
    advise({"40", "30", "20", "10"});
    start_gwm();
    Arguments arguments{"--drift"};
    arguments.emplace_back(drift);
    start_saspd(arguments);
    ASSERT_TRUE(comes_to("40 30 20 10"));
  }
  static void writes(int server, int weight) {
    Ipvsadm::run(fmt::format("-e -t 10.9.0.10:80 -r 10.9.1.{}:80 -m -w {} -x 5000 -y 4000\n",
                             server, weight));
  }
  bool logged(std::string_view line) const {
    return eventually([&] { return saspd_->log().find(line) != std::string::npos; });
  }
  json::value group() const {
    const auto now = status();
    return now.is_object() ? now.at_pointer("/groups/0") : json::value();
  }
};

TEST_F(DriftOnIpvs, IsOverwrittenSaidAndCounted) {
  starts_with("overwrite");
  writes(1, 7);
  EXPECT_TRUE(
      logged("warning: tcp:10.9.0.10:80 10.9.1.1:80: another program has changed weight 40 -> 7: "
             "weight 40 is written (advice)"))
      << saspd_->log();
  EXPECT_TRUE(comes_to("40 30 20 10"));
  const auto now = group();
  EXPECT_EQ(now.at("drift_total").as_int64(), 1);
  EXPECT_EQ(now.at_pointer("/last_drift/old_weight").as_int64(), 40);
  EXPECT_EQ(now.at_pointer("/last_drift/weight").as_int64(), 7);
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 30 -x 77 -y 7\n");
  EXPECT_TRUE(
      logged("10.9.1.2:80: another program has changed thresholds 5000/4000 -> 77/7: it "
             "stays"))
      << saspd_->log();
}

TEST_F(DriftOnIpvs, StandsUntilTheAdviceChanges) {
  starts_with("report");
  writes(1, 7);
  EXPECT_TRUE(logged("weight 40 -> 7: it stays until other advice comes (--drift report)"))
      << saspd_->log();
  EXPECT_TRUE(stays("7 30 20 10"));
  EXPECT_EQ(member(1).at("reason").as_string(), "foreign_weight");
  advise({"41", "30", "20", "10"});
  EXPECT_TRUE(comes_to("41 30 20 10"));
}

TEST_F(DriftOnIpvs, StandsOverAKillOfSaspd) {
  starts_with("report");
  writes(1, 7);
  ASSERT_TRUE(logged("weight 40 -> 7: it stays until other advice comes (--drift report)"))
      << saspd_->log();
  ASSERT_TRUE(stays("7 30 20 10"));
  for (const auto* second : {"31", "32"}) {
    saspd_->send(SIGKILL);
    saspd_->wait(seconds{60});
    start_saspd({"--drift", "report"});
    ASSERT_TRUE(gwm_becomes("established"));
    advise({"40", second, "20", "10"});
    EXPECT_TRUE(comes_to(fmt::format("7 {} 20 10", second)));
    EXPECT_TRUE(stays(fmt::format("7 {} 20 10", second)));
  }
  advise({"41", "32", "20", "10"});
  EXPECT_TRUE(comes_to("41 32 20 10"));
}

}  // namespace
}  // namespace saspd::test
