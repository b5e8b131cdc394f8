// SPDX-License-Identifier: Apache-2.0
// sasp-member over TLS as it runs: openssl s_server as a GWM that it must not believe, or that does
// not believe it, and a real sasp-gwm while certificates are replaced.
#include <signal.h>

#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "tests/support/free_port.hpp"
#include "tests/support/openssl_server.hpp"
#include "tests/support/program.hpp"
#include "tests/support/sasp_client.hpp"
#include "tests/support/test_pki.hpp"

namespace saspd::member {
namespace {

using namespace std::chrono_literals;
using saspd::testing::SaspClient;
using test::Arguments;
using test::eventually;
using test::OpensslServer;
using test::Program;
using test::TestPki;

class MemberWithTls : public ::testing::Test {
 protected:
  ~MemberWithTls() override {
    if (HasFailure()) test::show_logs({pki.path("gwm.log"), pki.path("member.log")});
  }

  static Arguments flags(const TlsSettings& settings) {
    Arguments flags{"--tls-ca", settings.ca};
    if (!settings.cert.empty())
      flags.insert(flags.end(), {"--tls-cert", settings.cert, "--tls-key", settings.key});
    if (!settings.crl.empty()) flags.insert(flags.end(), {"--tls-crl", settings.crl});
    return flags;
  }
  static Arguments member(const std::string& command, std::uint16_t port,
                          const TlsSettings& settings) {
    Arguments all{PROGRAMS "/sasp-member",
                  command,
                  "--gwm",
                  fmt::format("localhost:{}", port),
                  "--retry-min",
                  "1",
                  "--lb-uid",
                  "director-1",
                  "--group",
                  "web",
                  "--member",
                  "tcp:127.0.0.1:80"};
    const Arguments tls = flags(settings);
    all.insert(all.end(), tls.begin(), tls.end());
    return all;
  }
  // How `register` ends at that server, and what the operator is told.
  std::pair<int, std::string> registers(const OpensslServer& at, const TlsSettings& settings) {
    std::filesystem::remove(pki.path("member.log"));
    auto arguments = member("register", at.port(), settings);
    arguments.insert(arguments.end(), {"--timeout", "2"});
    Program program(arguments, pki.path("member.log"));
    const int code = program.wait(15s).value_or(-1);
    return {code, program.log()};
  }

