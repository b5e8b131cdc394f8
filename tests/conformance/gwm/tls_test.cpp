// SPDX-License-Identifier: Apache-2.0
// sasp-gwm with TLS as it runs: the link of saspd, openssl s_client and plain peers against it,
// over loopback. Who is refused is told on both sides.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "controller/net/tls.hpp"
#include "controller/programs/gwm_links.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/sasp/linked_session.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/held_handshake.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/privileges.hpp"
#include "tests/support/program.hpp"
#include "tests/support/sasp_client.hpp"
#include "tests/support/test_pki.hpp"

namespace saspd::gwm {
namespace {

using namespace std::chrono_literals;
using sasp::LinkState;
using saspd::testing::SaspClient;
using test::Arguments;
using test::eventually;
using test::free_port;
using test::Program;
using test::TestPki;

const std::string sasp_gwm = PROGRAMS "/sasp-gwm";
const std::string sasp_member = PROGRAMS "/sasp-member";
const std::string saspctl = PROGRAMS "/saspctl";

// A load balancer, with saspd's own links. It runs while somebody waits for something.
class LoadBalancer {
 public:
  LoadBalancer(std::uint16_t port, std::optional<TlsSettings> tls, const std::string& host,
               const std::string& lb_uid = "director-1")
      : core_(lb_uid), links_(io_, core_, [] {}) {
    net::LinkSettings settings;
    settings.host = host;
    settings.port = port;
    if (tls) {
      tls_.emplace(io_, *tls, TlsRole::client,
                   [](net::TlsCredentials::Tone, const std::string&) {});
      const auto loaded = tls_->load();
      EXPECT_TRUE(loaded) << loaded.error().detail;
      tls_->when_replaced([this] { links_.check_certificates_again(); });
      settings.tls = &*tls_;
    }
    links_.add(settings);
    links_.start();
  }

  template <class Condition>
  bool until(Condition condition, std::chrono::milliseconds patience = 10s) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition() && std::chrono::steady_clock::now() < end)
      io_.run_for(20ms);
    return condition();
  }
  bool becomes(LinkState state) {
    return until([&] { return core_.view().state == state; });
  }
  bool fails_with(const std::string& words) {
    return until([&] { return last_error().find(words) != std::string::npos; });
  }
  bool was(LinkState state) const {
    return std::find(states().begin(), states().end(), state) != states().end();
  }
  std::string last_error() const { return core_.view().last_error; }
  void reload() { tls_->reload(); }

  int weight() const { return core_.weight; }
  int received() const { return core_.answers; }
  const std::vector<LinkState>& states() const { return core_.states; }

 private:
  class Core {
   public:
    using Link = sasp::LinkedSession<sasp::LbSession>;

    explicit Core(const std::string& lb_uid)
        : link_(session(lb_uid), 100ms, net::random_seed(), Clock::now()) {}

    void connecting(std::size_t, TimePoint now) {
      link_.connecting(now);
      note();
    }
    sasp::LinkStep connected(std::size_t, TimePoint now) { return take(link_.connected(now)); }
    sasp::LinkStep received(std::size_t, sasp::ByteView bytes, TimePoint now) {
      return take(link_.received(bytes, now));
    }
    sasp::LinkStep timed_out(std::size_t, TimePoint now) { return take(link_.timed_out(now)); }
    std::optional<TimePoint> deadline(std::size_t) const { return link_.deadline(); }
    bool lost(std::size_t, const std::string& why, TimePoint now) {
      const bool matters = link_.lost(why, now);
      note();
      return matters;
    }
    Duration ended(std::size_t, const sasp::LinkEnd& end, TimePoint now) {
      const auto delay = link_.ended(end, now).delay;
      note();
      return delay;
    }
    sasp::LinkView view() const { return link_.view(Clock::now()); }

    int weight = -1;  // as advised last
    int answers = 0;  // with weights
    std::vector<LinkState> states;

