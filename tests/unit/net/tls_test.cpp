// SPDX-License-Identifier: Apache-2.0
// The files of TLS: which are taken, which are refused and in which words, and how they are
// replaced. Certificates are made by packaging/test-pki.
#include "controller/net/tls.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include <fmt/chrono.h>

#include <boost/asio/post.hpp>

#include "tests/support/program.hpp"
#include "tests/support/test_pki.hpp"

namespace saspd::net {
namespace {

using namespace std::chrono_literals;
using test::TestPki;
using ::testing::TempDir;
using Tone = TlsCredentials::Tone;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class TlsFiles : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { pki_ = new TestPki; }
  static void TearDownTestSuite() { delete std::exchange(pki_, nullptr); }
  static const TestPki& pki() { return *pki_; }

  static void write_file(const std::string& name, const std::string& text) {
    std::ofstream(pki().path(name)) << text;
  }
  static void copy(const std::string& from, const std::string& to) {
    std::filesystem::copy_file(pki().path(from), pki().path(to),
                               std::filesystem::copy_options::overwrite_existing);
  }
  // What is said when these files are not taken; empty: they are.
  static std::string refusal(const TlsSettings& settings, TlsRole role = TlsRole::server) {
    const auto loaded = load_tls(settings, role);
    return loaded ? std::string() : loaded.error().detail;
  }
  static std::string refusal_of_key_mode(mode_t mode, int group = -1) {
    copy("gwm.key", "mode.key");
    EXPECT_EQ(
        ::chown(pki().path("mode.key").c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(group)),
        0);
    EXPECT_EQ(::chmod(pki().path("mode.key").c_str(), mode), 0);
    auto settings = pki().settings("gwm");
    settings.key = pki().path("mode.key");
    return refusal(settings);
  }

