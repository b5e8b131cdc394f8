// SPDX-License-Identifier: Apache-2.0
// What the network and the clock do to saspd: packets that are dropped, connections that are killed,
// a GWM that is only half there, and years that pass at once. The weights stay, connections work, and
// the next advice is followed when the cause is gone.

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/crowd.hpp"
#include "tests/support/test_pki.hpp"

namespace saspd::test {
namespace {

class Troubled : public SaspdOnXdp {
 protected:
  static constexpr seconds patience{180};

  void SetUp() override {
    SaspdOnXdp::SetUp();
    if (!IsSkipped()) attach();
  }
  void starts(const Arguments& of_saspd = {}, const Arguments& in_front = {}) {
    advise({"40", "30", "20", "10"});
    start_gwm(of_gwm_);
    start_saspd("web=tcp:192.0.2.10:80", 4, of_saspd, in_front);
    ASSERT_TRUE(comes_to({40, 30, 20, 10}));
    crowd_.emplace(vip, &network_.client);
  }
  bool comes_to(const std::vector<std::uint32_t>& weights) const {
    return eventually([&] { return leads_by(weights); }, patience) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  }
  void follows(const std::vector<std::uint32_t>& weights) {
    std::vector<std::string> words;
    for (const auto weight : weights)
      words.push_back(std::to_string(weight));
    advise(words);
    gwm_->send(SIGHUP);  // or a second later
    ASSERT_TRUE(comes_to(weights));
  }
  void nobody_was_lost() {
    crowd_->go_home();
    EXPECT_EQ(crowd_->failed, 0) << "of " << crowd_->worked;
    EXPECT_GT(crowd_->worked, 10);
  }
  // Of the GWM: "state" and "last_error".
  std::string gwm(const std::string& key) const {
    const auto now = status();
    if (!now.is_object()) return {};
    const auto& value = now.at_pointer("/gwm/0/" + key);
    return value.is_string() ? std::string(value.as_string()) : std::string();
  }
  bool gwm_says(const std::string& key, const std::string& text) const {
    return eventually([&] { return gwm(key).find(text) != std::string::npos; }, patience) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  }
  bool gwm_is_lost() const {
    return eventually([&] { return !gwm("state").empty() && gwm("state") != "established"; },
                      patience);
  }
  std::string in_director(const std::string& command) const {
    std::string output;
    network_.director.run([&] { output = kernel::output_of(command + " 2>&1"); });
    return output;
  }
  // What becomes of the packets from saspd to its GWM.
  void packets_are(const std::string& verdict) const {
    in_director("nft delete table inet trouble 2>/dev/null || true");
    if (verdict.empty()) return;
    const auto done = in_director(
        fmt::format("printf 'add table inet trouble\\n"
                    "add chain inet trouble in {{ type filter hook input priority 0; }}\\n"
                    "add rule inet trouble in tcp dport 3860 {}\\n' | nft -f -",
                    verdict));
    ASSERT_EQ(done, "");
  }