   private:
    static sasp::LbSession session(const std::string& lb_uid) {
      sasp::LbSessionConfig config;
      config.lb_uid = lb_uid;
      config.interval = 1s;
      config.trust = true;
      sasp::LbSession session(config);
      session.want({{"web", {{sasp::MemberKey{*IpAddress::parse("10.0.0.1"), 6, 80}, ""}}}},
                   Clock::now());
      return session;
    }
    sasp::LinkStep take(Link::Step step) {
      note();
      for (const auto& event : step.events) {
        const auto* got = std::get_if<sasp::WeightsReceived>(&event);
        if (got == nullptr) continue;
        ++answers;
        for (const auto& group : got->groups) {
          for (const auto& entry : group.items)
            weight = entry.weight;
        }
      }
      return std::move(step.link);
    }
    void note() {
      if (states.empty() || states.back() != link_.state()) states.push_back(link_.state());
    }

    Link link_;
  };

  boost::asio::io_context io_;
  std::optional<net::TlsCredentials> tls_;
  Core core_;
  programs::GwmLinks<Core> links_;
};

class GwmWithTls : public ::testing::Test {
 protected:
  ~GwmWithTls() override {
    if (HasFailure() && program_) std::cerr << program_->log();
  }

  // With the certificate of `name`; other options may follow.
  void given_gwm(const std::string& name = "gwm", const Arguments& more = {}) {
    Arguments arguments = flags(pki.settings(name));
    arguments.insert(arguments.end(), more.begin(), more.end());
    start(arguments);
  }
  void given_plain_gwm() { start({}); }

  static Arguments flags(const TlsSettings& settings) {
    return {"--tls-ca", settings.ca, "--tls-cert", settings.cert, "--tls-key", settings.key};
  }
  LoadBalancer load_balancer(const std::string& certificate = "director-1",
                             const std::string& host = "127.0.0.1") const {
    return {port, pki.settings(certificate), host};
  }
  LoadBalancer plain_load_balancer() const { return {port, std::nullopt, "127.0.0.1"}; }

