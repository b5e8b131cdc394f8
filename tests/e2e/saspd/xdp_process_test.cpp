// SPDX-License-Identifier: Apache-2.0
// The process behind saspd --backend xdp: its user, its lock, its TLS, and what it says when something
// is missing.

#include "controller/sasp/types.hpp"
#include "tests/e2e/saspd/xdp_fixture.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/openssl_server.hpp"
#include "tests/support/privileges.hpp"
#include "tests/support/test_pki.hpp"

namespace saspd::test {
namespace {

TEST_F(SaspdOnXdp, IsNotDetachedWhileItServes) {
  start({"10", "10", "10", "10"});
  ASSERT_TRUE(all_have_slots(4));
  std::string text;
  EXPECT_EQ(ends_with({"saspd", "--detach", "--pins", pins()}, &text), 75);
  EXPECT_NE(text.find(fmt::format("pid {} of user root is using", saspd_->pid())),
            std::string::npos)
      << text;
  EXPECT_EQ(ends_with({"saspd", "--attach", "--replace", "--max-backends", "16", "--interface",
                       "c0", "--pins", pins()},
                      &text),
            75);
  EXPECT_NE(text.find("--force"), std::string::npos) << text;
  connect(40);
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(ends_with({"saspd", "--detach", "--force", "--pins", pins()}, &text), 0) << text;
}

// The daemon needs no capability: it owns the maps.
TEST_F(SaspdOnXdp, RunsAsAUserWithoutRights) {
  attach("native", {"--user", "nobody"});
  advise({"3", "1", "0", "0"});
  start_gwm();
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  as_user_ = {"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"};
  start_saspd();
  ASSERT_TRUE(weights_become({3, 1, 0, 0}));
  ASSERT_TRUE(eventually([&] { return of_members("slots").at(1) > 0; }));
  expect_shares(connect(400), {3, 1, 0, 0});
  EXPECT_EQ(failed_, 0);
  EXPECT_TRUE(std::filesystem::exists(path("ledger")));
}

// What the clock decides waits neither for the GWM nor for the next look at the kernel.
TEST_F(SaspdOnXdp, RaisesAnAlarmOnTimeHoweverLongItsIntervals) {
  attach();
  advise({});
  start_gwm();
  reconcile_interval_ = "3600";
  start_saspd("web=tcp:192.0.2.10:80", 4,
              {"--mode", "push", "--interval", "3", "--stale-after", "3"});
  EXPECT_TRUE(eventually([&] { return saspd_->log().find("no_advice") != std::string::npos; }));
}

// A GWM that cannot be believed any more takes no weight with it: one of another authority, and an
// openssl s_server of ours with another name.
TEST_F(SaspdOnXdp, KeepsTheWeightsWhenTlsFails) {
  TestPki pki;
  const TestPki impostor;
  const auto flags = [](const TlsSettings& tls) {
    return Arguments{"--tls-ca", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key};
  };
  const auto gwm_becomes = [this](std::string_view state) {
    return eventually([&] {
             const auto now = status();
             return now.is_object() && now.at_pointer("/gwm/0/state").as_string() == state;
           }) ||
           (ADD_FAILURE() << json::serialize(status()), false);
  };
  attach();
  advise({"4", "3", "2", "1"});
  start_gwm(flags(pki.settings("gwm")));
  lb_uid_ = "director-1";
  const auto install = [&pki](const std::string& name) {
    for (const std::string end : {".key", ".pem"}) {
      std::filesystem::copy_file(pki.path(name + end), pki.path("new"));
      std::filesystem::rename(pki.path("new"), pki.path("live" + end));
    }
  };
  install("director-1");
  auto ours = flags(pki.settings("live"));
  ours.insert(ours.end(), {"--tls-crl", pki.path("crl.pem"), "--metrics", "127.0.0.1:9860"});
  start_saspd("web=tcp:192.0.2.10:80", 4, ours);
  ASSERT_TRUE(gwm_becomes("established"));
  ASSERT_TRUE(weights_become({4, 3, 2, 1}));

  gwm_.reset();
  advise({"1", "1", "1", "1"});
  start_gwm(flags(impostor.settings("gwm")));
  ASSERT_TRUE(gwm_becomes("tls_error"));
  const auto why = json::serialize(status().at_pointer("/gwm/0/last_error"));
  EXPECT_NE(why.find("which is not in --tls-ca"), std::string::npos) << why;
  EXPECT_TRUE(stays({4, 3, 2, 1}));

  gwm_.reset();
  pki.issue("other", {"--usage", "server", "--san", "DNS:other.example"});
  std::optional<OpensslServer> other;
  network_.director.run([&] { other.emplace(pki, "other", Arguments{}, sasp::default_port); });
  EXPECT_TRUE(eventually([&] {
    const auto last = json::serialize(status().at_pointer("/gwm/0/last_error"));
    return last.find("is for 'other' (other.example), not for '127.0.0.1'") != std::string::npos;
  })) << json::serialize(status());
  EXPECT_TRUE(stays({4, 3, 2, 1}));

  other.reset();
  start_gwm(flags(pki.settings("gwm")));
  ASSERT_TRUE(weights_become({1, 1, 1, 1}));
  connect(40);
  EXPECT_EQ(failed_, 0);

  // A new certificate of its own is no reason to leave, a list with the GWM in it is.
  const auto connections = [this] { return gwm_->times_logged("LB 'director-1' connected from"); };
  const auto before = connections();
  pki.issue("next", {"--cn", "director-1"});
  install("next");
  saspd_->send(SIGHUP);
  // The look at the files every 10 s would be later.
  EXPECT_TRUE(eventually([this] { return saspd_->times_logged("certificates read again") == 1; },
                         seconds{5}));
  std::this_thread::sleep_for(seconds{1});
  EXPECT_EQ(connections(), before);
  std::string metrics;
  network_.director.run(
      [&] { metrics = http_get(*Endpoint::parse("127.0.0.1:9860"), "/metrics"); });
  for (const auto* role : {"own", "ca", "crl"}) {
    const auto name =
        fmt::format("\nsaspd_tls_certificate_expiry_timestamp_seconds{{role=\"{}\"}} ", role);
    EXPECT_NE(metrics.find(name), std::string::npos) << name << metrics;
  }
  pki.revoke("gwm");
  saspd_->send(SIGHUP);
  ASSERT_TRUE(gwm_becomes("tls_error"));
  EXPECT_GE(saspd_->times_logged("the peer's certificate (CN=localhost) was revoked by"), 1U);
  EXPECT_TRUE(stays({1, 1, 1, 1}));
}

// saspd --attach gave it the pins, and those of a replaced program too.
TEST_F(SaspdOnXdp, StartedByRootBecomesItsOwnUser) {
  machine_ = where_user(directory_, "saspd", 4711);
  attach();
  advise({"3", "1", "0", "0"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(weights_become({3, 1, 0, 0}));
  expect_only(saspd_->pid(), 4711, 0);
  expect_follows_a_replaced_program();
  expect_only(saspd_->pid(), 4711, 0);
}

TEST_F(SaspdOnXdp, StartedByRootWithoutThatUserKeepsNoCapability) {
  machine_ = where_user(directory_, "saspd", std::nullopt);
  attach();
  advise({"3", "1", "0", "0"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(weights_become({3, 1, 0, 0}));
  expect_only(saspd_->pid(), 0, 0);
  expect_follows_a_replaced_program();
  EXPECT_NE(saspd_->log().find("there is no user saspd: staying root, without any capability\n"),
            std::string::npos)
      << saspd_->log();
}

// The maps are in no network namespace.
TEST_F(SaspdOnXdp, IsTheOnlyWriterOfItsMapsFromAnyNamespace) {
  start({"1", "1", "1", "1"});
  ASSERT_TRUE(all_have_slots(4));
  const auto second = [this] {
    std::string output;
    network_.client.run([&] {
      std::filesystem::remove(path("second.log"));
      Program program(
          {programs + "/saspd", "--backend", "xdp", "--pins", pins(), "--gwm", "127.0.0.1",
           "--service", "other=tcp:192.0.2.10:81", "--member", "other=10.0.1.2:81", "--control",
           path("second"), "--ledger", path("second.ledger")},
          path("second.log"));
      EXPECT_EQ(program.wait(seconds{20}), 75) << program.log();
      output = program.log();
    });
    return output;
  };
  const auto holder = fmt::format("written by pid {} of user root", saspd_->pid());
  const auto refused = second();
  EXPECT_NE(refused.find(holder), std::string::npos) << refused;
  saspd_->send(SIGSTOP);
  const auto refused_again = second();
  saspd_->send(SIGCONT);
  EXPECT_NE(refused_again.find(holder), std::string::npos) << refused_again;
  const kernel::RawMaps maps(pins());
  EXPECT_TRUE(maps.tcp(80));
  EXPECT_FALSE(maps.tcp(81));
  expect_shares(connect(100), {1, 1, 1, 1});
  EXPECT_EQ(failed_, 0);
}

TEST_F(SaspdOnXdp, SaysWhatIsMissing) {
  std::string text;
  EXPECT_EQ(ends_with({"saspd", "--backend", "xdp", "--pins", pins(), "--gwm", "127.0.0.1",
                       "--service", "web=tcp:192.0.2.10:80", "--member", "web=10.0.1.2:80",
                       "--control", path("control"), "--ledger", path("ledger")},
                      &text),
            69);
  EXPECT_NE(text.find("saspd --attach --interface IF"), std::string::npos) << text;
  std::filesystem::permissions(directory_, std::filesystem::perms::all);
  EXPECT_EQ(ends_with({"saspd", "--attach", "--interface", "nosuch", "--pins", pins()}, &text), 78);
  EXPECT_NE(text.find("there is no interface 'nosuch'"), std::string::npos) << text;
  EXPECT_EQ(ends_with({"saspd", "--detach", "--pins", pins()}, &text), 69);
  std::string output;
  network_.director.run([&] {
    Program program({"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                     programs + "/saspd", "--attach", "--interface", "c0", "--pins", pins()},
                    path("unprivileged.log"));
    EXPECT_EQ(program.wait(seconds{5}), 77);
    output = program.log();
  });
  EXPECT_NE(output.find("it needs CAP_BPF and CAP_NET_ADMIN: run as root\n"), std::string::npos)
      << output;
  EXPECT_FALSE(std::filesystem::exists(pins())) << "nothing is left of it";
  start({"1", "1", "1", "1"});
  ASSERT_TRUE(all_have_slots(4));
  EXPECT_EQ(ends_with({"saspd", "--backend", "xdp", "--pins", pins(), "--gwm", "127.0.0.1",
                       "--service", "web=tcp:192.0.2.10:80", "--member", "web=10.0.1.2:80",
                       "--control", path("other"), "--ledger", path("other.ledger")},
                      &text),
            75);
}

}  // namespace
}  // namespace saspd::test
