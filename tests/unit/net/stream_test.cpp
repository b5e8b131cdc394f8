// SPDX-License-Identifier: Apache-2.0
// Streams against each other and against openssl s_client and s_server: real handshakes over
// loopback. Every way to fail is told in words that an operator can act on.
#include "controller/net/stream.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "tests/support/openssl_server.hpp"
#include "tests/support/program.hpp"
#include "tests/support/test_pki.hpp"

// GCC 12 takes Asio's own allocation of coroutine frames for a mismatch, here where it is inlined.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace saspd::net {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using boost::system::error_code;
using test::OpensslServer;
using test::Program;
using test::TestPki;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr auto patience = 10s;

// What one side of a connection saw.
struct Seen {
  bool handshake = false;
  std::string received;
  std::string failure;  // empty: all went well
  bool tls_failure = false;
  bool closed_by_peer = false;
  std::optional<PeerIdentity> peer;
};

void note_failure(Seen& seen, const Stream& stream, const error_code& code) {
  seen.failure = stream.explain(code);
  seen.tls_failure = stream.is_tls_failure(code);
  seen.closed_by_peer = Stream::is_end(code);
}

// Says something, listens once, and hangs up.
asio::awaitable<void> talk(Stream stream, std::string says, Seen& seen) {
  error_code ec = co_await stream.handshake();
  seen.handshake = !ec;
  if (!ec) {
    seen.peer = stream.peer();
    co_await asio::async_write(stream, asio::buffer(says), as_result);
    std::array<char, 4096> buffer{};
    const auto [read_ec, n] = co_await stream.async_read_some(asio::buffer(buffer), as_result);
    ec = read_ec;
    seen.received.assign(buffer.data(), n);
  }
  if (ec) note_failure(seen, stream, ec);
  stream.close();
}

class StreamTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { pki_ = new TestPki; }
  static void TearDownTestSuite() { delete std::exchange(pki_, nullptr); }
  static const TestPki& pki() { return *pki_; }

  StreamTest() {
    acceptor_.open(Tcp::v4());
    acceptor_.bind({asio::ip::address_v4::loopback(), 0});
    acceptor_.listen();
  }

  static TlsContextPointer load(const TlsSettings& settings, TlsRole role) {
    auto loaded = load_tls(settings, role);
    EXPECT_TRUE(loaded) << loaded.error().detail;
    return loaded ? *loaded : nullptr;
  }
  static TlsContextPointer client_context(const std::string& certificate = "director-1") {
    return load(pki().settings(certificate), TlsRole::client);
  }
  static TlsContextPointer server_context(const std::string& certificate = "gwm") {
    return load(pki().settings(certificate), TlsRole::server);
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  Tcp::socket connected(std::uint16_t to) {
    Tcp::socket socket(io_);
    socket.connect({asio::ip::address_v4::loopback(), to});
    return socket;
  }
  void run_client(TlsContextPointer tls, std::uint16_t to, const std::string& host = "localhost",
                  std::string says = "hello") {
    asio::co_spawn(
        io_, talk(Stream::tls_client(connected(to), std::move(tls), host), std::move(says), client),
        asio::detached);
  }
  void run_server(TlsContextPointer tls) {
    asio::co_spawn(io_,
                   talk(Stream::tls_server(acceptor_.accept(), std::move(tls)), "welcome", server),
                   asio::detached);
  }
  // Both ends are ours.
  void meet(TlsContextPointer client_tls, TlsContextPointer server_tls,
            const std::string& host = "localhost") {
    run_client(std::move(client_tls), port(), host);
    run_server(std::move(server_tls));
    finish();
  }
  void finish() {
    io_.restart();
    io_.run_for(patience);
    EXPECT_TRUE(io_.stopped()) << "nobody waits for ever";
  }
  // The server is refused by our client with these words, and says what it heard.
  void server_is_refused(const TlsContextPointer& client_tls, const TlsContextPointer& server_tls,
                         const std::string& words, const std::string& host = "localhost") {
    client = server = {};
    meet(client_tls, server_tls, host);
    EXPECT_FALSE(client.handshake);
    EXPECT_TRUE(client.tls_failure);
    EXPECT_EQ(client.failure, words);
    EXPECT_TRUE(server.tls_failure) << server.failure;
  }
  void client_is_refused(const TlsContextPointer& client_tls, const TlsContextPointer& server_tls,
                         const std::string& words, const std::string& told_client) {
    client = server = {};
    meet(client_tls, server_tls);
    EXPECT_FALSE(server.handshake);
    EXPECT_TRUE(server.tls_failure);
    EXPECT_EQ(server.failure, words);
    EXPECT_TRUE(client.tls_failure) << client.failure;
    EXPECT_EQ(client.failure, told_client);
  }

  Seen client;
  Seen server;
  asio::io_context io_;
  Tcp::acceptor acceptor_{io_};

 private:
  static inline const TestPki* pki_ = nullptr;
};

