// SPDX-License-Identifier: Apache-2.0
// saspd with two sasp-gwm: who is followed, what outlives a GWM, and names that nobody resolves. What
// counts is where the maps lead, and where clients get to.
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/e2e/saspd/xdp_fixture.hpp"

namespace saspd::test {
namespace {

class TwoGwms : public SaspdOnXdp {
 protected:
  void TearDown() override {
    if (HasFailure()) show_logs({path("second.log")});
    second_.reset();
    SaspdOnXdp::TearDown();
  }

  // Of the first or the second GWM.
  void advise_by(unsigned gwm, const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] != "-") text += fmt::format("web 10.0.{}.2:80 {}\n", i + 1, words[i]);
    }
    std::ofstream(path("new")) << text;
    std::filesystem::rename(path("new"), path(fmt::format("weights-{}", gwm)));
  }
  void start_gwm_number(unsigned gwm) {
    auto& program = gwm == 1 ? gwm_ : second_;
    const std::string log = path(gwm == 1 ? "gwm.log" : "second.log");
    program.reset();
    network_.director.run([&] {
      program.emplace(Arguments{programs + "/sasp-gwm", "--interval", "1", "--metrics", "off",
                                "--listen", fmt::format("127.0.0.1:{}", 3859 + gwm), "--control",
                                path(fmt::format("control-{}", gwm)), "--weights",
                                path(fmt::format("weights-{}", gwm))},
                      log);
    });
  }
  void start_both(const std::vector<std::string>& first, const std::vector<std::string>& second,
                  const Arguments& more = {}) {
    attach();
    advise_by(1, first);
    advise_by(2, second);
    start_gwm_number(1);
    start_gwm_number(2);
    Arguments arguments{"--gwm", "127.0.0.1:3861"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    start_saspd("web=tcp:192.0.2.10:80", 4, arguments);
    ASSERT_TRUE(is_established(0) && is_established(1));
  }
  bool is_established(std::size_t gwm) const {
    return eventually([&] { return state(gwm) == "established"; }) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  }
  std::string state(std::size_t gwm) const {
    const auto now = status();
    if (!now.is_object()) return {};
    return std::string(now.at_pointer(fmt::format("/gwm/{}/state", gwm)).as_string());
  }
  std::string followed() const {
    const auto now = status();
    const auto* gwm = now.is_object() ? &now.at_pointer("/groups/0/gwm") : nullptr;
    return gwm != nullptr && gwm->is_string() ? std::string(gwm->as_string()) : "";
  }
  bool come_to_lead_by(const std::vector<std::uint32_t>& weights) const {
    return eventually([&] { return leads_by(weights); }) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  }

  std::optional<Program> second_;
};

TEST_F(TwoGwms, AQuiesceOutlivesItsGwmAndWhoeverComesBackKnowingNobody) {
  start_both({"4", "quiesce", "4", "4"}, {"7", "7", "7", "7"});
  ASSERT_TRUE(come_to_lead_by({4, 0, 4, 4}));
  gwm_->send(SIGKILL);
  ASSERT_TRUE(come_to_lead_by({7, 0, 7, 7})) << "the second is followed, and knows of no quiesce";
  EXPECT_TRUE(stays({7, 0, 7, 7}));
  const auto counts = connect(200);
  EXPECT_EQ(counts.at(1), 0);
  EXPECT_EQ(failed_, 0);
  std::string why;
  EXPECT_EQ(ends_with({"saspctl", "--socket", path("control"), "why", "10.0.2.2:80"}, &why), 0);
  EXPECT_NE(why.find("the GWM 127.0.0.1:3860 quiesced it"), std::string::npos) << why;
  EXPECT_GE(saspd_->times_logged("no longer that of 127.0.0.1:3860, which is not connected"), 1U);

  // It knows nobody, and displaces nobody who does.
  advise_by(1, {});
  start_gwm_number(1);
  ASSERT_TRUE(is_established(0));
  advise_by(2, {"5", "6", "7", "8"});
  ASSERT_TRUE(come_to_lead_by({5, 0, 7, 8}));
  EXPECT_TRUE(stays({5, 0, 7, 8}));
  EXPECT_EQ(followed(), "127.0.0.1:3861");

  // It knows all again, and lifts what it advised.
  advise_by(1, {"4", "4", "4", "4"});
  ASSERT_TRUE(come_to_lead_by({4, 4, 4, 4}));
  EXPECT_EQ(followed(), "127.0.0.1:3860");
}

TEST_F(TwoGwms, TheOperatorLiftsAQuiesceWhoseGwmIsGone) {
  start_both({"4", "quiesce", "4", "4"}, {"7", "7", "7", "7"});
  ASSERT_TRUE(come_to_lead_by({4, 0, 4, 4}));
  const Arguments undrain{"saspctl", "--socket", path("control"), "undrain", "10.0.2.2:80"};
  EXPECT_NE(ends_with(undrain), 0) << "its GWM says so";
  gwm_->send(SIGKILL);
  ASSERT_TRUE(come_to_lead_by({7, 0, 7, 7}));
  EXPECT_EQ(ends_with(undrain), 0);
  ASSERT_TRUE(come_to_lead_by({7, 7, 7, 7}));
}