  TestPki pki;
};

// ---- openssl s_server ---------------------------------------------------------------------------

TEST_F(MemberWithTls, SpeaksToAServerWithAGoodCertificate) {
  const OpensslServer server(pki, "gwm");
  const auto [code, said] = registers(server, pki.settings("member-1"));
  EXPECT_EQ(code, 69);
  EXPECT_NE(said.find("not registered: header type "), std::string::npos)
      << "which turns our message round: " << said;
}

TEST_F(MemberWithTls, RefusesAServerOfAnotherAuthority) {
  const TestPki other;
  const OpensslServer server(other, "gwm");
  const auto [code, said] = registers(server, pki.settings("member-1"));
  EXPECT_EQ(code, 69);
  EXPECT_EQ(said,
            fmt::format("sasp-member: localhost:{0}: tcp:127.0.0.1:80 of group 'web' of "
                        "'director-1' not registered: TLS with 127.0.0.1:{0}: the peer's "
                        "certificate chain is not trusted: it leads to CN=saspd test CA {1}, "
                        "which is not in --tls-ca\n",
                        server.port(),
                        std::filesystem::path(other.path("")).parent_path().filename().string()));
}

TEST_F(MemberWithTls, RefusesAServerWithAnotherName) {
  pki.issue("other", {"--usage", "server", "--san", "DNS:other.example"});
  const OpensslServer server(pki, "other");
  const auto [code, said] = registers(server, pki.settings("member-1"));
  EXPECT_EQ(code, 69);
  EXPECT_NE(said.find(fmt::format(
                "TLS with 127.0.0.1:{}: the peer's certificate is for 'other' "
                "(other.example), not for 'localhost'; --tls-name sets the expected name\n",
                server.port())),
            std::string::npos)
      << said;
}

TEST_F(MemberWithTls, TellsThatAServerDemandsACertificate) {
  const std::pair<const char*, const char*> versions[] = {
      {"-tls1_2",
       "the peer broke off the handshake (alert 40): it requires our certificate (--tls-cert "
       "and --tls-key), or there is no cipher or version in common\n"},
      {"-tls1_3",
       "the peer requires our certificate (alert 116): give --tls-cert and --tls-key\n"}};
  for (const auto& [version, words] : versions) {
    const OpensslServer server(pki, "gwm", {version});
    const auto [code, said] = registers(server, pki.settings());
    EXPECT_EQ(code, 69) << version;
    EXPECT_TRUE(said.ends_with(words)) << version << ": " << said;
  }
}

TEST_F(MemberWithTls, TellsThatAServerRefusesItsCertificate) {
  const OpensslServer server(pki, "gwm", {"-crl_check", "-CRL", pki.path("crl.pem")});
  const auto [code, said] = registers(server, pki.settings("revoked"));
  EXPECT_EQ(code, 69);
  EXPECT_NE(said.find("TLS: the peer refuses our certificate: revoked (alert 44)\n"),
            std::string::npos)
      << said;
}

// ---- New certificates ---------------------------------------------------------------------------

class MemberWithNewFiles : public MemberWithTls {
 protected:
  void given_gwm() {
    port_ = test::free_port();
    Arguments arguments{PROGRAMS "/sasp-gwm",
                        "--listen",
                        fmt::format("127.0.0.1:{}", port_),
                        "--control",
                        pki.path("control"),
                        "--metrics",
                        "off",
                        "--log-level",
                        "debug"};
    const Arguments tls = flags(pki.settings("gwm"));
    arguments.insert(arguments.end(), tls.begin(), tls.end());
    gwm_.emplace(arguments, pki.path("gwm.log"));
    ASSERT_TRUE(eventually([&] { return gwm_->times_logged("listens on") == 1; })) << gwm_->log();
  }
  void given_member() {
    replace_by("member-1");
    auto settings = pki.settings("live");
    settings.crl = pki.path("crl.pem");
    member_.emplace(member("run", port_, settings), pki.path("member.log"));
  }
  void replace_by(const std::string& name) const {
    for (const auto* end : {".key", ".pem"}) {
      std::filesystem::copy_file(pki.path(name + end), pki.path("new"));
      std::filesystem::rename(pki.path("new"), pki.path(std::string("live") + end));
    }
  }
  bool logs(const std::string& text, std::chrono::milliseconds patience = 15s) const {
    return eventually([&] { return member_->log().find(text) != std::string::npos; }, patience);
  }
  std::size_t connections() const { return gwm_->times_logged("connected, 'member-1'"); }

  std::optional<Program> gwm_;
  std::optional<Program> member_;

 private:
  std::uint16_t port_ = 0;
};

// No load balancer is needed for that: the GWM says so, over a connection that stays.
TEST_F(MemberWithNewFiles, KeepsItsConnectionAndLeavesAGwmThatIsRevoked) {
  given_gwm();
  given_member();
  ASSERT_TRUE(logs("does not know load balancer"));
  pki.issue("next", {"--cn", "member-1", "--san", "IP:127.0.0.1"});
  replace_by("next");
  member_->send(SIGHUP);
  // The look at the files every 10 s would be later.
  EXPECT_TRUE(logs("certificates read again, for new connections", 5s));
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(connections(), 1U) << gwm_->log();
  pki.revoke("gwm");  // without a signal
  EXPECT_TRUE(
      logs("TLS: the peer's certificate (CN=localhost) was revoked by CN=saspd test CA", 25s));
}

}  // namespace
}  // namespace saspd::member