std::string ca_of(const TlsContextPointer& tls) {
  return tls->authorities.front().subject;
}

// ---- What works ---------------------------------------------------------------------------------

TEST_F(StreamTest, TalksAndKnowsThePeer) {
  meet(client_context(), server_context());
  EXPECT_EQ(client.received, "welcome") << client.failure;
  EXPECT_EQ(server.received, "hello") << server.failure;
  ASSERT_TRUE(server.peer);
  EXPECT_EQ(server.peer->common_name, "director-1");
  EXPECT_EQ(server.peer->fingerprint.size(), 64U);
  ASSERT_TRUE(client.peer);
  EXPECT_EQ(client.peer->dns_names, (std::vector<std::string>{"localhost", "gwm.example"}));
}

TEST_F(StreamTest, TalksInTheClear) {
  asio::co_spawn(io_, talk(Stream(connected(port())), "hello", client), asio::detached);
  asio::co_spawn(io_, talk(Stream(acceptor_.accept()), "welcome", server), asio::detached);
  finish();
  EXPECT_EQ(client.received, "welcome");
  EXPECT_EQ(server.received, "hello");
  EXPECT_FALSE(server.peer);
}

TEST_F(StreamTest, SpeaksTls12And13) {
  auto newest = pki().settings("gwm");
  newest.min = TlsVersion::v1_3;
  meet(client_context(), load(newest, TlsRole::server));
  EXPECT_EQ(client.received, "welcome") << client.failure;
  client = server = {};
  const auto old = client_context();
  SSL_CTX_set_max_proto_version(old->context.native_handle(), TLS1_2_VERSION);
  meet(old, server_context());
  EXPECT_EQ(client.received, "welcome") << client.failure;
}

TEST_F(StreamTest, AcceptsTheAddressesAndNamesOfTheCertificate) {
  for (const auto* host :
       {"localhost", "LOCALHOST", "gwm.example", "gwm.example.", "127.0.0.1", "::1"}) {
    client = server = {};
    meet(client_context(), server_context(), host);
    EXPECT_EQ(client.received, "welcome") << host << ": " << client.failure;
  }
}

TEST_F(StreamTest, TlsNameReplacesTheHost) {
  auto settings = pki().settings("director-1");
  settings.name = "gwm.example";
  meet(load(settings, TlsRole::client), server_context(), "203.0.113.9");
  EXPECT_EQ(client.received, "welcome") << client.failure;
  settings.name = "other.example";
  server_is_refused(load(settings, TlsRole::client), server_context(),
                    "the peer's certificate is for 'localhost' (localhost, gwm.example, 127.0.0.1, "
                    "::1), not for 'other.example'; --tls-name sets the expected name",
                    "localhost");
}

// RFC 6066 3: a name, and no address.
TEST_F(StreamTest, TellsTheServerWhichNameItWants) {
  const auto told = [&](const std::string& host, const std::string& tls_name = {}) {
    std::string name;
    auto settings = pki().settings("director-1");
    settings.name = tls_name;
    const auto tls = server_context();
    SSL_CTX* const context = tls->context.native_handle();
    SSL_CTX_set_tlsext_servername_arg(context, &name);
    SSL_CTX_set_tlsext_servername_callback(
        context, +[](SSL* ssl, int*, void* into) -> int {
          const char* const asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
          *static_cast<std::string*>(into) = asked == nullptr ? "(none)" : asked;
          return SSL_TLSEXT_ERR_OK;
        });
    client = server = {};
    meet(load(settings, TlsRole::client), tls, host);
    EXPECT_EQ(client.received, "welcome") << host << ": " << client.failure;
    return name;
  };
  EXPECT_EQ(told("localhost"), "localhost");
  EXPECT_EQ(told("gwm.example."), "gwm.example");
  EXPECT_EQ(told("127.0.0.1", "gwm.example"), "gwm.example");
  EXPECT_EQ(told("127.0.0.1"), "(none)");
  EXPECT_EQ(told("::1"), "(none)");
}

