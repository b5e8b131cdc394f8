// SPDX-License-Identifier: Apache-2.0
// Whose a weight 0 is, on real IPVS: what saspd wrote comes back whatever ended it, what somebody
// else wrote does not. Judged by ipvsadm, by clients and by exit codes.

#include "tests/e2e/saspd/fixture.hpp"

namespace saspd::test {
namespace {

class ZerosOnIpvs : public SaspdOnIpvs {
 protected:
  // 40 0q 20 10
  void start_quiesced() {
    start({"40", "quiesce", "20", "10"});
    ASSERT_TRUE(comes_to("40 0 20 10"));
  }
  void lift() { advise({"40", "30", "20", "10"}); }
  void end(int signal) {
    saspd_->send(signal);
    ASSERT_TRUE(saspd_->wait(seconds{10}));
    saspd_.reset();
  }
  // Until its reason is that.
  bool is_held(int n, const std::string& reason) {
    return eventually([&] {
             const auto now = of(n, "reason");
             return now.is_string() && now.as_string() == reason;
           }) ||
           (ADD_FAILURE() << "server " << n << ": " << json::serialize(status()), false);
  }
  // Of a member, which may not be there yet.
  json::value of(int n, std::string_view key) const {
    const auto now = status();
    boost::system::error_code absent;
    const auto* value =
        now.find_pointer(fmt::format("/groups/0/members/{}/{}", n - 1, key), absent);
    return value != nullptr ? *value : json::value();
  }
  // The advice has arrived, and what it could change is changed.
  void expect_after_advice(const std::string& weights) {
    ASSERT_TRUE(eventually([&] {
      const auto advice = of(1, "advice");
      return advice.is_object() && advice.at("weight").as_int64() == 40;
    }));
    ASSERT_TRUE(eventually([&] {
      const auto advice = of(2, "advice");
      return advice.is_object() && !advice.at_pointer("/flags/quiesce").as_bool();
    }));
    Arguments reconcile{programs + "/saspctl", "--socket", path("control"), "reconcile"};
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(ends_with(reconcile), 0);
    EXPECT_EQ(kernel_weights(), weights);
  }
  int check(std::string* output = nullptr) {
    return ends_with({programs + "/saspctl", "--socket", path("control"), "status", "--check"},
                     output);
  }
  std::size_t logged(const std::string& text) const {
    const std::string log = saspd_->log();
    std::size_t count = 0;
    for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
      ++count;
    return count;
  }
  // The kernel has another boot id from now on, as far as anybody can read.
  void given_another_boot() {
    std::ofstream(path("boot_id")) << "0f0f0f0f-0000-4000-8000-000000000000\n";
    kernel::output_of("mount --bind " + path("boot_id") + " /proc/sys/kernel/random/boot_id");
    another_boot_ = true;
  }
  void TearDown() override {
    if (another_boot_) kernel::output_of("umount /proc/sys/kernel/random/boot_id");
    SaspdOnIpvs::TearDown();
  }