  Arguments of_gwm_;
  std::optional<kernel::Crowd> crowd_;
};

TEST_F(Troubled, AHalfOpenConnectionIsFoundAndABlackHoleTriedAgain) {
  starts();
  packets_are("drop");
  ASSERT_TRUE(gwm_is_lost());
  EXPECT_TRUE(gwm_says("last_error", "no connection to 127.0.0.1:3860 within 5 s"));
  EXPECT_TRUE(leads_by({40, 30, 20, 10}));
  packets_are("");
  follows({10, 20, 30, 40});
  nobody_was_lost();
}

TEST_F(Troubled, ARejectedConnectionIsTriedAgain) {
  starts();
  packets_are("reject with tcp reset");
  EXPECT_TRUE(gwm_says("last_error", "refused"));
  EXPECT_TRUE(leads_by({40, 30, 20, 10}));
  packets_are("");
  follows({10, 20, 30, 40});
  nobody_was_lost();
}

TEST_F(Troubled, AKilledConnectionIsMadeAgain) {
  starts();
  const auto connections = [&] { return gwm_->times_logged("LB 'xdp' connected"); };
  ASSERT_EQ(connections(), 1U);
  in_director("ss -K dport = 3860");
  EXPECT_TRUE(eventually([&] { return connections() == 2; }, patience));
  EXPECT_TRUE(leads_by({40, 30, 20, 10}));
  follows({10, 20, 30, 40});
  nobody_was_lost();
}

TEST_F(Troubled, LossOfHalfThePacketsOnlyMakesItSlower) {
  starts();
  packets_are("numgen random mod 100 < 50 drop");
  follows({10, 20, 30, 40});
  nobody_was_lost();
}

// A pipe that is full, and that nobody reads.
TEST_F(Troubled, ALogThatNobodyReadsStopsNothing) {
  ASSERT_EQ(::mkfifo(path("log").c_str(), 0600), 0);
  const Descriptor pipe(::open(path("log").c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  ::fcntl(pipe.get(), F_SETPIPE_SZ, 4096);
  const std::string filled(1024, '-');
  while (::write(pipe.get(), filled.data(), filled.size()) > 0) {
  }
  starts({"--log-level", "debug"}, {"sh", "-c", "exec \"$@\" >" + path("log") + " 2>&1", "sh"});
  for (std::uint32_t i = 1; i <= 2; ++i)
    follows({i, 30, 20, 10});
  nobody_was_lost();
}

// A wall clock that libfaketime sets while the program runs, the monotonic clocks being true.
class WrongClock : public Troubled {
 protected:
  void clock_is(const std::string& offset) const {
    std::ofstream(path("clock.new")) << offset << "\n";
    std::filesystem::rename(path("clock.new"), path("clock"));
  }
  Arguments with_that_clock() const {
    return {"env", "LD_PRELOAD=" + library(), "FAKETIME_TIMESTAMP_FILE=" + path("clock"),
            "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"};
  }
  static std::string library() {
    for (const auto& folder : std::filesystem::directory_iterator("/usr/lib")) {
      const auto library = folder.path() / "faketime/libfaketime.so.1";
      if (std::filesystem::exists(library)) return library;
    }
    throw std::runtime_error("no libfaketime: packaging/install-packages test");
  }
};

TEST_F(WrongClock, MovesNoTimer) {
  clock_is("+0");
  starts({}, with_that_clock());
  std::uint32_t weight = 0;
  for (const std::string offset : {"+3650d", "-3650d", "+1h", "+0"}) {
    clock_is(offset);
    follows({++weight, 30, 20, 10});
  }
  EXPECT_EQ(gwm_->times_logged("LB 'xdp' connected"), 1U);
  EXPECT_EQ(saspd_->times_logged("stale"), 0U);
  EXPECT_EQ(saspd_->times_logged("alarm: web"), 0U);
  nobody_was_lost();
}

// Certificates that have all expired, as far as it can tell: no new connection, and the last weights.
TEST_F(WrongClock, FailsClosedForCertificatesAndHoldsTheWeights) {
  const TestPki pki;
  const auto flags = [&](const std::string& name) {
    const auto tls = pki.settings(name);
    return Arguments{"--tls-ca", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key};
  };
  of_gwm_ = flags("gwm");
  lb_uid_ = "director-1";
  clock_is("+0");
  starts(flags("director-1"), with_that_clock());
  clock_is("+3650d");
  in_director("ss -K dport = 3860");
  ASSERT_TRUE(gwm_says("state", "tls_error"));
  EXPECT_NE(gwm("last_error").find("expired"), std::string::npos) << gwm("last_error");
  EXPECT_TRUE(leads_by({40, 30, 20, 10}));
  clock_is("+0");
  follows({10, 20, 30, 40});
  nobody_was_lost();
}

// It takes connections and never says a word of TLS.
TEST_F(Troubled, AHalfHandshakeEndsInTimeAndHoldsTheWeights) {
  const TestPki pki;
  const auto tls = pki.settings("gwm");
  of_gwm_ = {"--tls-ca", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key};
  lb_uid_ = "director-1";
  const auto ours = pki.settings("director-1");
  starts({"--tls-ca", ours.ca, "--tls-cert", ours.cert, "--tls-key", ours.key});
  gwm_.reset();
  Descriptor silent;
  network_.director.run([&] {
    const kernel::SocketAddress at(*Endpoint::parse("127.0.0.1:3860"));
    silent = at.stream();
    const int on = 1;
    ::setsockopt(silent.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ASSERT_EQ(::bind(silent.get(), at.get(), at.size), 0);
    ASSERT_EQ(::listen(silent.get(), 16), 0);
  });
  EXPECT_TRUE(gwm_says("last_error", "no TLS handshake with 127.0.0.1:3860 within 5 s"));
  EXPECT_TRUE(leads_by({40, 30, 20, 10}));
  silent = Descriptor();
  advise({"10", "20", "30", "40"});
  start_gwm(of_gwm_);
  ASSERT_TRUE(comes_to({10, 20, 30, 40}));
  nobody_was_lost();
}

}  // namespace
}  // namespace saspd::test