TEST_F(StreamTest, HangingUpIsHeard) {
  meet(client_context(), server_context());
  client = server = {};
  run_client(client_context(), port());
  asio::co_spawn(
      io_,
      [](Tcp::socket socket, TlsContextPointer tls) -> asio::awaitable<void> {
        auto stream = Stream::tls_server(std::move(socket), std::move(tls));
        co_await stream.handshake();
        stream.close();
      }(acceptor_.accept(), server_context()),
      asio::detached);
  finish();
  EXPECT_TRUE(client.closed_by_peer);
  EXPECT_FALSE(client.tls_failure);
}

// ---- Whom we refuse -----------------------------------------------------------------------------

TEST_F(StreamTest, AServerWithAnotherNameIsRefused) {
  const std::string names = "'localhost' (localhost, gwm.example, 127.0.0.1, ::1)";
  for (const auto* host : {"gwm.example.org", "example", "127.0.0.2"}) {
    server_is_refused(
        client_context(), server_context(),
        fmt::format(
            "the peer's certificate is for {}, not for '{}'; --tls-name sets the expected name",
            names, host),
        host);
    EXPECT_EQ(server.failure,
              "the peer refuses our certificate: bad certificate, or for another name (alert 42)");
  }
}

TEST_F(StreamTest, AnExpiredServerIsRefusedWithTheDate) {
  // Ours would not be loaded either, so it is put in by hand.
  pki().issue("late", {"--usage", "server", "--cn", "localhost", "--from", "20200101000000Z",
                       "--until", "20210131120000Z"});
  const auto tls = server_context();
  ASSERT_EQ(SSL_CTX_use_certificate_file(tls->context.native_handle(),
                                         pki().path("late.pem").c_str(), SSL_FILETYPE_PEM),
            1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey_file(tls->context.native_handle(),
                                        pki().path("late.key").c_str(), SSL_FILETYPE_PEM),
            1);
  server_is_refused(client_context(), tls,
                    "the peer's certificate (CN=localhost) expired on 2021-01-31 12:00:00 UTC");
  EXPECT_EQ(server.failure, "the peer refuses our certificate: expired (alert 45)");
}

TEST_F(StreamTest, AClientOfTheFutureIsRefusedWithTheDate) {
  pki().issue("future", {"--from", "20450101000000Z", "--until", "20460101000000Z"});
  const auto tls = client_context();
  ASSERT_EQ(SSL_CTX_use_certificate_file(tls->context.native_handle(),
                                         pki().path("future.pem").c_str(), SSL_FILETYPE_PEM),
            1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey_file(tls->context.native_handle(),
                                        pki().path("future.key").c_str(), SSL_FILETYPE_PEM),
            1);
  client_is_refused(
      tls, server_context(),
      "the peer's certificate (CN=future) is valid from 2045-01-01 00:00:00 UTC on; is "
      "the clock right?",
      "the peer refuses our certificate: bad certificate, or for another name (alert "
      "42)");
}

TEST_F(StreamTest, AnotherAuthorityIsRefusedByItsName) {
  const TestPki other;
  const auto stranger = load(other.settings("gwm"), TlsRole::server);
  server_is_refused(
      client_context(), stranger,
      fmt::format("the peer's certificate chain is not trusted: it leads to {}, which "
                  "is not in --tls-ca",
                  ca_of(stranger)));
  EXPECT_EQ(server.failure,
            "the peer refuses our certificate: issued by an authority that it does not know (alert "
            "48)");
  // The same without the authority's own certificate in the chain.
  SSL_CTX_set_mode(stranger->context.native_handle(), SSL_MODE_NO_AUTO_CHAIN);
  server_is_refused(client_context(), stranger,
                    fmt::format("the peer's certificate chain is not trusted: the certificate of "
                                "CN=localhost was issued by {}, which is not in --tls-ca",
                                ca_of(stranger)));
}