  bool logs(const std::string& text, std::chrono::milliseconds patience = 15s) const {
    return eventually([&] { return program_->log().find(text) != std::string::npos; }, patience);
  }
  void replace(const std::string& from, const std::string& to) const {
    std::filesystem::copy_file(pki.path(from), pki.path("new"),
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::rename(pki.path("new"), pki.path(to));
  }
  void write_authority(const std::string& text) const {
    std::ofstream(pki.path("new")) << text;
    std::filesystem::rename(pki.path("new"), pki.path("authority"));
  }
  // What openssl s_client says to the GWM's certificate, and the other way round.
  std::string s_client(const Arguments& more) const {
    std::filesystem::remove(pki.path("s_client.log"));
    Arguments arguments{"timeout",  "5",        "openssl",
                        "s_client", "-connect", fmt::format("127.0.0.1:{}", port),
                        "-ign_eof", "-CAfile",  pki.path("ca.pem")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Program program(arguments, pki.path("s_client.log"));
    EXPECT_TRUE(program.wait(10s));
    return program.log();
  }
  // OpenSSL before 3.2 has blanks around the sign.
  static bool shows(const std::string& said, const std::string& name) {
    return said.find("subject=CN=" + name) != std::string::npos ||
           said.find("subject=CN = " + name) != std::string::npos;
  }
  static Arguments with(Arguments arguments, const Arguments& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Arguments member(const std::string& command, const Arguments& tls,
                   const std::string& address = "127.0.0.1") const {
    return with({sasp_member, command, "--gwm", fmt::format("localhost:{}", port), "--lb-uid",
                 "director-1", "--group", "web", "--member", "tcp:" + address + ":80"},
                tls);
  }
  // The exit code of a run that ends by itself, and what it said.
  std::pair<int, std::string> ends(const Arguments& arguments) const {
    return runs(with({sasp_gwm}, arguments));
  }
  std::pair<int, std::string> runs(const Arguments& arguments) const {
    std::filesystem::remove(pki.path("end"));
    Program program(arguments, pki.path("end"));
    const int code = program.wait(10s).value_or(-1);
    return {code, program.log()};
  }

  TestPki pki;
  std::optional<Program> program_;
  std::uint16_t port = 0;
  std::uint16_t metrics_port = 0;
  Arguments machine_;  // in front of the program: where_user()

 private:
  void start(const Arguments& more) {
    std::ofstream(pki.path("weights")) << "web 10.0.0.1:80 40\n";
    bool listens = false;
    for (int tries = 0; tries < 5 && !listens; ++tries) {  // another program may take the port
      port = free_port();
      metrics_port = free_port();
      Arguments arguments = machine_;
      arguments.insert(arguments.end(), {sasp_gwm, "--listen", fmt::format("127.0.0.1:{}", port)});
      for (const std::string& argument :
           {std::string("--metrics"), fmt::format("127.0.0.1:{}", metrics_port),
            std::string("--weights"), pki.path("weights"), std::string("--control"),
            pki.path("control"), std::string("--interval"), std::string("1"),
            std::string("--log-level"), std::string("debug")})
        arguments.push_back(argument);
      arguments.insert(arguments.end(), more.begin(), more.end());
      std::filesystem::remove(pki.path("gwm.log"));
      program_.emplace(arguments, pki.path("gwm.log"));
      listens = eventually([&] {
        return program_->log().find("listens on") != std::string::npos ||
               program_->wait(0ms).has_value();
      });
      listens = listens && !program_->wait(0ms);
    }
    ASSERT_TRUE(listens) << program_->log();
  }
};

TEST_F(GwmWithTls, AdvisesOverTlsAndKnowsItsPeer) {
  given_gwm();
  auto lb = load_balancer("director-1", "localhost");
  EXPECT_TRUE(lb.until([&] { return lb.weight() == 40; })) << lb.last_error();
  EXPECT_TRUE(logs("with TLS"));
  EXPECT_TRUE(logs("connected, 'director-1'"));
}

TEST_F(GwmWithTls, ShowsWhenItsCertificatesEnd) {
  given_gwm("gwm", {"--tls-crl", pki.path("crl.pem")});
  const auto loaded = net::load_tls(pki.settings("gwm"), TlsRole::server);
  ASSERT_TRUE(loaded);
  const auto end = (*loaded)->own.front().not_after.time_since_epoch().count();
  const auto line =
      fmt::format("sasp_gwm_tls_certificate_expiry_timestamp_seconds{{role=\"own\"}} {}\n", end);
  std::string text;
  EXPECT_TRUE(eventually([&] {
    text = test::http_get({*IpAddress::parse("127.0.0.1"), metrics_port}, "/metrics");
    return text.find(line) != std::string::npos;
  })) << text;
  EXPECT_NE(text.find("{role=\"ca\"}"), std::string::npos);
  EXPECT_NE(text.find("{role=\"crl\"}"), std::string::npos);
}

TEST_F(GwmWithTls, IsNotBelievedUnderAnotherName) {
  given_gwm();
  auto settings = pki.settings("director-1");
  settings.name = "gwm.example.org";
  LoadBalancer lb(port, settings, "127.0.0.1");
  EXPECT_TRUE(lb.becomes(LinkState::tls_error));
  EXPECT_EQ(lb.last_error(),
            fmt::format("TLS with 127.0.0.1:{}: the peer's certificate is for 'localhost' "
                        "(localhost, gwm.example, 127.0.0.1, ::1), not for 'gwm.example.org'; "
                        "--tls-name sets the expected name",
                        port));
  EXPECT_FALSE(lb.was(LinkState::established));
  EXPECT_TRUE(logs("TLS: the peer refuses our certificate: bad certificate, or for another name"));
}

TEST_F(GwmWithTls, RecoversFromATlsError) {
  pki.issue("other", {"--usage", "server", "--san", "DNS:other.example"});
  given_gwm("other");
  auto lb = load_balancer();
  EXPECT_TRUE(lb.becomes(LinkState::tls_error));
  replace("gwm.key", "other.key");
  replace("gwm.pem", "other.pem");
  program_->send(SIGHUP);
  EXPECT_TRUE(logs("certificates read again"));
  EXPECT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();
}

// TLS 1.3: the link's handshake was over; it is no success, and the reason is told.
TEST_F(GwmWithTls, DemandsACertificate) {
  given_gwm();
  auto lb = load_balancer("");
  EXPECT_TRUE(lb.becomes(LinkState::tls_error));
  EXPECT_EQ(lb.last_error(),
            "TLS: the peer requires our certificate (alert 116): give --tls-cert and "
            "--tls-key");
  EXPECT_FALSE(lb.was(LinkState::established));
  EXPECT_EQ(lb.weight(), -1);
  EXPECT_TRUE(logs("TLS: the peer has no certificate, but --tls-ca requires one"));
  EXPECT_NE(s_client({"-tls1_3"}).find("alert certificate required"), std::string::npos);
  EXPECT_NE(s_client({"-tls1_2"}).find("alert handshake failure"), std::string::npos);
}

TEST_F(GwmWithTls, RefusesARevokedCertificate) {
  given_gwm("gwm", {"--tls-crl", pki.path("crl.pem")});
  auto revoked = load_balancer("revoked");
  EXPECT_TRUE(revoked.becomes(LinkState::tls_error));
  EXPECT_EQ(revoked.last_error(), "TLS: the peer refuses our certificate: revoked (alert 44)");
  EXPECT_TRUE(logs("(CN=revoked) was revoked by CN=saspd test CA"));
  auto good = load_balancer();
  EXPECT_TRUE(good.becomes(LinkState::established)) << good.last_error();
}

TEST_F(GwmWithTls, RevokesWhileItRuns) {
  given_gwm("gwm", {"--tls-crl", pki.path("crl.pem")});
  pki.issue("spare", {"--cn", "director-1"});
  auto before = load_balancer("spare");
  EXPECT_TRUE(before.becomes(LinkState::established)) << before.last_error();
  pki.revoke("spare");
  program_->send(SIGHUP);
  EXPECT_TRUE(logs("certificates read again"));
  auto after = load_balancer("spare");
  EXPECT_TRUE(after.becomes(LinkState::tls_error)) << after.last_error();
}

TEST_F(GwmWithTls, RefusesAnExpiredCertificate) {
  given_gwm();
  pki.issue("late", {"--from", "20200101000000Z", "--until", "20210131120000Z"});
  const auto said = s_client({"-cert", pki.path("late.pem"), "-key", pki.path("late.key")});
  EXPECT_NE(said.find("alert certificate expired"), std::string::npos) << said;
  EXPECT_TRUE(logs("the peer's certificate (CN=late) expired on 2021-01-31 12:00:00 UTC"));
}

TEST_F(GwmWithTls, SpeaksNoOldTls) {
  given_gwm("gwm", {"--tls-min", "1.3"});
  const auto said = s_client(
      {"-tls1_2", "-cert", pki.path("director-1.pem"), "-key", pki.path("director-1.key")});
  EXPECT_NE(said.find("alert protocol version"), std::string::npos) << said;
  EXPECT_TRUE(logs("older than we accept (--tls-min)"));
  auto lb = load_balancer();
  EXPECT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();
}

// ---- One side without TLS -----------------------------------------------------------------------

TEST_F(GwmWithTls, TellsOfAPlainPeer) {
  given_gwm();
  SaspClient client(port);
  client.sends(1, sasp::GetWeightsRequest{{{"lb1", ""}}});
  EXPECT_TRUE(client.is_closed());
  EXPECT_TRUE(logs("TLS: the peer does not speak TLS on this connection"));
  auto lb = plain_load_balancer();
  EXPECT_TRUE(lb.fails_with("does it require TLS?")) << lb.last_error();
}

TEST_F(GwmWithTls, APlainOneTellsOfAPeerWithTls) {
  given_plain_gwm();
  auto lb = load_balancer();
  EXPECT_TRUE(lb.becomes(LinkState::tls_error));
  EXPECT_TRUE(lb.fails_with("does it speak TLS there?")) << lb.last_error();
  EXPECT_TRUE(logs("the peer speaks TLS but we do not"));
}

// ---- New certificates ---------------------------------------------------------------------------

TEST_F(GwmWithTls, ReplacesItsCertificateUnderOpenConnections) {
  pki.issue("next", {"--usage", "server", "--cn", "next", "--san", "IP:127.0.0.1"});
  replace("gwm.pem", "live.pem");
  replace("gwm.key", "live.key");
  given_gwm("live");
  auto lb = load_balancer();
  ASSERT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();

  replace("next.key", "live.key");
  program_->send(SIGHUP);
  EXPECT_TRUE(logs("does not belong to the certificate", 5s)) << "at once, not at the next look";
  EXPECT_TRUE(logs("the old certificates stay in use"));
  const auto metrics = test::http_get({*IpAddress::parse("127.0.0.1"), metrics_port}, "/metrics");
  EXPECT_NE(metrics.find("sasp_gwm_tls_files_ok 0\n"), std::string::npos);
  const auto [unwell, said] = runs({saspctl, "--socket", pki.path("control"), "status", "--check"});
  EXPECT_EQ(unwell, 1);
  EXPECT_NE(said.find("the old certificates stay in use"), std::string::npos) << said;
  const Arguments identity{"-cert", pki.path("director-1.pem"), "-key", pki.path("director-1.key")};
  EXPECT_TRUE(shows(s_client(identity), "localhost"));

  replace("next.pem", "live.pem");  // without a signal
  EXPECT_TRUE(logs("certificates read again, for new connections", 25s));
  EXPECT_TRUE(shows(s_client(identity), "next"));

  const int before = lb.received();
  EXPECT_TRUE(lb.until([&] { return lb.received() > before + 1; })) << "the connection goes on";
  EXPECT_FALSE(lb.was(LinkState::down_trying));
}

// Root reads neither the key nor its successor, its own user does: mode 0640, and that group.
TEST_F(GwmWithTls, ReadsItsKeysAsItsOwnUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "this is for root";
  ASSERT_EQ(::chmod(pki.path("ca.pem").c_str(), 0644), 0);
  const auto put = [this](const std::string& name) {
    const auto key = pki.path(name + ".key");
    ASSERT_EQ(::chmod(pki.path(name + ".pem").c_str(), 0644), 0);
    ASSERT_EQ(::chown(key.c_str(), 0, 4711), 0);
    ASSERT_EQ(::chmod(key.c_str(), 0640), 0);
    std::filesystem::rename(key, pki.path("live.key"));
    std::filesystem::rename(pki.path(name + ".pem"), pki.path("live.pem"));
  };
  pki.issue("next", {"--usage", "server", "--cn", "next", "--san", "IP:127.0.0.1"});
  std::filesystem::permissions(pki.path(""), std::filesystem::perms(0711));
  machine_ = test::where_user(pki.path(""), "sasp-gwm", 4711);
  put("gwm");
  given_gwm("live");
  auto lb = load_balancer();
  ASSERT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();
  test::expect_only(program_->pid(), 4711, 0);
  put("next");
  program_->send(SIGHUP);
  EXPECT_TRUE(logs("certificates read again, for new connections"));
}

// As systemd starts it, too: keys are often for a group of their own. --check sees what the program
// would.
TEST_F(GwmWithTls, ReadsItsKeysAsAMemberOfTheirGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "this is for root";
  for (const auto* file : {"ca.pem", "gwm.pem"})
    ASSERT_EQ(::chmod(pki.path(file).c_str(), 0644), 0);
  ASSERT_EQ(::chown(pki.path("gwm.key").c_str(), 0, 4712), 0);
  ASSERT_EQ(::chmod(pki.path("gwm.key").c_str(), 0640), 0);
  std::filesystem::permissions(pki.path(""), std::filesystem::perms(0711));
  const auto check = [this] {
    Arguments arguments = machine_;
    const auto tls = flags(pki.settings("gwm"));
    arguments.insert(arguments.end(), {sasp_gwm, "--check"});
    arguments.insert(arguments.end(), tls.begin(), tls.end());
    return runs(arguments);
  };
  machine_ = test::where_user(pki.path(""), "sasp-gwm", 4711);
  EXPECT_EQ(check().first, 78) << check().second;
  machine_ = test::where_user(pki.path(""), "sasp-gwm", 4711, 4712);
  EXPECT_EQ(check().first, 0) << check().second;
  given_gwm();
  auto lb = load_balancer();
  EXPECT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();
}

// A thief's certificate is taken back; what it has open is not its own any more.
TEST_F(GwmWithTls, ARevokedCertificateLosesItsConnection) {
  given_gwm("gwm", {"--tls-crl", pki.path("crl.pem")});
  pki.issue("director-2");
  auto honest = load_balancer("director-1");
  LoadBalancer thief(port, pki.settings("director-2"), "127.0.0.1", "director-2");
  ASSERT_TRUE(honest.becomes(LinkState::established)) << honest.last_error();
  ASSERT_TRUE(thief.becomes(LinkState::established)) << thief.last_error();
  pki.revoke("director-2");
  program_->send(SIGHUP);
  EXPECT_TRUE(logs("certificates read again"));
  EXPECT_TRUE(thief.fails_with("revoked")) << thief.last_error();
  EXPECT_TRUE(thief.becomes(LinkState::tls_error));
  EXPECT_TRUE(logs("TLS: the peer's certificate (CN=director-2) was revoked by"));
  const int before = honest.received();
  EXPECT_TRUE(honest.until([&] { return honest.received() > before + 1; }));
  EXPECT_FALSE(honest.was(LinkState::down_trying));
}

TEST_F(GwmWithTls, ALoadBalancerLeavesAGwmThatIsRevoked) {
  given_gwm();
  auto settings = pki.settings("director-1");
  settings.crl = pki.path("crl.pem");
  LoadBalancer lb(port, settings, "127.0.0.1");
  ASSERT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();
  lb.reload();
  const int before = lb.received();
  EXPECT_TRUE(lb.until([&] { return lb.received() > before + 1; })) << lb.last_error();
  EXPECT_FALSE(lb.was(LinkState::down_trying)) << "nothing is wrong";
  EXPECT_FALSE(lb.was(LinkState::tls_error)) << "nothing is wrong";
  pki.revoke("gwm");
  lb.reload();
  EXPECT_TRUE(lb.fails_with("the peer's certificate (CN=localhost) was revoked by"))
      << lb.last_error();
}

// With TLS 1.2 a server has the last word, long after its certificate was looked at.
TEST_F(GwmWithTls, ALoadBalancerDoesNotBeginWithAGwmThatIsRevokedInTheHandshake) {
  const auto tls = net::load_tls(pki.settings("gwm"), TlsRole::server);
  ASSERT_TRUE(tls) << tls.error().detail;
  SSL_CTX_set_max_proto_version((*tls)->context.native_handle(), TLS1_2_VERSION);
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  auto settings = pki.settings("director-1");
  settings.crl = pki.path("crl.pem");
  LoadBalancer lb(acceptor.local_endpoint().port(), settings, "127.0.0.1");
  acceptor.non_blocking(true);
  boost::asio::ip::tcp::socket peer(io);
  ASSERT_TRUE(lb.until([&] {
    boost::system::error_code none_yet;
    if (!peer.is_open()) acceptor.accept(peer, none_yet);
    return peer.is_open();
  }));
  test::HeldHandshake handshake(peer.native_handle(), *(*tls)->context.native_handle(),
                                TlsRole::server);
  ASSERT_TRUE(lb.until([&] { return handshake.is_held(); }));
  pki.revoke("gwm");
  lb.reload();
  handshake.let_go();
  EXPECT_TRUE(lb.becomes(LinkState::tls_error));
  EXPECT_NE(lb.last_error().find("TLS: the peer's certificate (CN=localhost) was revoked by"),
            std::string::npos)
      << lb.last_error();
}

// ---- Authority (RFC 4678 10) --------------------------------------------------------------------

// The RFC's own attack: whoever knows an LB UID replaces the load balancer's connection.
TEST_F(GwmWithTls, AStolenUidGetsNothingAndAnAlarm) {
  given_gwm();
  auto victim = load_balancer("director-1");
  ASSERT_TRUE(victim.until([&] { return victim.weight() == 40; })) << victim.last_error();

  auto thief = load_balancer("member-1");
  EXPECT_TRUE(thief.fails_with("0x11")) << thief.last_error();
  EXPECT_EQ(thief.weight(), -1);
  EXPECT_TRUE(logs("unauthorized: "));
  EXPECT_TRUE(
      logs("'member-1' (127.0.0.1) at 127.0.0.1 may not speak as load balancer "
           "'director-1'"));

  const int before = victim.received();
  EXPECT_TRUE(victim.until([&] { return victim.received() > before + 1; })) << victim.last_error();
  EXPECT_FALSE(victim.was(LinkState::down_trying)) << "its connection is its own";
  const auto [code, status] = runs({saspctl, "--socket", pki.path("control"), "status", "--check"});
  EXPECT_EQ(code, 1);
  EXPECT_NE(status.find("unauthorized: "), std::string::npos) << status;
  const auto metrics = test::http_get({*IpAddress::parse("127.0.0.1"), metrics_port}, "/metrics");
  EXPECT_EQ(metrics.find("sasp_gwm_unauthorized_requests_total 0\n"), std::string::npos);
  EXPECT_NE(metrics.find("sasp_gwm_unauthorized_requests_total "), std::string::npos);
}

TEST_F(GwmWithTls, TheAuthorityFileSaysWhoIsWho) {
  write_authority("member-1 lb=director-1\n");
  given_gwm("gwm", {"--authority", pki.path("authority")});
  auto named = load_balancer("member-1");
  EXPECT_TRUE(named.until([&] { return named.weight() == 40; })) << named.last_error();
  auto other = load_balancer("director-1");
  EXPECT_TRUE(other.fails_with("0x11")) << other.last_error();
}

TEST_F(GwmWithTls, WhoLosesItsRightLosesItsConnection) {
  write_authority("director-1 lb=director-1\n");
  given_gwm("gwm", {"--authority", pki.path("authority")});
  auto lb = load_balancer("director-1");
  ASSERT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();

  write_authority("director-1 lb\n");
  program_->send(SIGHUP);
  EXPECT_TRUE(logs("line 1: lb: expected PEER"));
  EXPECT_TRUE(logs("the old rights stay"));
  const int before = lb.received();
  EXPECT_TRUE(lb.until([&] { return lb.received() > before; })) << lb.last_error();

  write_authority("director-1 lb=director-2\n");  // without a signal
  EXPECT_TRUE(lb.until([&] { return lb.was(LinkState::down_trying); }));
  EXPECT_TRUE(logs("may no longer speak as it"));
  EXPECT_TRUE(lb.fails_with("0x11")) << lb.last_error();
}

TEST_F(GwmWithTls, AMemberSpeaksForItselfOnly) {
  given_gwm();
  auto lb = load_balancer();
  ASSERT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();
  const auto [code, said] = runs(member("register", flags(pki.settings("member-1")), "10.0.0.2"));
  EXPECT_EQ(code, 77) << said;
  EXPECT_NE(said.find("--allow-foreign-members"), std::string::npos) << said;
  EXPECT_TRUE(logs("may not speak for member tcp:10.0.0.2:80"));
}

TEST_F(GwmWithTls, AMemberSpeaksForOthersWhereThatIsAllowed) {
  given_gwm("gwm", {"--allow-foreign-members"});
  auto lb = load_balancer();
  ASSERT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();
  const auto [code, said] = runs(member("register", flags(pki.settings("member-1")), "10.0.0.2"));
  EXPECT_EQ(code, 0) << said;
}

TEST_F(GwmWithTls, OnlyAllowedAddressesMayConnect) {
  given_gwm("gwm", {"--allow", "192.0.2.0/24", "--allow", "2001:db8::1"});
  auto lb = load_balancer();
  EXPECT_TRUE(lb.becomes(LinkState::tls_error));
  EXPECT_FALSE(lb.was(LinkState::established));
  EXPECT_TRUE(logs("127.0.0.1 may not connect"));
}

// What they do is counted in full, and what others do is logged as ever.
TEST_F(GwmWithTls, ManyWhoMayNotConnectDoNotFillTheLog) {
  given_gwm("gwm", {"--allow", "192.0.2.0/24"});
  const auto start = std::chrono::steady_clock::now();
  constexpr int strangers = 300;
  for (int i = 0; i < strangers; ++i)
    const SaspClient stranger(port);
  EXPECT_TRUE(eventually([&] {
    return test::http_get({*IpAddress::parse("127.0.0.1"), metrics_port}, "/metrics")
               .find("\nsasp_gwm_connections_rejected_total 300\n") != std::string::npos;
  }));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const auto lines = static_cast<double>(program_->times_logged("127.0.0.1 may not connect"));
  EXPECT_GE(lines, 50);
  EXPECT_LE(lines, 51 + seconds.count()) << "50 at once, then one for each second";
}

// ---- sasp-member --------------------------------------------------------------------------------

TEST_F(GwmWithTls, RegistersAMember) {
  given_gwm();
  auto lb = load_balancer();
  ASSERT_TRUE(lb.becomes(LinkState::established)) << lb.last_error();
  const auto [code, said] = runs(member("register", flags(pki.settings("member-1"))));
  EXPECT_EQ(code, 0) << said;
  EXPECT_TRUE(logs("connected, 'member-1' (127.0.0.1)"));
}

TEST_F(GwmWithTls, TellsAMemberWhyItIsRefused) {
  given_gwm();
  const auto [code, said] = runs(member("register", {"--tls-ca", pki.path("ca.pem")}));
  EXPECT_EQ(code, 69) << said;
  EXPECT_NE(said.find("the peer requires our certificate"), std::string::npos) << said;
}

TEST_F(GwmWithTls, AMemberChecksItsFiles) {
  port = free_port();
  auto settings = pki.settings("member-1");
  EXPECT_EQ(runs(member("register", with(flags(settings), {"--check"}))).first, 0);
  settings.key = pki.path("director-1.key");
  for (const Arguments& more : {Arguments{"--check"}, Arguments{}}) {
    for (const auto* command : {"register", "run"}) {
      const auto [code, said] = runs(member(command, with(flags(settings), more)));
      EXPECT_EQ(code, 78);
      EXPECT_NE(said.find("does not belong to the certificate"), std::string::npos) << said;
    }
  }
}

// ---- Flags --------------------------------------------------------------------------------------

TEST_F(GwmWithTls, EndsWhenTheFlagsOrFilesDoNotFit) {
  const auto refused = [&](const Arguments& arguments, const std::string& words) {
    const auto [code, said] = ends(arguments);
    EXPECT_EQ(code, 78) << said;
    EXPECT_NE(said.find(words), std::string::npos) << said;
  };
  refused({"--tls-ca", pki.path("ca.pem")}, "needs --tls-cert FILE and --tls-key FILE");
  refused({"--tls-cert", pki.path("gwm.pem")}, "needs --tls-key FILE");
  auto settings = pki.settings("gwm");
  settings.key = pki.path("director-1.key");
  refused(flags(settings), "does not belong to the certificate");
  auto check = flags(settings);
  check.emplace_back("--check");
  refused(check, "does not belong to the certificate");
}

TEST_F(GwmWithTls, ChecksItsFilesWithoutStarting) {
  auto check = flags(pki.settings("gwm"));
  check.emplace_back("--check");
  const auto [code, said] = ends(check);
  EXPECT_EQ(code, 0) << said;
}

// Not even TLS makes an address that is not loopback one of these tests'; the check of the flags
// alone shows that it would be allowed.
TEST_F(GwmWithTls, NeedsNoPermissionForPlaintext) {
  auto check = flags(pki.settings("gwm"));
  check.insert(check.end(), {"--listen", "192.0.2.1:3860", "--check"});
  EXPECT_EQ(ends(check).first, 0);
  EXPECT_EQ(ends({"--listen", "192.0.2.1:3860", "--check"}).first, 78);
}

}  // namespace
}  // namespace saspd::gwm