TEST_F(TwoGwms, AreMerged) {
  start_both({"10", "20", "down", "quiesce"}, {"100", "200", "150", "200"},
             {"--gwm-merge", "mean"});
  ASSERT_TRUE(come_to_lead_by({55, 110, 41, 0}));
  gwm_->send(SIGKILL);
  ASSERT_TRUE(come_to_lead_by({100, 200, 150, 0})) << "the advice that is left, and the quiesce";
}

// Nobody else knows of it: what is kept of it is what saspd has written down.
TEST_F(TwoGwms, AQuiesceWhoseGwmIsGoneOutlivesAKillOfSaspd) {
  start_both({"4", "quiesce", "4", "4"}, {"7", "7", "7", "7"});
  ASSERT_TRUE(come_to_lead_by({4, 0, 4, 4}));
  gwm_->send(SIGKILL);
  ASSERT_TRUE(come_to_lead_by({7, 0, 7, 7}));
  for (const auto* weight : {"5", "6"}) {
    saspd_->send(SIGKILL);
    saspd_->wait(seconds{60});
    start_saspd("web=tcp:192.0.2.10:80", 4, {"--gwm", "127.0.0.1:3861"});
    ASSERT_TRUE(is_established(1));
    advise_by(2, {weight, "7", weight, "7"});
    const auto other = static_cast<std::uint32_t>(std::stoi(weight));
    ASSERT_TRUE(come_to_lead_by({other, 0, other, 7}));
    EXPECT_TRUE(stays({other, 0, other, 7}));
  }
  const auto counts = connect(200);
  EXPECT_EQ(counts.at(1), 0);
  EXPECT_EQ(failed_, 0);
  advise_by(1, {"4", "4", "4", "4"});
  start_gwm_number(1);
  EXPECT_TRUE(come_to_lead_by({4, 4, 4, 4})) << "it lifts what it advised";
}

// The back-off would be up to five minutes: --retry-min.
TEST_F(TwoGwms, TheOperatorHasItConnectAtOnce) {
  attach();
  advise_by(1, {"4", "4", "4", "4"});
  retry_min_ = "300";
  start_saspd();
  ASSERT_TRUE(eventually([&] { return saspd_->times_logged("next attempt in") > 0; }));
  start_gwm_number(1);
  const Arguments retry{"saspctl", "--socket", path("control"), "gwm", "retry", "127.0.0.1"};
  std::string text;
  ASSERT_TRUE(eventually([&] { return gwm_->times_logged("listens on") > 0; })) << gwm_->log();
  EXPECT_EQ(ends_with(retry, &text), 0) << text;
  ASSERT_TRUE(come_to_lead_by({4, 4, 4, 4}));
  EXPECT_EQ(ends_with(retry, &text), 65) << text;
  EXPECT_NE(text.find("it is connected"), std::string::npos) << text;
}

// A name server that takes questions and answers none.
class SilentNameServer {
 public:
  SilentNameServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(53);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
      throw std::runtime_error("bind");
  }
  SilentNameServer(const SilentNameServer&) = delete;
  SilentNameServer& operator=(const SilentNameServer&) = delete;
  ~SilentNameServer() { ::close(socket_); }

 private:
  int socket_;
};

// The C library waits for it for ten minutes here.
TEST_F(TwoGwms, ANameThatIsNotResolvedHoldsUpNobody) {
  std::optional<SilentNameServer> silent;
  network_.director.run([&] { silent.emplace(); });
  std::ofstream(path("resolv.conf")) << "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n";
  std::ofstream(path("hosts")) << "127.0.0.1 localhost second.example.net\n";
  attach();
  advise_by(2, {"4", "3", "2", "1"});
  start_gwm_number(2);
  const std::string mounts =
      fmt::format("mount --bind {} /etc/resolv.conf && mount --bind {} /etc/hosts && exec \"$@\"",
                  path("resolv.conf"), path("hosts"));
  retry_min_ = "20";
  start_saspd(
      "web=tcp:192.0.2.10:80", 4,
      {"--gwm", "silent.example.net", "--gwm", "second.example.net:3861", "--insecure-plaintext"},
      {"unshare", "--mount", "sh", "-c", mounts, "sh"});
  ASSERT_TRUE(come_to_lead_by({4, 3, 2, 1}));
  EXPECT_EQ(state(1), "connecting");
  EXPECT_EQ(saspd_->times_logged("cannot resolve"), 0U) << "the lookup goes on";
  saspd_->send(SIGTERM);
  EXPECT_EQ(saspd_->wait(seconds{60}), 0) << "the end does not wait for it";
}

}  // namespace
}  // namespace saspd::test