TEST_F(StreamTest, AClientOfAnotherAuthorityIsRefused) {
  const TestPki other;
  auto settings = other.settings("director-1");
  settings.ca = pki().path("ca.pem");
  client_is_refused(
      load(settings, TlsRole::client), server_context(),
      fmt::format("the peer's certificate chain is not trusted: the certificate of CN=director-1 "
                  "was issued by {}, which is not in --tls-ca",
                  ca_of(load(other.settings(), TlsRole::client))),
      "the peer refuses our certificate: issued by an authority that it does not know (alert 48)");
}

TEST_F(StreamTest, ASelfSignedServerIsRefused) {
  pki().shell(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key "
      "-out self.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 9");
  server_is_refused(client_context(), server_context("self"),
                    "the peer's certificate chain is not trusted: the certificate of CN=localhost "
                    "is self-signed, and is not in --tls-ca");
}

TEST_F(StreamTest, ARevokedClientIsRefused) {
  auto settings = pki().settings("gwm");
  settings.crl = pki().path("crl.pem");
  const auto tls = load(settings, TlsRole::server);
  client_is_refused(
      client_context("revoked"), tls,
      fmt::format("the peer's certificate (CN=revoked) was revoked by {} (--tls-crl)", ca_of(tls)),
      "the peer refuses our certificate: revoked (alert 44)");
  client = server = {};
  meet(client_context(), tls);
  EXPECT_EQ(server.received, "hello") << "the others come in: " << server.failure;
}

// leaf.pem is a client's, issued by an authority int.pem; int-crl.pem is the list of that.
void make_intermediate(const TestPki& own) {
  own.shell(
      "printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n' >ca.ext && "
      "printf 'extendedKeyUsage=clientAuth\n' >leaf.ext && "
      "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout int.key -subj "
      "/CN=int "
      "-out int.csr && openssl ca -batch -notext -config ca/openssl.cnf -in int.csr -out int.pem "
      "-extfile ca.ext -days 2 && "
      "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key "
      "-subj /CN=leaf -out leaf.csr && openssl x509 -req -in leaf.csr -CA int.pem -CAkey int.key "
      "-CAcreateserial -days 2 -extfile leaf.ext -out one.pem && cat one.pem int.pem >leaf.pem && "
      "mkdir int && cp -r ca/. int && : >int/index.txt && sed -i 's,^dir = .*,dir = int,' "
      "int/openssl.cnf && openssl ca -config int/openssl.cnf -gencrl -cert int.pem -keyfile "
      "int.key "
      "-out int-crl.pem");
}

TEST_F(StreamTest, ARevokedIntermediateAuthorityIsRefused) {
  const TestPki own;
  make_intermediate(own);
  auto settings = own.settings("gwm");
  settings.crl = own.path("lists.pem");
  own.shell("cat crl.pem int-crl.pem >lists.pem");
  const auto client_tls = load(own.settings("leaf"), TlsRole::client);
  meet(client_tls, load(settings, TlsRole::server));
  EXPECT_EQ(server.received, "hello") << server.failure;
  own.revoke("int");
  own.shell("cat crl.pem int-crl.pem >lists.pem");
  const auto tls = load(settings, TlsRole::server);
  client_is_refused(
      client_tls, tls,
      fmt::format("the peer's certificate (CN=int) was revoked by {} (--tls-crl)", ca_of(tls)),
      "the peer refuses our certificate: revoked (alert 44)");
}

TEST_F(StreamTest, AnOldRevocationListLetsNobodyIn) {
  pki().shell(
      "openssl ca -config ca/openssl.cnf -gencrl -out old.pem -crl_lastupdate "
      "20200101000000Z -crl_nextupdate 20210131120000Z");
  auto settings = pki().settings("gwm");
  settings.crl = pki().path("old.pem");
  const auto tls = load(settings, TlsRole::server);
  ASSERT_EQ(tls_warnings(*tls, wall_now()).size(), 1U);
  meet(client_context(), tls);
  EXPECT_EQ(server.failure,
            fmt::format("the peer's certificate (CN=director-1) cannot be checked: "
                        "the revocation list of {} in --tls-crl expired on 2021-01-31 12:00:00 UTC",
                        ca_of(tls)));
}

TEST_F(StreamTest, ARevocationListOfAnotherAuthorityIsMissed) {
  const TestPki other;
  auto settings = pki().settings("gwm");
  settings.crl = other.path("crl.pem");
  const auto tls = load(settings, TlsRole::server);
  meet(client_context(), tls);
  EXPECT_EQ(server.failure, fmt::format("the peer's certificate (CN=director-1) cannot be checked: "
                                        "the revocation list of {} in --tls-crl is missing",
                                        ca_of(tls)));
}

