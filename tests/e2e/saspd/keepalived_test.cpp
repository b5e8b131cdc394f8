// SPDX-License-Identifier: Apache-2.0
// Beside the real keepalived with inhibit_on_failure: whatever the order of a quiesce by the GWM
// and a failed check of keepalived, a server that either holds at 0 stays there, and comes back
// when both have ended.

#include <algorithm>

#include "tests/e2e/saspd/fixture.hpp"
#include "tests/support/kernel_traffic.hpp"

namespace saspd::test {
namespace {

class BesideKeepalived : public SaspdOnIpvs {
 protected:
  static Endpoint server(int n) { return *Endpoint::parse(fmt::format("10.9.1.{}:80", n)); }

  void write_keepalived_conf(int weight = 10) const {
    std::ofstream conf(path("keepalived.conf"));
    conf << "global_defs {\n  lvs_notify_fifo " << path("fifo") << "\n}\n"
         << "virtual_server 10.9.0.10 80 {\n  delay_loop 1\n  lb_algo wrr\n  lb_kind NAT\n"
         << "  protocol TCP\n";
    for (int n = 1; n <= 4; ++n) {
      conf << fmt::format(
          "  real_server 10.9.1.{} 80 {{\n    weight {}\n    inhibit_on_failure\n"
          "    TCP_CHECK {{\n      connect_timeout 1\n      retry 0\n    }}\n  }}\n",
          n, weight);
    }
    conf << "}\n";
  }
  void start_keepalived() {
    keepalived_.emplace(Arguments{"keepalived", "--check", "--dont-fork", "--log-console",
                                  "--log-detail", "--use-file", path("keepalived.conf"), "--pid",
                                  path("keepalived.pid"), "--checkers_pid", path("checkers.pid")},
                        path("keepalived.log"));
  }
  // All of them well, advised and steered.
  void start_all() {
    others_.emplace(std::vector{server(1), server(3), server(4)});
    second_.emplace(std::vector{server(2)});
    write_keepalived_conf();
    advise({"40", "30", "20", "10"});
    start_gwm();
    start_saspd({"--keepalived-fifo", path("fifo")});
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(path("fifo")); }));
    start_keepalived();
    ASSERT_TRUE(comes_to("40 30 20 10"));
  }
  void TearDown() override {
    if (HasFailure()) show_logs({path("keepalived.log")});
    keepalived_.reset();
    // Its child that checks dies with it, but not at once.
    SaspdOnIpvs::TearDown();
  }

  json::value of_second(std::string_view pointer) const {
    const auto now = status();
    boost::system::error_code absent;
    const auto* value = now.find_pointer(fmt::format("/groups/0/members/1{}", pointer), absent);
    return value != nullptr ? *value : json::value();
  }
  bool second_becomes(std::string_view pointer, const json::value& wanted) const {
    return eventually([&] { return of_second(pointer) == wanted; }) ||
           (ADD_FAILURE() << pointer << " is " << json::serialize(of_second(pointer)), false);
  }
  void reconcile_twice() {
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(ends_with({programs + "/saspctl", "--socket", path("control"), "reconcile"}), 0);
  }
  void restart_saspd() {
    saspd_->send(SIGKILL);
    ASSERT_TRUE(saspd_->wait(seconds{10}));
    start_saspd({"--keepalived-fifo", path("fifo")});
    ASSERT_TRUE(second_becomes("/advice/flags/contact", true));
  }
  // q: the GWM quiesces the second server, l: and lifts that; f: its check fails, r: and succeeds
  // again; k: saspd is killed and started.
  void act(char what) {
    if (what == 'k') return restart_saspd();
    if (what == 'q' || what == 'l') {
      quiesced_ = what == 'q';
      const auto before = times_read();
      advise({"40", quiesced_ ? "quiesce" : "30", "20", "10"});
      ASSERT_TRUE(eventually([&] { return times_read() > before; }));
      // What keepalived holds down, saspd has the GWM quiesce: that hides a quiesce of others.
      if (!failed_) {
        ASSERT_TRUE(second_becomes("/advice/flags/quiesce", quiesced_));
      }
      return;
    }
    failed_ = what == 'f';
    second_.reset();
    if (failed_) {
      ASSERT_TRUE(second_becomes("/zero/keepalived", true));
      return;
    }
    second_.emplace(std::vector{server(2)});
    if (quiesced_) {
      ASSERT_TRUE(second_becomes("/zero/keepalived", false));
      ASSERT_TRUE(second_becomes("/advice/flags/quiesce", true));
    }
  }
  // The weights file, by sasp-gwm.
  std::size_t times_read() {
    const std::string log = gwm_->log();
    std::size_t times = 0;
    for (auto at = log.find(" members in "); at != std::string::npos;
         at = log.find(" members in ", at + 1))
      ++times;
    return times;
  }
  std::string expected() const { return quiesced_ || failed_ ? "40 0 20 10" : "40 30 20 10"; }

  std::optional<kernel::Servers> others_;
  std::optional<kernel::Servers> second_;
  std::optional<Program> keepalived_;
  bool quiesced_ = false;
  bool failed_ = false;
};

TEST_F(BesideKeepalived, HoldsAServerThatEitherHoldsInEveryOrder) {
  start_all();
  for (const std::string order : {"qlfr", "qflr", "qfrl", "fqlr", "fqrl", "frql", "qfklr", "fqklr",
                                  "qkflr", "fkqlr", "qfkrl"}) {
    SCOPED_TRACE(order);
    for (const char what : order) {
      SCOPED_TRACE(what);
      act(what);
      if (HasFatalFailure()) return;
      ASSERT_TRUE(comes_to(expected()));
      reconcile_twice();
      ASSERT_EQ(kernel_weights(), expected());
    }
  }
}

TEST_F(BesideKeepalived, StaysRightOverAReloadWithOtherWeights) {
  start_all();
  act('q');
  act('f');
  write_keepalived_conf(15);
  keepalived_->send(SIGHUP);
  reconcile_twice();
  act('l');
  reconcile_twice();
  EXPECT_EQ(of_second("/kernel_weight"), json::value(0));
  act('r');
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

}  // namespace
}  // namespace saspd::test