 private:
  static inline const TestPki* pki_ = nullptr;
};

TEST_F(TlsFiles, AreReadAndKnown) {
  auto settings = pki().settings("gwm");
  settings.crl = pki().path("crl.pem");
  const auto loaded = load_tls(settings, TlsRole::server);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  const TlsContext& tls = **loaded;
  ASSERT_EQ(tls.own.size(), 1U);
  const CertificateInfo& own = tls.own.front();
  EXPECT_EQ(own.subject, "CN=localhost");
  EXPECT_TRUE(own.issuer.starts_with("CN=saspd test CA"));
  EXPECT_EQ(own.identity.common_name, "localhost");
  EXPECT_EQ(own.identity.dns_names, (std::vector<std::string>{"localhost", "gwm.example"}));
  EXPECT_EQ(own.identity.addresses,
            (std::vector{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")}));
  EXPECT_EQ(own.identity.fingerprint.size(), 64U);
  EXPECT_GE(own.not_after - own.not_before, std::chrono::days{89});
  EXPECT_EQ(tls.authorities.size(), 1U);
  ASSERT_EQ(tls.revocation_lists.size(), 1U);
  EXPECT_EQ(tls.revocation_lists.front().issuer, own.issuer);
  EXPECT_TRUE(tls.revocation_lists.front().next_update);
  EXPECT_TRUE(tls_warnings(tls, wall_now()).empty());
}

TEST_F(TlsFiles, NamesOfEveryTypeAreKnown) {
  pki().issue("names", {"--cn", "LB 1", "--san", "URI:sasp:lb:1", "--san", "email:a@example",
                        "--san", "DNS:LB1.Example", "--san", "IP:192.0.2.1"});
  const auto loaded = load_tls(pki().settings("names"), TlsRole::client);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  const PeerIdentity& identity = (*loaded)->own.front().identity;
  EXPECT_EQ(identity.common_name, "LB 1");
  EXPECT_EQ(identity.uris, std::vector<std::string>{"sasp:lb:1"});
  EXPECT_EQ(identity.emails, std::vector<std::string>{"a@example"});
  EXPECT_EQ(identity.dns_names, std::vector<std::string>{"lb1.example"});
  EXPECT_EQ(identity.addresses, std::vector{*IpAddress::parse("192.0.2.1")});
  EXPECT_EQ(identity.text(), "'LB 1' (lb1.example, 192.0.2.1, sasp:lb:1, a@example)");
}

TEST_F(TlsFiles, MissingOnesAreNamed) {
  auto settings = pki().settings("gwm");
  settings.ca = pki().path("none.pem");
  EXPECT_EQ(refusal(settings),
            fmt::format("cannot read {}: No such file or directory", settings.ca));
  settings = pki().settings("gwm");
  settings.key = TempDir();
  EXPECT_EQ(refusal(settings), TempDir() + " is not a regular file");
}

TEST_F(TlsFiles, OtherContentIsRefused) {
  auto settings = pki().settings("gwm");
  settings.ca = pki().path("gwm.key");
  EXPECT_EQ(refusal(settings), settings.ca +
                                   ": it contains no certificate; PEM is expected, with a line "
                                   "'-----BEGIN ...'");
  settings = pki().settings("gwm");
  settings.key = pki().path("gwm.pem");
  EXPECT_TRUE(contains(refusal(settings), settings.key + ": it contains no private key"));
  settings = pki().settings("gwm");
  settings.crl = pki().path("ca.pem");
  EXPECT_TRUE(contains(refusal(settings), settings.crl + ": it contains no revocation list"));
  pki().shell("sed 's/^MI/XX/' ca.pem >tail.pem; cat gwm.pem tail.pem >broken.pem");
  settings = pki().settings("gwm");
  settings.cert = pki().path("broken.pem");
  EXPECT_TRUE(contains(refusal(settings), "certificate number 2 in it is broken"))
      << refusal(settings);
}

TEST_F(TlsFiles, AKeyMustBelongToTheCertificate) {
  auto settings = pki().settings("gwm");
  settings.key = pki().path("director-1.key");
  EXPECT_EQ(refusal(settings),
            fmt::format("the key {} does not belong to the certificate {} (CN=localhost)",
                        settings.key, settings.cert));
}

TEST_F(TlsFiles, AnEncryptedKeyIsRefusedWithoutAQuestion) {
  pki().shell("openssl pkey -in gwm.key -aes128 -passout pass:secret -out encrypted.key");
  auto settings = pki().settings("gwm");
  settings.key = pki().path("encrypted.key");
  EXPECT_TRUE(contains(refusal(settings), "the private key is encrypted"));
}

TEST_F(TlsFiles, AKeyThatOthersMayReadIsRefused) {
  EXPECT_EQ(refusal_of_key_mode(0600), "");
  EXPECT_EQ(refusal_of_key_mode(0400), "");
  EXPECT_EQ(refusal_of_key_mode(0640, static_cast<int>(::getegid())), "");
  EXPECT_TRUE(contains(refusal_of_key_mode(0604), "every user may read or write"));
  EXPECT_TRUE(contains(refusal_of_key_mode(0644), "mode 0644"));
  EXPECT_TRUE(contains(refusal_of_key_mode(0602), "every user may read or write"));
  EXPECT_TRUE(contains(refusal_of_key_mode(0660), "may write the private key"));
}

TEST_F(TlsFiles, AKeyThatAnotherGroupMayReadIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files to another group";
  EXPECT_TRUE(contains(refusal_of_key_mode(0640, 54321), "group 54321, which is not ours"));
  EXPECT_EQ(refusal_of_key_mode(0600, 54321), "");
}

// As systemd's LoadCredential= and certbot's live folder have them.
TEST_F(TlsFiles, ALinkCountsAsWhatItPointsTo) {
  auto settings = pki().settings("gwm");
  settings.key = pki().path("link.key");
  std::filesystem::create_symlink(pki().path("gwm.key"), settings.key);
  EXPECT_EQ(refusal(settings), "");
}

TEST_F(TlsFiles, ACertificateOutOfItsTimeIsRefusedWithTheDate) {
  pki().issue("old",
              {"--usage", "server", "--from", "20200101000000Z", "--until", "20210131120000Z"});
  pki().issue("early",
              {"--usage", "server", "--from", "20450101000000Z", "--until", "20460101000000Z"});
  EXPECT_EQ(refusal(pki().settings("old")),
            pki().path("old.pem") +
                ": the certificate of CN=old expired on 2021-01-31 12:00:00 UTC; renew it");
  EXPECT_EQ(refusal(pki().settings("early")),
            pki().path("early.pem") +
                ": the certificate of CN=early is valid from 2045-01-01 "
                "00:00:00 UTC on; is the clock of this machine right?");
}

TEST_F(TlsFiles, AWeakKeyIsRefused) {
  pki().shell(
      "openssl req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem "
      "-subj /CN=weak -days 9; chmod 0600 weak.key");
  EXPECT_TRUE(contains(refusal(pki().settings("weak")), "ee key too small"))
      << refusal(pki().settings("weak"));
}

TEST_F(TlsFiles, WarningsComeInTime) {
  auto settings = pki().settings("gwm");
  settings.crl = pki().path("crl.pem");
  const auto loaded = load_tls(settings, TlsRole::server);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  const WallTime end = (*loaded)->own.front().not_after;
  const auto warned = [&](WallTime now) {
    const auto warnings = tls_warnings(**loaded, now);
    return warnings.empty() ? std::string() : warnings.front();
  };
  EXPECT_EQ(warned(end - std::chrono::days{31}), "");
  EXPECT_EQ(warned(end - std::chrono::days{30}),
            fmt::format("{}: the certificate of CN=localhost expires in 30 days, on {}",
                        settings.cert, text(end)));
  EXPECT_TRUE(contains(warned(end - 24h), "expires in 24 h"));
  EXPECT_TRUE(contains(warned(end + 1s), "expired on " + text(end)));
  const auto after_list = *(*loaded)->revocation_lists.front().next_update + 1s;
  const auto warnings = tls_warnings(**loaded, after_list);
  EXPECT_TRUE(std::any_of(warnings.begin(), warnings.end(), [](const auto& warning) {
    return contains(warning, "the revocation list of CN=saspd test CA");
  }));
}

TEST_F(TlsFiles, WhatIsHardlyMeantIsRemarked) {
  const auto client = load_tls(pki().settings("gwm"), TlsRole::client);
  ASSERT_TRUE(client) << client.error().detail;
  EXPECT_TRUE(contains(tls_warnings(**client, wall_now()).at(0), "is not for use by a client"));
  pki().shell("cat gwm.pem director-1.pem >wrong-chain.pem; cp gwm.key wrong-chain.key");
  const auto chain = load_tls(pki().settings("wrong-chain"), TlsRole::server);
  ASSERT_TRUE(chain) << chain.error().detail;
  EXPECT_TRUE(contains(tls_warnings(**chain, wall_now()).at(0), "did not issue the one before it"));
}

// ---- Rules --------------------------------------------------------------------------------------

TEST_F(TlsFiles, AreUsedUnderOurRules) {
  for (const TlsRole role : {TlsRole::client, TlsRole::server}) {
    const auto loaded = load_tls(pki().settings("gwm"), role);
    ASSERT_TRUE(loaded) << loaded.error().detail;
    SSL_CTX* const context = (*loaded)->context.native_handle();
    EXPECT_GE(SSL_CTX_get_min_proto_version(context), TLS1_2_VERSION);
    EXPECT_GE(SSL_CTX_get_security_level(context), 2);
    constexpr auto options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET;
    EXPECT_EQ(SSL_CTX_get_options(context) & options, options);
  }
}

// Debian's own rules are as strict as ours and would hide what we do not say.
TEST_F(TlsFiles, AreUsedUnderOurRulesWhereTheSystemHasWeakOnes) {
  const char* const weak_here = std::getenv("SASPD_TEST_WEAK_RULES");
  if (weak_here != nullptr) {
    const std::unique_ptr<SSL_CTX, FreedBy<SSL_CTX_free>> system(SSL_CTX_new(TLS_method()));
    EXPECT_EQ(SSL_CTX_get_security_level(system.get()), 0) << "the other test would prove nothing";
    EXPECT_EQ(SSL_CTX_get_min_proto_version(system.get()), TLS1_VERSION);
    return;
  }
  write_file("weak.cnf",
             "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = weak\n[weak]\n"
             "MinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n");
  test::Program again({"env", "OPENSSL_CONF=" + pki().path("weak.cnf"), "SASPD_TEST_WEAK_RULES=1",
                       std::filesystem::read_symlink("/proc/self/exe"),
                       "--gtest_filter=TlsFiles.AreUsedUnderOurRules*"},
                      pki().path("weak.log"));
  EXPECT_EQ(again.wait(60s), 0) << again.log();
}

// ---- Replacing ----------------------------------------------------------------------------------

class TlsReload : public TlsFiles {
 protected:
  TlsReload() {
    copy("gwm.pem", "live.pem");
    copy("gwm.key", "live.key");
    pki().issue("next", {"--usage", "server", "--san", "DNS:next"});
  }
  static void replace(const std::string& from, const std::string& to) {
    copy(from, to + ".new");
    std::filesystem::rename(pki().path(to + ".new"), pki().path(to));
  }
  // The event loop until then.
  bool told(const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < end) {
      for (const auto& [tone, said] : told_) {
        if (contains(said, text)) return true;
      }
      io.restart();
      io.run_for(20ms);
    }
    return false;
  }
  bool tells_within(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
    return !told_.empty();
  }
  std::string subject() const { return credentials.current()->own.front().subject; }

  boost::asio::io_context io;
  std::vector<std::pair<Tone, std::string>> told_;
  TlsCredentials credentials{
      io, pki().settings("live"), TlsRole::server,
      [this](Tone tone, const std::string& text) { told_.emplace_back(tone, text); },
      TlsPace{.look = 20ms, .warn = 2s}};
};

TEST_F(TlsReload, NewFilesAreNoticed) {
  ASSERT_TRUE(credentials.load());
  credentials.watch();
  const auto before = credentials.current();
  replace("next.key", "live.key");
  replace("next.pem", "live.pem");
  EXPECT_TRUE(told("certificates read again"));
  EXPECT_EQ(subject(), "CN=next");
  EXPECT_EQ(before->own.front().subject, "CN=localhost") << "the old context never changes";
}

TEST_F(TlsReload, BadFilesChangeNothing) {
  ASSERT_TRUE(credentials.load());
  credentials.watch();
  const auto before = credentials.current();
  replace("next.key", "live.key");
  EXPECT_TRUE(told("does not belong to the certificate"));
  EXPECT_TRUE(told("the old certificates stay in use"));
  EXPECT_EQ(credentials.current(), before);
  EXPECT_EQ(told_.size(), 1U) << "told once, not at every look";
  EXPECT_EQ(told_.front().first, Tone::warning);
  EXPECT_TRUE(contains(credentials.error(), "does not belong to the certificate"));
  replace("next.pem", "live.pem");
  EXPECT_TRUE(told("certificates read again"));
  EXPECT_EQ(subject(), "CN=next");
}

// Nothing about the file changes when its time has come, or when descriptors are there again.
TEST_F(TlsReload, WhatCouldNotBeUsedIsTriedAgain) {
  ASSERT_TRUE(credentials.load());
  credentials.watch();
  const std::time_t soon = std::chrono::system_clock::to_time_t(wall_now()) + 2;
  const auto from = fmt::format("{:%Y%m%d%H%M%SZ}", fmt::gmtime(soon));
  pki().issue("soon", {"--usage", "server", "--cn", "soon", "--from", from});
  replace("soon.key", "live.key");
  replace("soon.pem", "live.pem");
  EXPECT_TRUE(told("is valid from"));
  EXPECT_NE(subject(), "CN=soon");
  EXPECT_TRUE(told("certificates read again"));
  EXPECT_EQ(subject(), "CN=soon");
  EXPECT_EQ(credentials.error(), "");
}

// A restart would fail, so it is not kept for then.
TEST_F(TlsReload, FilesThatAreGoneAreReported) {
  ASSERT_TRUE(credentials.load());
  credentials.watch();
  const auto before = credentials.current();
  std::filesystem::remove(pki().path("live.pem"));
  EXPECT_TRUE(told("live.pem: No such file or directory; the old certificates stay in use"));
  EXPECT_EQ(told_.size(), 1U);
  EXPECT_EQ(credentials.current(), before);
  EXPECT_TRUE(contains(credentials.error(), "No such file or directory"));
}

TEST_F(TlsReload, ASignalReadsThemAtOnceAndAnswers) {
  ASSERT_TRUE(credentials.load());
  const auto before = credentials.current();
  credentials.reload();
  EXPECT_NE(credentials.current(), before);
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_.front().first, Tone::info);
}

TEST_F(TlsReload, WithoutAFirstContextNothingStarts) {
  std::filesystem::remove(pki().path("live.pem"));
  EXPECT_FALSE(credentials.load());
  EXPECT_FALSE(credentials.current());
}

TEST_F(TlsReload, WhatEndsSoonIsTold) {
  const std::time_t soon = std::chrono::system_clock::to_time_t(wall_now()) + 10 * 86400 + 3600;
  pki().issue("short",
              {"--usage", "server", "--until", fmt::format("{:%Y%m%d%H%M%SZ}", fmt::gmtime(soon))});
  replace("short.key", "live.key");
  replace("short.pem", "live.pem");
  ASSERT_TRUE(credentials.load());
  const std::string warning =
      pki().path("live.pem") + ": the certificate of CN=short expires in 10 days, on ";
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_.front().first, Tone::warning);
  EXPECT_TRUE(told_.front().second.starts_with(warning)) << told_.front().second;
  told_.clear();
  credentials.watch();
  EXPECT_FALSE(tells_within(300ms)) << "not at every look";
  EXPECT_TRUE(told(warning)) << "but when the time for it has come";
  told_.clear();
  credentials.reload();
  EXPECT_TRUE(told(warning)) << "who asks is told again";
}

TEST_F(TlsReload, StoppedTheEventLoopEnds) {
  ASSERT_TRUE(credentials.load());
  credentials.watch();
  boost::asio::post(io, [this] { credentials.stop(); });
  EXPECT_GT(io.run(), 0U) << "and returns";
}

}  // namespace
}  // namespace saspd::net