TEST_F(StreamTest, ACertificateForTheOtherRoleIsRefused) {
  client_is_refused(
      client_context("gwm"), server_context(),
      "the peer's certificate (CN=localhost) is not for use by a client (extended key "
      "usage)",
      "the peer refuses our certificate: of a kind that it does not accept, or not for this use "
      "(alert 43)");
  server_is_refused(
      client_context(), server_context("director-1"),
      "the peer's certificate (CN=director-1) is not for use by a server (extended key "
      "usage)");
}

// TLS 1.3: the client's handshake is over before the server looked at its certificate, so the
// refusal comes with the first read.
TEST_F(StreamTest, AClientWithoutCertificateIsRefusedLate) {
  client_is_refused(client_context(""), server_context(),
                    "the peer has no certificate, but --tls-ca requires one",
                    "the peer requires our certificate (alert 116): give --tls-cert and "
                    "--tls-key");
  EXPECT_TRUE(client.handshake);
}

TEST_F(StreamTest, AClientWithoutCertificateIsRefusedByTls12) {
  const auto tls = client_context("");
  SSL_CTX_set_max_proto_version(tls->context.native_handle(), TLS1_2_VERSION);
  client_is_refused(tls, server_context(), "the peer has no certificate, but --tls-ca requires one",
                    "the peer broke off the handshake (alert 40): it requires our certificate "
                    "(--tls-cert and --tls-key), or there is no cipher or version in common");
  EXPECT_FALSE(client.handshake);
}

TEST_F(StreamTest, OldVersionsAreRefused) {
  auto settings = pki().settings("gwm");
  settings.min = TlsVersion::v1_3;
  const auto strict = load(settings, TlsRole::server);
  const auto old = client_context();
  SSL_CTX_set_max_proto_version(old->context.native_handle(), TLS1_2_VERSION);
  client_is_refused(old, strict,
                    "the peer's newest TLS version is older than we accept (--tls-min)",
                    "the peer and we have no TLS version in common (alert 70)");
}