  bool another_boot_ = false;
};

TEST_F(ZerosOnIpvs, OfOursComeBackHoweverItEnded) {
  start_quiesced();
  for (const int signal : {SIGKILL, SIGTERM}) {
    end(signal);
    start_saspd();
    ASSERT_TRUE(is_held(2, "quiesced"));
    lift();
    EXPECT_TRUE(comes_to("40 30 20 10")) << "signal " << signal;
    EXPECT_EQ(check(), 0);
    advise({"40", "quiesce", "20", "10"});
    ASSERT_TRUE(comes_to("40 0 20 10"));
  }
  end(SIGKILL);
  lift();  // while it is away
  start_saspd();
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

TEST_F(ZerosOnIpvs, OfADeadServerComeBackWhenItIsWellAfterARestart) {
  start({"40", "down", "20", "10"});
  ASSERT_TRUE(comes_to("40 0 20 10"));
  end(SIGTERM);
  start_saspd();
  ASSERT_TRUE(is_held(2, "no_contact"));
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

TEST_F(ZerosOnIpvs, DoNotAddUpInANightOfMaintenance) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  for (std::size_t n = 0; n < 4; ++n) {
    std::vector<std::string> words{"40", "30", "20", "10"};
    words[n] = "quiesce";
    advise(words);
    std::string expected = "40 30 20 10";
    expected.replace(expected.find(std::vector{"40", "30", "20", "10"}[n]), 2, "0");
    ASSERT_TRUE(comes_to(expected));
    end(n % 2 == 0 ? SIGTERM : SIGKILL);
    start_saspd();
  }
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

TEST_F(ZerosOnIpvs, OfOthersStayWhenTheyCameWhileItWasAway) {
  start_quiesced();
  end(SIGTERM);
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.3:80 -m -w 0\n");
  start_saspd();
  lift();
  ASSERT_TRUE(comes_to("40 30 0 10"));
  expect_after_advice("40 30 0 10");
  EXPECT_TRUE(is_held(3, "foreign_zero"));
  EXPECT_EQ(logged("10.9.1.3:80: held at weight 0: another program"), 1U);
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.3:80 -m -w 7\n");
  EXPECT_TRUE(comes_to("40 30 20 10"));
  EXPECT_TRUE(eventually([&] { return logged("no longer held at weight 0") == 1; }));
}

TEST_F(ZerosOnIpvs, OfOursComeBackWithASavedTable) {
  start_quiesced();
  const std::string saved = Ipvsadm::saved();
  Ipvsadm::run("-C\n");
  ASSERT_TRUE(eventually([&] { return !status().at_pointer("/groups/0/bound").as_bool(); }));
  Ipvsadm::run(saved);
  ASSERT_TRUE(is_held(2, "quiesced"));
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10"));

  advise({"40", "quiesce", "20", "10"});
  ASSERT_TRUE(comes_to("40 0 20 10"));
  Ipvsadm::run("-C\n" + saved);  // seen by nobody
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10"));

  advise({"40", "quiesce", "20", "10"});
  ASSERT_TRUE(comes_to("40 0 20 10"));
  end(SIGTERM);
  Ipvsadm::run("-C\n" + saved);
  start_saspd();
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

TEST_F(ZerosOnIpvs, OfOursComeBackAfterABootAndThoseOfOthersDoNot) {
  start_quiesced();
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.3:80 -m -w 0\n");
  ASSERT_TRUE(is_held(3, "foreign_zero"));
  const std::string saved = Ipvsadm::saved();
  end(SIGTERM);
  Ipvsadm::run("-C\n");
  given_another_boot();
  start_saspd();
  Ipvsadm::run(saved);
  lift();
  ASSERT_TRUE(comes_to("40 30 0 10"));
  expect_after_advice("40 30 0 10");
}

TEST_F(ZerosOnIpvs, OfAManagedServiceAreAllOurs) {
  advise({"40", "quiesce", "20", "10"});
  start_gwm();
  Arguments managed{"--service", "web=tcp:10.9.0.10:80,manage,forward=masquerade,scheduler=wrr"};
  for (int n = 1; n <= 4; ++n)
    managed.insert(managed.end(), {"--member", fmt::format("web=10.9.1.{}:80", n)});
  run_saspd(managed);
  ASSERT_TRUE(comes_to("40 0 20 10"));
  end(SIGKILL);
  std::filesystem::remove(path("ledger"));
  run_saspd(managed);
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10"));
}

TEST_F(ZerosOnIpvs, AreUnclearWithoutALedgerUntilTheOperatorLiftsThem) {
  start_quiesced();
  end(SIGTERM);
  for (const std::string damage : {"saspd-ledger 1\nhalf", "", "saspd-ledger 2\n"}) {
    std::filesystem::remove(path("saspd.log"));
    std::ofstream(path("ledger")) << damage;
    start_saspd();
    lift();
    expect_after_advice("40 0 20 10");
    ASSERT_TRUE(is_held(2, "unclear_zero"));
    std::string text;
    EXPECT_EQ(check(&text), 1) << text;
    EXPECT_NE(text.find("unclear_zero"), std::string::npos) << text;
    EXPECT_EQ(logged("it is unclear who wrote the zero"), 2U) << "as news, and as an alarm";
    EXPECT_EQ(ends_with({programs + "/saspctl", "--socket", path("control"), "why", "10.9.1.2:80"},
                        &text),
              0);
    EXPECT_NE(text.find("no ledger records"), std::string::npos) << text;
    const Arguments undrain{programs + "/saspctl", "--socket", path("control"), "undrain",
                            "web/10.9.1.2:80"};
    EXPECT_EQ(ends_with(undrain, &text), 0) << text;
    EXPECT_TRUE(comes_to("40 30 20 10"));
    EXPECT_TRUE(eventually([&] { return check() == 0; }));
    EXPECT_EQ(ends_with(undrain, &text), 65) << text;
    advise({"40", "quiesce", "20", "10"});
    ASSERT_TRUE(comes_to("40 0 20 10"));
    end(SIGTERM);
  }
}

TEST_F(ZerosOnIpvs, OfAServerThatAloneWasAddedAgainAreUnclear) {
  start_quiesced();
  Ipvsadm::run("-d -t 10.9.0.10:80 -r 10.9.1.2:80\n");
  ASSERT_TRUE(
      eventually([&] { return status().at_pointer("/groups/0/members").as_array().size() == 3; }));
  Ipvsadm::run("-a -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 0\n");
  ASSERT_TRUE(
      eventually([&] { return status().at_pointer("/groups/0/members").as_array().size() == 4; }));
  lift();
  ASSERT_TRUE(is_held(2, "unclear_zero"));
  expect_after_advice("40 0 20 10");
}

TEST_F(ZerosOnIpvs, OfAnotherNamespaceAreNotTouched) {
  start_quiesced();
  const std::string saved = Ipvsadm::saved();
  {
    kernel::NetNamespace other;
    Ipvsadm::run(saved);
    kernel::ip_batch("address add 10.9.0.10 dev lo\n");
    Arguments second = saspd_arguments();
    *std::find(second.begin(), second.end(), path("control")) = path("control2");
    Program beside(second, path("second.log"));
    EXPECT_TRUE(eventually([&] {
      return beside.log().find("in use by another saspd") != std::string::npos;
    })) << beside.log();
    std::string text;
    EXPECT_TRUE(eventually([&] {
      return ends_with({programs + "/saspctl", "--socket", path("control2"), "status", "--check"},
                       &text) == 1 &&
             text.find("unclear_zero") != std::string::npos &&
             text.find("ledger") != std::string::npos;
    })) << text;
    EXPECT_EQ(kernel_weights(), "40 0 20 10");
  }
  end(SIGTERM);
  start_saspd();
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10")) << "the first one's ledger is as it was";
}

TEST_F(ZerosOnIpvs, AreKnownInMemoryWhileTheDiskIsFull) {
  std::filesystem::create_directory(path("disk"));
  kernel::output_of("mount -t tmpfs -o size=64k none " + path("disk"));
  kernel::output_of("dd if=/dev/zero of=" + path("disk/fill") + " bs=4k 2>/dev/null || true");
  ledger_ = path("disk/ledger");
  start_quiesced();
  std::string text;
  EXPECT_EQ(check(&text), 1);
  EXPECT_NE(text.find("ledger"), std::string::npos) << text;
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10"));
  advise({"40", "quiesce", "20", "10"});
  ASSERT_TRUE(comes_to("40 0 20 10"));
  std::filesystem::remove(path("disk/fill"));
  EXPECT_TRUE(eventually([&] { return check() == 0; }));
  end(SIGKILL);
  start_saspd();
  lift();
  EXPECT_TRUE(comes_to("40 30 20 10"));
  end(SIGTERM);
  kernel::output_of("umount " + path("disk"));
}

// RFC 4678 7.5, with a GWM of its own mind: it says the quiesce back, which must hold nobody.
TEST_F(ZerosOnIpvs, OfOthersAreAQuiesceAtTheGwmUntilTheyEnd) {
  start({"40", "30", "20", "10"});
  ASSERT_TRUE(comes_to("40 30 20 10"));
  const auto gwm_heard = [&](std::string_view text) {
    return eventually([&] { return gwm_->log().find(text) != std::string::npos; });
  };
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 0 -x 5000 -y 4000\n");
  EXPECT_TRUE(gwm_heard("tcp:10.9.1.2:80 quiesced")) << gwm_->log();
  EXPECT_TRUE(is_held(2, "foreign_zero"));
  // Raised while nobody looks, with our life ended in between.
  end(SIGKILL);
  Ipvsadm::run("-e -t 10.9.0.10:80 -r 10.9.1.2:80 -m -w 5 -x 5000 -y 4000\n");
  start_saspd();
  EXPECT_TRUE(comes_to("40 30 20 10"));
  EXPECT_TRUE(gwm_heard("tcp:10.9.1.2:80 not quiesced")) << gwm_->log();
  EXPECT_TRUE(stays("40 30 20 10"));
  // And what somebody else quiesces is obeyed.
  advise({"40", "quiesce", "20", "10"});
  EXPECT_TRUE(comes_to("40 0 20 10"));
  EXPECT_TRUE(is_held(2, "quiesced"));
}

}  // namespace
}  // namespace saspd::test
