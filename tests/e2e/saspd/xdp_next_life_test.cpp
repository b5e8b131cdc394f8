// SPDX-License-Identifier: Apache-2.0
// What saspd on XDP knew is known after a kill: the maps lead where they would have led.

#include "tests/e2e/saspd/xdp_fixture.hpp"

namespace saspd::test {
namespace {

class KilledOnXdp : public SaspdOnXdp {
 protected:
  bool come_to_lead_by(const std::vector<std::uint32_t>& weights) const {
    return eventually([&] { return leads_by(weights); }, seconds{120}) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  }
  void kill_and_start(const Arguments& more = {}) {
    saspd_->send(SIGKILL);
    saspd_->wait(seconds{60});
    std::filesystem::remove(path("saspd.log"));
    start_saspd("web=tcp:192.0.2.10:80", 4, more);
    ASSERT_TRUE(eventually([&] { return saspd_->times_logged("established") > 0; }, seconds{60}))
        << saspd_->log();
  }
};

// Advice that would leave nobody gives everybody who was lost lately the last weight, also what was
// lost in an earlier life.
TEST_F(KilledOnXdp, KnowsTheLastWeightOfALostServer) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(come_to_lead_by({40, 30, 20, 10}));
  advise({"40", "30", "20", "down"});
  ASSERT_TRUE(come_to_lead_by({40, 30, 20, 0}));
  for (int lives = 0; lives < 2; ++lives) {
    kill_and_start();
    EXPECT_TRUE(stays({40, 30, 20, 0}));
  }
  advise({"down", "down", "down", "down"});
  EXPECT_TRUE(come_to_lead_by({40, 30, 20, 10}));
  connect(100);
  EXPECT_EQ(failed_, 0);
}

// A ledger that is damaged is said to be so, and takes no weight with it.
TEST_F(KilledOnXdp, SaysThatItsLedgerIsDamaged) {
  start({"40", "quiesce", "20", "10"});
  ASSERT_TRUE(come_to_lead_by({40, 0, 20, 10}));
  const auto size = std::filesystem::file_size(path("ledger"));
  std::filesystem::resize_file(path("ledger"), size / 2);
  kill_and_start();
  EXPECT_NE(saspd_->log().find("what it knew of servers and quiesces is lost"), std::string::npos)
      << saspd_->log();
  EXPECT_TRUE(std::filesystem::exists(path("ledger.bad")));
  EXPECT_TRUE(stays({40, 0, 20, 10}));
}

// A GWM that has forgotten most servers does not leave the load of all to the few that it knows.
TEST_F(KilledOnXdp, IsNotTakenDownByAGwmThatDoesNotKnowMostServers) {
  start({"4", "4", "4", "4"});
  ASSERT_TRUE(come_to_lead_by({4, 4, 4, 4}));
  const auto partly_known = [this] {
    std::string text;
    ends_with({"saspctl", "--socket", path("control"), "status", "--check"}, &text);
    return text.find("partly_known") != std::string::npos;
  };
  EXPECT_FALSE(partly_known());
  advise({"4", "unknown", "5", "unknown"});
  ASSERT_TRUE(come_to_lead_by({4, 4, 5, 4})) << "the third is of the new advice";
  EXPECT_TRUE(stays({4, 4, 5, 4}));
  EXPECT_TRUE(eventually(partly_known, seconds{60}));
  const auto counts = connect(200);
  EXPECT_GT(counts.at(1), 0);
  EXPECT_GT(counts.at(3), 0);
  std::string why;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "why", "10.0.2.2:80"}, &why), 0);
  EXPECT_NE(why.find("nor that of more than a third of the servers"), std::string::npos) << why;
  advise({"4", "4", "5", "unknown"});
  EXPECT_TRUE(come_to_lead_by({4, 4, 5, 0})) << "one of four is avoided (RFC 4678 5.3)";
  EXPECT_EQ(failed_, 0);
}

}  // namespace
}  // namespace saspd::test