TEST_F(StreamTest, NothingInCommonIsSaid) {
  const auto ours = client_context();
  const auto theirs = server_context();
  for (auto* context : {ours->context.native_handle(), theirs->context.native_handle()})
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(ours->context.native_handle(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  SSL_CTX_set_cipher_list(theirs->context.native_handle(), "ECDHE-ECDSA-AES256-GCM-SHA384");
  client_is_refused(ours, theirs, "the peer and we have no cipher in common",
                    "the peer broke off the handshake (alert 40): there is no cipher or version in "
                    "common");
}

// ---- Whom we keep when the files change ---------------------------------------------------------

class OpenStream : public StreamTest {
 protected:
  // The server's end of a connection; the client's stays as well.
  Stream& meet(TlsContextPointer client_tls, TlsContextPointer server_tls) {
    client_.emplace(Stream::tls_client(connected(port()), std::move(client_tls), "localhost"));
    server_.emplace(Stream::tls_server(acceptor_.accept(), std::move(server_tls)));
    for (Stream* stream : {&*client_, &*server_}) {
      asio::co_spawn(io_, stream->handshake(), [](const std::exception_ptr&, error_code ec) {
        EXPECT_FALSE(ec) << ec.message();
      });
    }
    finish();
    return *server_;
  }
  static TlsContextPointer with_lists(const TestPki& of, const std::string& path) {
    auto settings = of.settings("gwm");
    settings.crl = path;
    return load(settings, TlsRole::server);
  }
  // Why a connection ends under these files; empty: it does not.
  static std::string ends(const Stream& stream, const TlsContextPointer& under) {
    const auto good = stream.check_peer_again(*under);
    return good ? "" : good.error().detail;
  }

 private:
  std::optional<Stream> client_;
  std::optional<Stream> server_;
};

TEST_F(OpenStream, EndsWhenThePeerIsRevokedOrItsAuthorityNotBelieved) {
  const TestPki own;
  const TestPki other;
  const auto before = with_lists(own, own.path("crl.pem"));
  const auto& stream = meet(load(own.settings("director-1"), TlsRole::client), before);
  EXPECT_EQ(ends(stream, before), "");
  EXPECT_EQ(ends(stream, with_lists(own, own.path("crl.pem"))), "");
  EXPECT_EQ(ends(stream, load(other.settings("gwm"), TlsRole::server)),
            fmt::format("the peer's certificate chain is not trusted: it leads to {}, which is not "
                        "in --tls-ca",
                        ca_of(before)));
  own.revoke("director-1");
  EXPECT_EQ(ends(stream, with_lists(own, own.path("crl.pem"))),
            fmt::format("the peer's certificate (CN=director-1) was revoked by {} (--tls-crl)",
                        ca_of(before)));
}

TEST_F(OpenStream, StaysWhenAListIsOverOrMissing) {
  const TestPki other;
  pki().shell(
      "openssl ca -config ca/openssl.cnf -gencrl -out old.pem -crl_lastupdate "
      "20200101000000Z -crl_nextupdate 20210131120000Z");
  const auto& stream = meet(client_context(), with_lists(pki(), pki().path("crl.pem")));
  EXPECT_EQ(ends(stream, with_lists(pki(), pki().path("old.pem"))), "");
  EXPECT_EQ(ends(stream, with_lists(pki(), other.path("crl.pem"))), "");
}

// A missing list of the peer's own authority does not hide what another one says.
TEST_F(OpenStream, EndsWhenAnIntermediateAuthorityIsRevokedThatHasNoList) {
  const TestPki own;
  make_intermediate(own);
  own.shell("cat crl.pem int-crl.pem >lists.pem");
  const auto before = with_lists(own, own.path("lists.pem"));
  const auto& stream = meet(load(own.settings("leaf"), TlsRole::client), before);
  EXPECT_EQ(ends(stream, with_lists(own, own.path("crl.pem"))), "") << "only a list is missing";
  own.revoke("int");
  EXPECT_EQ(
      ends(stream, with_lists(own, own.path("crl.pem"))),
      fmt::format("the peer's certificate (CN=int) was revoked by {} (--tls-crl)", ca_of(before)));
}

// ---- Peers that speak something else ------------------------------------------------------------

const std::string sasp_bytes("\x20\x10\x00\x0d\x01\x00\x00\x00\x12\x00\x00\x00\x01\x10\x55\x00\x05",
                             17);

TEST_F(StreamTest, APlainClientIsNamed) {
  asio::co_spawn(io_, talk(Stream(connected(port())), sasp_bytes, client), asio::detached);
  run_server(server_context());
  finish();
  EXPECT_EQ(server.failure, "the peer does not speak TLS on this connection");
  EXPECT_TRUE(server.tls_failure);
}

TEST_F(StreamTest, APlainServerIsNamed) {
  run_client(client_context(), port());
  asio::co_spawn(io_, talk(Stream(acceptor_.accept()), sasp_bytes, server), asio::detached);
  finish();
  EXPECT_EQ(client.failure, "the peer does not speak TLS on this connection");
  EXPECT_TRUE(looks_like_tls(std::span(
      reinterpret_cast<const std::uint8_t*>(server.received.data()), server.received.size())));
}

TEST_F(StreamTest, APeerThatHangsUpInTheHandshakeIsDoubted) {
  run_client(client_context(), port());
  acceptor_.accept().close();
  finish();
  EXPECT_EQ(client.failure,
            "the peer closed the connection during the TLS handshake; does it speak TLS there?");
  EXPECT_TRUE(client.tls_failure);
}

TEST(LooksLikeTls, KnowsRecordsOfHandshakesAndAlerts) {
  const auto looks = [](std::vector<std::uint8_t> bytes) { return looks_like_tls(bytes); };
  EXPECT_TRUE(looks({0x16, 0x03, 0x01}));
  EXPECT_TRUE(looks({0x15, 0x03}));
  EXPECT_FALSE(looks({0x20, 0x10, 0x00}));
  EXPECT_FALSE(looks({0x16}));
  EXPECT_FALSE(looks({0x16, 0x10}));
  EXPECT_FALSE(looks({}));
}

// ---- A handshake may be given up ----------------------------------------------------------------

TEST_F(StreamTest, ClosingEndsAHandshake) {
  const auto silent = connected(port());
  auto stream = Stream::tls_server(acceptor_.accept(), server_context());
  asio::steady_timer timer(io_, 50ms);
  timer.async_wait([&](error_code) { stream.close(); });
  error_code ended;
  asio::co_spawn(io_, stream.handshake(), [&](std::exception_ptr, error_code ec) { ended = ec; });
  finish();
  EXPECT_EQ(ended, asio::error::operation_aborted);
}

// Renegotiation and tickets would be state of the peer's making.
TEST_F(StreamTest, GivesNoTicketsAndForgetsSessions) {
  Program client_of_theirs(
      {"openssl", "s_client", "-connect", fmt::format("127.0.0.1:{}", port()), "-CAfile",
       pki().path("ca.pem"), "-cert", pki().path("director-1.pem"), "-key",
       pki().path("director-1.key"), "-sess_out", pki().path("session"), "-ign_eof"},
      pki().path("s_client.log"));
  run_server(server_context());
  asio::steady_timer timer(io_, 300ms);
  timer.async_wait([&](error_code) { client_of_theirs.send(SIGTERM); });
  finish();
  EXPECT_TRUE(server.handshake);
  EXPECT_FALSE(std::filesystem::exists(pki().path("session"))) << "no ticket came";
}

// ---- OpenSSL's own programs on the other side ---------------------------------------------------

TEST_F(StreamTest, OpensslClientIsServed) {
  Program peer(
      {"openssl", "s_client", "-connect", fmt::format("127.0.0.1:{}", port()), "-quiet",
       "-verify_return_error", "-verify_hostname", "gwm.example", "-CAfile", pki().path("ca.pem"),
       "-cert", pki().path("director-1.pem"), "-key", pki().path("director-1.key")},
      pki().path("s_client.log"));
  asio::co_spawn(
      io_,
      [](Tcp::socket socket, TlsContextPointer tls, Seen& seen) -> asio::awaitable<void> {
        auto stream = Stream::tls_server(std::move(socket), std::move(tls));
        seen.handshake = !co_await stream.handshake();
        seen.peer = stream.peer();
        co_await asio::async_write(stream, asio::buffer("welcome\n", 8), as_result);
        stream.close();
      }(acceptor_.accept(), server_context(), server),
      asio::detached);
  finish();
  ASSERT_TRUE(server.peer);
  EXPECT_EQ(server.peer->common_name, "director-1");
  EXPECT_TRUE(peer.wait(patience)) << "our good-bye ends it";
  EXPECT_NE(peer.log().find("welcome"), std::string::npos) << peer.log();
  EXPECT_EQ(peer.log().find("unexpected eof"), std::string::npos) << peer.log();
}

TEST_F(StreamTest, OpensslClientWithoutCertificateIsRefused) {
  for (const auto* version : {"-tls1_2", "-tls1_3"}) {
    Program peer({"openssl", "s_client", "-connect", fmt::format("127.0.0.1:{}", port()), "-quiet",
                  version, "-CAfile", pki().path("ca.pem")},
                 pki().path("s_client.log"));
    server = {};
    run_server(server_context());
    finish();
    EXPECT_FALSE(server.handshake) << version;
    EXPECT_EQ(server.failure, "the peer has no certificate, but --tls-ca requires one");
    EXPECT_TRUE(peer.wait(patience));
  }
}

TEST_F(StreamTest, OpensslServerIsAsked) {
  const OpensslServer peer(pki(), "gwm");
  run_client(client_context(), peer.port(), "localhost", "hello\n");
  finish();
  EXPECT_EQ(client.received, "olleh\n") << client.failure << peer.log();
}

TEST_F(StreamTest, OpensslServerRefusesUs) {
  const OpensslServer peer(pki(), "gwm", {"-crl_check", "-CRL", pki().path("crl.pem")});
  run_client(client_context("revoked"), peer.port());
  finish();
  EXPECT_EQ(client.failure, "the peer refuses our certificate: revoked (alert 44)");
  client = {};
  run_client(client_context(""), peer.port());
  finish();
  EXPECT_EQ(client.failure,
            "the peer requires our certificate (alert 116): give --tls-cert and --tls-key");
}

TEST_F(StreamTest, OpensslServerOfYesterdayIsRefused) {
  const OpensslServer peer(pki(), "gwm", {"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"});
  run_client(client_context(), peer.port());
  finish();
  EXPECT_FALSE(client.handshake);
  EXPECT_EQ(client.failure, "the peer and we have no TLS version in common (alert 70)");
}

}  // namespace
}  // namespace saspd::net
