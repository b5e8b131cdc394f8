// SPDX-License-Identifier: Apache-2.0
// saspd with two sasp-gwm on real IPVS: who is followed, and what outlives a GWM and saspd itself. What
// counts is what ipvsadm reads.

#include "tests/e2e/saspd/fixture.hpp"

namespace saspd::test {
namespace {

class TwoGwmsOnIpvs : public SaspdOnIpvs {
 protected:
  void TearDown() override {
    if (HasFailure()) show_logs({path("second.log")});
    second_.reset();
    SaspdOnIpvs::TearDown();
  }

  // Of the first or the second GWM; "-": it does not know the server.
  void advise_by(unsigned gwm, const std::vector<std::string>& words) const {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] != "-") text += fmt::format("web 10.9.1.{}:80 {}\n", i + 1, words[i]);
    }
    std::ofstream(path("new")) << text;
    std::filesystem::rename(path("new"), path(fmt::format("weights-{}", gwm)));
  }
  void start_gwm_number(unsigned gwm) {
    auto& program = gwm == 1 ? gwm_ : second_;
    program.reset();
    program.emplace(
        Arguments{programs + "/sasp-gwm", "--interval", "1", "--start-grace", "0", "--metrics",
                  "off", "--listen", fmt::format("127.0.0.1:{}", 3859 + gwm), "--control",
                  path(fmt::format("control-{}", gwm)), "--weights",
                  path(fmt::format("weights-{}", gwm))},
        path(gwm == 1 ? "gwm.log" : "second.log"));
  }
  void start_both(const std::vector<std::string>& first, const std::vector<std::string>& second,
                  const Arguments& more = {}) {
    given_service();
    advise_by(1, first);
    advise_by(2, second);
    start_gwm_number(1);
    start_gwm_number(2);
    start_with_both(more);
    ASSERT_TRUE(is_established(0) && is_established(1));
  }
  void start_with_both(const Arguments& more = {}) {
    Arguments arguments{"--gwm", "127.0.0.1:3861"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    start_saspd(arguments);
  }
  bool is_established(std::size_t gwm) const {
    const auto is = [&] {
      const auto now = status();
      return now.is_object() &&
             now.at_pointer(fmt::format("/gwm/{}/state", gwm)).as_string() == "established";
    };
    return eventually(is, seconds{120}) || (ADD_FAILURE() << json::serialize(status()), false);
  }
  std::string followed() const {
    const auto now = status();
    const auto* gwm = now.is_object() ? &now.at_pointer("/groups/0/gwm") : nullptr;
    return gwm != nullptr && gwm->is_string() ? std::string(gwm->as_string()) : "";
  }
  int undrains(int server) {
    return ends_with({programs + "/saspctl", "--socket", path("control"), "undrain",
                      fmt::format("10.9.1.{}:80", server)});
  }

  std::optional<Program> second_;
};

TEST_F(TwoGwmsOnIpvs, AQuiesceOutlivesItsGwmAndWhoeverComesBackKnowingNobody) {
  start_both({"4", "quiesce", "4", "4"}, {"7", "7", "7", "7"});
  ASSERT_TRUE(comes_to("4 0 4 4"));
  gwm_->send(SIGKILL);
  ASSERT_TRUE(comes_to("7 0 7 7")) << "the second is followed, and knows of no quiesce";
  EXPECT_TRUE(stays("7 0 7 7"));
  EXPECT_EQ(member(2).at("reason").as_string(), "quiesced");

  advise_by(1, {});
  start_gwm_number(1);
  ASSERT_TRUE(is_established(0));
  advise_by(2, {"5", "6", "7", "8"});
  ASSERT_TRUE(comes_to("5 0 7 8"));
  EXPECT_TRUE(stays("5 0 7 8"));
  EXPECT_EQ(followed(), "127.0.0.1:3861");

  advise_by(1, {"4", "4", "4", "4"});
  ASSERT_TRUE(comes_to("4 4 4 4")) << "it knows all again, and lifts what it advised";
  EXPECT_EQ(followed(), "127.0.0.1:3860");
}

TEST_F(TwoGwmsOnIpvs, AQuiesceWhoseGwmIsGoneOutlivesAKillOfSaspd) {
  start_both({"4", "quiesce", "4", "4"}, {"7", "7", "7", "7"});
  ASSERT_TRUE(comes_to("4 0 4 4"));
  gwm_->send(SIGKILL);
  ASSERT_TRUE(comes_to("7 0 7 7"));
  saspd_->send(SIGKILL);
  saspd_->wait(seconds{60});
  start_with_both();
  ASSERT_TRUE(is_established(1));
  advise_by(2, {"5", "6", "7", "8"});
  ASSERT_TRUE(comes_to("5 0 7 8"));
  EXPECT_TRUE(stays("5 0 7 8"));
  EXPECT_EQ(undrains(2), 0) << "the operator lifts it";
  EXPECT_TRUE(comes_to("5 6 7 8"));
}

TEST_F(TwoGwmsOnIpvs, AreMerged) {
  start_both({"10", "20", "down", "quiesce"}, {"100", "200", "150", "200"},
             {"--gwm-merge", "mean"});
  // Of two scales, to the larger one; wrr takes weights up to 100.
  ASSERT_TRUE(eventually([] { return kernel_weights().ends_with(" 0"); }, seconds{120}))
      << kernel_weights();
  gwm_->send(SIGKILL);
  ASSERT_TRUE(comes_to("50 100 75 0")) << "the advice that is left, and the quiesce";
}

}  // namespace
}  // namespace saspd::test
