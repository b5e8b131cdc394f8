// SPDX-License-Identifier: Apache-2.0
// Peers that behave badly, over real connections; limits are short, so that the tests are.
#include "controller/net/gwm_server.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "controller/net/tls.hpp"
#include "tests/support/held_handshake.hpp"
#include "tests/support/kernel_namespace.hpp"
#include "tests/support/program.hpp"
#include "tests/support/sasp_client.hpp"
#include "tests/support/test_pki.hpp"

namespace saspd::net {
namespace {

using namespace std::chrono_literals;
using sasp::Bytes;
using test::eventually;
using testing::SaspClient;

const Endpoint loopback = *Endpoint::parse("127.0.0.1:0");

Bytes request(std::uint32_t id) {
  return *sasp::encode({id, sasp::GetWeightsRequest{{{"lb1", "web"}}}});
}

class BugOfOwner : public std::exception {};

// An owner that writes down what it is told; asked from the test's thread.
class Owner final : public GwmServerOwner {
 public:
  void connected(ConnectionId, const Endpoint&, const std::optional<PeerIdentity>&) override {
    add(&Owner::connected_);
  }
  GwmAnswer handle(ConnectionId, const sasp::GwmRequest&) override {
    add(&Owner::requests_);
    if (throws) throw BugOfOwner();
    return {reply, accepts};
  }
  void not_understood(ConnectionId, const Error&) override { add(&Owner::not_understood_); }
  void disconnected(ConnectionId, const Error& why) override {
    const std::lock_guard lock(mutex_);
    reasons_.push_back(why);
  }
  void not_accepted(const Error& why) override {
    const std::lock_guard lock(mutex_);
    not_accepted_.push_back(why);
    if (throws) throw BugOfOwner();
  }

  void writable(ConnectionId) override { add(&Owner::writable_); }

  int connected() const { return get(&Owner::connected_); }
  int requests() const { return get(&Owner::requests_); }
  int not_understood() const { return get(&Owner::not_understood_); }
  int writable() const { return get(&Owner::writable_); }
  std::vector<Error> reasons() const { return get(&Owner::reasons_); }
  std::vector<Error> not_accepted() const { return get(&Owner::not_accepted_); }

  sasp::GetWeightsReply reply;
  bool accepts = true;
  std::atomic<bool> throws = false;

 private:
  void add(int Owner::*count) {
    const std::lock_guard lock(mutex_);
    ++(this->*count);
  }
  template <class T>
  T get(T Owner::*value) const {
    const std::lock_guard lock(mutex_);
    return this->*value;
  }

  mutable std::mutex mutex_;
  int connected_ = 0;
  int requests_ = 0;
  int not_understood_ = 0;
  int writable_ = 0;
  std::vector<Error> reasons_;
  std::vector<Error> not_accepted_;
};

class GwmServerTest : public ::testing::Test {
 protected:
  ~GwmServerTest() override {
    if (thread_.joinable()) stop_server();
  }
  void stop_server() {
    on_server([this] {
      server_->stop();
      work_.reset();
    });
    thread_.join();
  }
  void given_server(GwmServerConfig config = {}, const Endpoint& at = loopback) {
    server_.emplace(io_, config, owner);
    const auto bound = server_->listen(at);
    ASSERT_TRUE(bound) << bound.error().detail;
    port = bound->port;
    thread_ = std::thread([this] { run(); });
  }
  void given_session(sasp::GwmSessionConfig session) {
    GwmServerConfig config;
    config.session = session;
    given_server(config);
  }
  template <class Work>
  void on_server(Work work) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  // At an address that is taken.
  Result<Endpoint> second_server_listens() {
    boost::asio::io_context io;
    GwmServer other(io, {}, owner);
    return other.listen({loopback.address, port});
  }
  void given_reply_of(std::size_t members) {
    owner.reply.groups = {{{"lb1", "web"}, std::vector<sasp::WeightEntry>(members)}};
  }
  bool ended_with(std::error_condition why) const {
    return eventually([&] { return owner.reasons().size() == 1; }) &&
           owner.reasons()[0].code == why;
  }

  int thrown() const { return thrown_; }

  Owner owner;
  std::uint16_t port = 0;
  boost::asio::io_context io_;
  std::optional<GwmServer> server_;
  std::thread thread_;

 private:
  // A server that failed may have nothing to do any more.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  void run() {
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const BugOfOwner&) {
        ++thrown_;
      }
    }
  }
  std::atomic<int> thrown_ = 0;
};

// ---- Who may connect, and how often -------------------------------------------------------------

TEST_F(GwmServerTest, LetsInWhomTheListNames) {
  GwmServerConfig config;
  config.allowed = {*IpNetwork::parse("192.0.2.0/24"), *IpNetwork::parse("127.0.0.0/8")};
  given_server(config);
  SaspClient client(port);
  EXPECT_TRUE(eventually([&] { return owner.connected() == 1; }));
}

TEST_F(GwmServerTest, ClosesAtOnceWhoIsNotOnTheList) {
  GwmServerConfig config;
  config.allowed = {*IpNetwork::parse("192.0.2.0/24")};
  given_server(config);
  SaspClient client(port);
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(owner.connected(), 0);
  EXPECT_EQ(owner.not_accepted().at(0).detail, "127.0.0.1 may not connect");
}

TEST_F(GwmServerTest, ClosesWhoComesTooOften) {
  GwmServerConfig config;
  config.max_new_per_second = 3;
  config.spare_loopback = false;
  given_server(config);
  std::vector<std::unique_ptr<SaspClient>> clients;
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (owner.not_accepted().empty() && std::chrono::steady_clock::now() < end)
    clients.push_back(std::make_unique<SaspClient>(port));
  ASSERT_FALSE(owner.not_accepted().empty());
  EXPECT_EQ(owner.not_accepted()[0].detail,
            "more than 3 new connections a second from 127.0.0.1, closing one");
  EXPECT_GE(owner.connected(), 3);
  // The next second is another one.
  const int before = owner.connected();
  EXPECT_TRUE(eventually([&] {
    clients.push_back(std::make_unique<SaspClient>(port));
    return owner.connected() > before;
  }));
}

TEST_F(GwmServerTest, ClosesWhoAsksNothing) {
  GwmServerConfig config;
  config.first_request_deadline = 300ms;
  given_server(config);
  SaspClient asks(port);
  asks.sends(request(1));
  EXPECT_TRUE(asks.receives());
  SaspClient silent(port);
  EXPECT_TRUE(silent.is_closed());
  ASSERT_TRUE(eventually([&] { return owner.reasons().size() == 1; }));
  EXPECT_EQ(owner.reasons().at(0).detail, "no acceptable request in time");
  asks.sends(request(2));
  EXPECT_TRUE(asks.receives()) << "who has asked may be silent";
}

// It would buy a place for ever by any message.
TEST_F(GwmServerTest, ClosesWhoIsAlwaysRefused) {
  GwmServerConfig config;
  config.first_request_deadline = 300ms;
  owner.accepts = false;
  given_server(config);
  SaspClient refused(port);
  refused.sends(request(1));
  EXPECT_TRUE(refused.receives()) << "and is told so";
  SaspClient unknown(port);
  unknown.sends(*sasp::encode({2, sasp::SendWeights{}}));
  EXPECT_TRUE(refused.is_closed());
  EXPECT_TRUE(unknown.is_closed());
}

// Its next message has always begun, and may take its time.
TEST_F(GwmServerTest, ClosesWhoIsAlwaysRefusedAndHasAlwaysBegunAnotherMessage) {
  GwmServerConfig config;
  config.first_request_deadline = 300ms;
  owner.accepts = false;
  given_server(config);
  SaspClient client(port);
  Bytes from_second_byte = request(1);
  const std::uint8_t first_byte = from_second_byte.front();
  client.sends(std::span(&first_byte, 1));
  from_second_byte.erase(from_second_byte.begin());
  from_second_byte.push_back(first_byte);
  EXPECT_TRUE(eventually(
      [&] {
        client.sends(from_second_byte);
        return client.is_closed(10ms);
      },
      3s));
  EXPECT_GT(owner.requests(), 1);
  EXPECT_TRUE(ended_with(std::errc::timed_out));
}

// The server never waits for it, so that no timer is heard.
TEST_F(GwmServerTest, ClosesWhoIsAlwaysRefusedAndAsksWithoutAPause) {
  GwmServerConfig config;
  config.first_request_deadline = 300ms;
  owner.accepts = false;
  given_server(config);
  SaspClient client(port);
  Bytes many;
  const Bytes one = request(1);
  while (many.size() < 100'000)
    many.insert(many.end(), one.begin(), one.end());
  auto pour = [&, at = std::size_t{0}]() mutable {
    for (;;) {
      const ssize_t n =
          ::send(client.fd(), many.data() + at, many.size() - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n <= 0) return;
      at = (at + static_cast<std::size_t>(n)) % many.size();
    }
  };
  EXPECT_TRUE(eventually(
      [&] {
        pour();
        return !owner.reasons().empty();
      },
      5s));
  EXPECT_TRUE(ended_with(std::errc::timed_out));
}

TEST_F(GwmServerTest, TakesAWholeNetworkOfIpv6ForOnePeer) {
  if (::geteuid() != 0) GTEST_SKIP() << "this is for root";
  const kernel::NetNamespace network;
  kernel::ip_batch(
      "address add 2001:db8::1/64 dev lo nodad\naddress add 2001:db8::2/64 dev lo nodad\n"
      "address add 2001:db8:0:1::1/64 dev lo nodad\n");
  GwmServerConfig config;
  config.max_per_address = 1;
  const auto server = *IpAddress::parse("2001:db8::1");
  given_server(config, {server, 0});
  const auto connect = [&](const std::string& from) {
    boost::asio::ip::tcp::socket socket(io_, {boost::asio::ip::make_address(from), 0});
    socket.connect({boost::asio::ip::make_address(server.text()), port});
    return socket;
  };
  const auto first = connect("2001:db8::1");
  ASSERT_TRUE(eventually([&] { return owner.connected() == 1; }));
  const auto neighbour = connect("2001:db8::2");
  ASSERT_TRUE(eventually([&] { return owner.not_accepted().size() == 1; }));
  EXPECT_EQ(owner.not_accepted().at(0).detail,
            "1 connections are open from 2001:db8::/64, closing a new one");
  const auto other = connect("2001:db8:0:1::1");
  EXPECT_TRUE(eventually([&] { return owner.connected() == 2; }));
}

TEST_F(GwmServerTest, BoundsWhatOneAddressHasOpen) {
  GwmServerConfig config;
  config.max_per_address = 2;
  config.spare_loopback = false;
  given_server(config);
  const SaspClient first(port);
  const SaspClient second(port);
  ASSERT_TRUE(eventually([&] { return owner.connected() == 2; }));
  SaspClient third(port);
  EXPECT_TRUE(third.is_closed());
  EXPECT_EQ(owner.not_accepted().at(0).detail,
            "2 connections are open from 127.0.0.1, closing a new one");
}

TEST_F(GwmServerTest, AnswersRequestsThatCameTogetherInTheirOrder) {
  given_server();
  SaspClient client(port);
  Bytes three;
  for (const std::uint32_t id : {7U, 5U, 6U}) {
    const Bytes one = request(id);
    three.insert(three.end(), one.begin(), one.end());
  }
  client.sends(three);
  for (const std::uint32_t id : {7U, 5U, 6U}) {
    const auto frame = client.receives();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->message_id, id);
  }
}

TEST_F(GwmServerTest, AnswersWhatCameByteByByte) {
  given_server();
  SaspClient client(port);
  for (const std::uint8_t byte : request(1)) {
    client.sends(std::span(&byte, 1));
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(client.receives());
}

TEST_F(GwmServerTest, AnswersARefusedMessageAndSkipsAnUnknownOne) {
  given_server();
  SaspClient client(port);
  Bytes other_version = request(3);
  other_version[4] = 2;
  client.sends(*sasp::encode({2, sasp::SendWeights{}}));
  client.sends(other_version);
  const auto frame = client.receives();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->message_id, 3U);
  EXPECT_EQ(owner.not_understood(), 2);
  EXPECT_EQ(owner.requests(), 0);
}

TEST_F(GwmServerTest, ClosesOnGarbageAndSaysWhy) {
  given_server();
  SaspClient client(port);
  client.sends(Bytes{'G', 'E', 'T'});
  EXPECT_TRUE(client.is_closed());
  ASSERT_TRUE(eventually([&] { return owner.reasons().size() == 1; }));
  EXPECT_EQ(owner.reasons()[0].code, sasp::Errc::bad_header);
}

TEST_F(GwmServerTest, AnswersWhatStoodBeforeTheGarbage) {
  given_server();
  SaspClient client(port);
  Bytes bytes = request(1);
  bytes.push_back('x');
  bytes.push_back('y');
  client.sends(bytes);
  EXPECT_TRUE(client.receives());
  EXPECT_TRUE(client.is_closed());
}

TEST_F(GwmServerTest, ClosesWhenTheRestOfAMessageDoesNotCome) {
  given_session({.message_deadline = 200ms});
  SaspClient client(port);
  const auto begin = Clock::now();
  client.sends(sasp::ByteView(request(1)).first(20));
  EXPECT_TRUE(client.is_closed());
  EXPECT_GE(Clock::now() - begin, 200ms);
  EXPECT_TRUE(ended_with(std::errc::timed_out));
}

TEST_F(GwmServerTest, ClosesWhenTheRestComesTooSlowly) {
  given_session({.message_deadline = 200ms});
  SaspClient client(port);
  for (const std::uint8_t byte : request(1)) {
    client.sends(std::span(&byte, 1));
    std::this_thread::sleep_for(30ms);
  }
  EXPECT_TRUE(client.is_closed());
  EXPECT_TRUE(ended_with(std::errc::timed_out));
  EXPECT_EQ(owner.requests(), 0);
}

TEST_F(GwmServerTest, LeavesAnIdleConnectionAlone) {
  given_session({.message_deadline = 100ms});
  SaspClient client(port);
  client.sends(request(1));
  EXPECT_TRUE(client.receives());
  EXPECT_FALSE(client.is_closed(400ms));
  client.sends(request(2));
  EXPECT_TRUE(client.receives());
}

TEST_F(GwmServerTest, ClosesAPeerThatDoesNotReadAndHoldsOneReplyForIt) {
  given_reply_of(65535);  // 2 MB, more than the buffers of both sockets in the end
  GwmServerConfig config;
  config.write_deadline = 300ms;
  given_server(config);
  SaspClient client(port);
  for (std::uint32_t id = 0; id < 100; ++id)
    client.sends(request(id));
  EXPECT_TRUE(ended_with(std::errc::timed_out)) << owner.reasons().size();
  EXPECT_LT(owner.requests(), 100) << "replies were made ahead";
}

TEST_F(GwmServerTest, IsPatientWithAPeerThatReadsSlowly) {
  given_reply_of(65535);
  GwmServerConfig config;
  config.write_deadline = 300ms;
  given_server(config);
  SaspClient client;
  const int small = 65536;
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  client.connect(port);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint32_t id = 0; id < 4; ++id)
    client.sends(request(id));
  std::size_t bytes = 0;
  const std::size_t all = 4 * 2'097'000;
  Bytes buffer(131072);
  while (bytes < all) {
    const ssize_t n = ::recv(client.fd(), buffer.data(), buffer.size(), 0);
    ASSERT_GT(n, 0);
    bytes += static_cast<std::size_t>(n);
    // Longer in all than the deadline, which each write gets anew.
    const auto due = std::chrono::milliseconds{600 * bytes / all};
    std::this_thread::sleep_until(start + due);
  }
}

TEST_F(GwmServerTest, PushesToAPeerThatDidNotAsk) {
  given_server();
  SaspClient client(port);
  ASSERT_TRUE(eventually([&] { return owner.connected() == 1; }));
  const auto pushed = *sasp::encode({7, sasp::SendWeights{{{{"lb1", "web"}, {}}}}});
  on_server([&] { EXPECT_TRUE(server_->push(1, pushed)); });
  EXPECT_EQ(client.receives_bytes(), pushed);
  EXPECT_EQ(owner.writable(), 0) << "nothing was refused";
  on_server([&] { EXPECT_FALSE(server_->push(2, pushed)) << "there is no such connection"; });
}

// One message of one slow peer is in memory, whatever is to be told it; the others get theirs.
TEST_F(GwmServerTest, HoldsOnePushForAPeerThatReadsSlowlyAndSaysWhenItHasReadIt) {
  given_server();
  SaspClient slow(port);
  ASSERT_TRUE(eventually([&] { return owner.connected() == 1; }));
  SaspClient quick(port);
  ASSERT_TRUE(eventually([&] { return owner.connected() == 2; }));
  const auto large = *sasp::encode(
      {1, sasp::SendWeights{{{{"lb1", "web"}, std::vector<sasp::WeightEntry>(65535)}}}});
  std::vector<Bytes> sent;
  on_server([&] {
    // What the kernel takes at once does not count: more than both its buffers hold.
    Bytes several;
    for (int i = 0; i < 8; ++i)
      several.insert(several.end(), large.begin(), large.end());
    EXPECT_TRUE(server_->push(1, several));
    EXPECT_FALSE(server_->push(1, large));
    EXPECT_FALSE(server_->can_push(1));
    EXPECT_TRUE(server_->push(2, request(9)));
  });
  EXPECT_EQ(quick.receives_bytes(), request(9));
  EXPECT_EQ(owner.writable(), 0);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(slow.receives_bytes(), large);
  EXPECT_TRUE(eventually([&] { return owner.writable() == 1; }));
  on_server([&] { EXPECT_TRUE(server_->push(1, request(3))); });
  EXPECT_EQ(slow.receives_bytes(), request(3));
}

// The reply is newer than what was pushed before the request was looked at, and comes behind it.
TEST_F(GwmServerTest, SendsAReplyBehindThePushThatWasBeforeIt) {
  given_server();
  given_reply_of(3);
  SaspClient client(port);
  ASSERT_TRUE(eventually([&] { return owner.connected() == 1; }));
  const auto large = *sasp::encode(
      {1, sasp::SendWeights{{{{"lb1", "web"}, std::vector<sasp::WeightEntry>(65535)}}}});
  Bytes several;
  for (int i = 0; i < 8; ++i)
    several.insert(several.end(), large.begin(), large.end());
  on_server([&] { EXPECT_TRUE(server_->push(1, several)); });
  client.sends(request(2));
  EXPECT_TRUE(eventually([&] { return owner.requests() == 1; }));
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(client.receives_bytes(), large);
  const auto reply = client.receives();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->message_id, 2U);
}

TEST_F(GwmServerTest, ReadsAPeerThatAsksTooOftenMoreSlowly) {
  GwmServerConfig config;
  config.max_requests_per_second = 20;
  given_server(config);
  SaspClient flood(port);
  Bytes requests;
  for (std::uint32_t id = 0; id < 40; ++id) {
    const auto one = request(id);
    requests.insert(requests.end(), one.begin(), one.end());
  }
  const auto start = Clock::now();
  flood.sends(requests);
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(flood.receives());
  // A second's worth at once, then one by one.
  EXPECT_GE(Clock::now() - start, 900ms);
}

// Many that announce large messages and do not finish them.
TEST_F(GwmServerTest, ClosesWhoMakesItHoldTooMuchThatIsUnfinished) {
  GwmServerConfig config;
  config.max_unfinished = 300'000;
  given_server(config);
  auto large = *sasp::encode(
      {1, sasp::SendWeights{{{{"lb1", "web"}, std::vector<sasp::WeightEntry>(65535)}}}});
  large.resize(200'000);
  SaspClient first(port);
  first.sends(large);
  SaspClient small(port);
  small.sends(sasp::ByteView(large).first(1000));
  SaspClient second(port);
  second.sends(large);
  ASSERT_TRUE(eventually([&] { return owner.reasons().size() == 1; }));
  EXPECT_EQ(owner.reasons()[0].code, std::errc::not_enough_memory);
  // One of the two goes, whichever was read last; there is room for the other and for a small one.
  EXPECT_NE(first.is_closed(200ms), second.is_closed(200ms));
  EXPECT_FALSE(small.is_closed(100ms));
}

TEST_F(GwmServerTest, ClosesOnRequestOfItsOwner) {
  given_server();
  SaspClient client(port);
  ASSERT_TRUE(eventually([&] { return owner.connected() == 1; }));
  on_server([&] { server_->close(1, fail(std::errc::connection_aborted, "replaced")); });
  EXPECT_TRUE(client.is_closed());
  ASSERT_TRUE(eventually([&] { return owner.reasons().size() == 1; }));
  EXPECT_EQ(owner.reasons()[0].detail, "replaced");
}

TEST_F(GwmServerTest, TakesNoMoreConnectionsThanItsLimit) {
  GwmServerConfig config;
  config.max_connections = 2;
  given_server(config);
  SaspClient first(port);
  SaspClient second(port);
  SaspClient third(port);
  EXPECT_TRUE(third.is_closed());
  ASSERT_EQ(owner.not_accepted().size(), 1U);
  first.hang_up();
  ASSERT_TRUE(eventually([&] { return owner.reasons().size() == 1; }));
  SaspClient fourth(port);
  fourth.sends(request(1));
  EXPECT_TRUE(fourth.receives());
}

// A pause between attempts, and all is well when descriptors are free again.
TEST_F(GwmServerTest, DoesNotSpinWithoutFileDescriptors) {
  given_server();
  // UBSan needs descriptors itself to check a type that it has not seen, such as that of an error.
  EXPECT_FALSE(second_server_listens());
  std::vector<SaspClient> clients(6);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const int next_fd = ::dup(STDERR_FILENO);
  ::close(next_fd);
  const rlimit two_more{static_cast<rlim_t>(next_fd) + 2, limit.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &two_more);
  for (SaspClient& client : clients)
    client.connect(port);
  ASSERT_TRUE(eventually([&] { return owner.not_accepted().size() >= 3; }));
  const std::size_t before = owner.not_accepted().size();
  std::this_thread::sleep_for(500ms);
  EXPECT_LE(owner.not_accepted().size() - before, 6U);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(owner.not_accepted()[0].code, std::errc::too_many_files_open);
  for (SaspClient& client : clients)
    client.sends(request(1));
  for (SaspClient& client : clients)
    EXPECT_TRUE(client.receives());
}

TEST_F(GwmServerTest, SaysWhyItCannotListen) {
  given_server();
  const auto refused = second_server_listens();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, std::errc::address_in_use);
  EXPECT_EQ(refused.error().detail,
            fmt::format("cannot listen on 127.0.0.1:{}: Address already in use", port));
}

TEST_F(GwmServerTest, ListensOnIpv6BesideIpv4) {
  given_server();
  on_server([&] { EXPECT_TRUE(server_->listen({*IpAddress::parse("::1"), port})); });
}

// Else the server would stand still, and nobody knew.
TEST_F(GwmServerTest, DoesNotSwallowAnExceptionInAccepting) {
  GwmServerConfig config;
  config.allowed = {*IpNetwork::parse("192.0.2.0/24")};
  owner.throws = true;
  given_server(config);
  const SaspClient client(port);
  EXPECT_TRUE(eventually([&] { return thrown() == 1; }));
}

TEST_F(GwmServerTest, DoesNotSwallowAnExceptionInServingAndTakesThePlaceBack) {
  owner.throws = true;
  GwmServerConfig config;
  config.max_connections = 1;
  given_server(config);
  SaspClient client(port);
  client.sends(request(1));
  EXPECT_TRUE(eventually([&] { return thrown() == 1; }));
  EXPECT_TRUE(client.is_closed());
  owner.throws = false;
  SaspClient other(port);
  other.sends(request(1));
  EXPECT_TRUE(other.receives());
}

// ---- TLS ----------------------------------------------------------------------------------------

class GwmServerWithTls : public GwmServerTest {
 protected:
  void given_tls_server(Duration handshake_deadline) {
    GwmServerConfig config;
    config.handshake_deadline = handshake_deadline;
    given_tls_server(config);
  }
  void given_tls_server(GwmServerConfig config) {
    const auto loaded = tls_.load();
    ASSERT_TRUE(loaded) << loaded.error().detail;
    tls_.when_replaced([this] { server_->check_certificates_again(); });
    config.tls = &tls_;
    given_server(config);
  }
  void reload() {
    on_server([this] { tls_.reload(); });
  }
  TlsContextPointer client_context() const {
    const auto loaded = load_tls(pki_.settings("director-1"), TlsRole::client);
    EXPECT_TRUE(loaded) << loaded.error().detail;
    return loaded ? *loaded : nullptr;
  }
  bool was_not_accepted(const std::string& why) const {
    return eventually([&] {
      const auto all = owner.not_accepted();
      return std::any_of(all.begin(), all.end(), [&](const Error& error) {
        return error.detail.find(why) != std::string::npos;
      });
    });
  }

  test::TestPki pki_;

 private:
  TlsSettings settings() const {
    auto settings = pki_.settings("gwm");
    settings.crl = pki_.path("crl.pem");
    return settings;
  }
  TlsCredentials tls_{io_, settings(), TlsRole::server,
                      [](TlsCredentials::Tone, const std::string&) {}};
};

TEST_F(GwmServerWithTls, EndsAHandshakeThatTakesTooLong) {
  given_tls_server(100ms);
  SaspClient client(port);
  EXPECT_TRUE(client.is_closed());
  ASSERT_TRUE(eventually([&] { return owner.not_accepted().size() == 1; }));
  EXPECT_TRUE(owner.not_accepted()[0].detail.ends_with(": no TLS handshake in time"));
  EXPECT_EQ(owner.connected(), 0);
  EXPECT_TRUE(owner.reasons().empty()) << "who was never there does not leave";
}

TEST_F(GwmServerWithTls, StopsInTheMiddleOfAHandshake) {
  given_tls_server(1min);
  SaspClient client(port);
  std::this_thread::sleep_for(50ms);
  stop_server();
  EXPECT_TRUE(client.is_closed());
  EXPECT_TRUE(owner.not_accepted().empty()) << "nobody's fault";
}

// What began under the old list ends under it, as far as OpenSSL goes.
TEST_F(GwmServerWithTls, ClosesWhoWasRevokedInTheMiddleOfItsHandshake) {
  given_tls_server(1min);
  const auto tls = client_context();
  SaspClient client(port);
  test::HeldHandshake handshake(client.fd(), *tls->context.native_handle(), TlsRole::client);
  ASSERT_TRUE(eventually([&] { return handshake.is_held(); }));
  pki_.revoke("director-1");
  reload();
  handshake.let_go();
  EXPECT_TRUE(was_not_accepted("TLS: the peer's certificate (CN=director-1) was revoked by"));
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(owner.connected(), 0);
}

TEST_F(GwmServerWithTls, LetsInWhoIsStillGoodWhenTheListWasReplacedInItsHandshake) {
  given_tls_server(1min);
  const auto tls = client_context();
  SaspClient client(port);
  test::HeldHandshake handshake(client.fd(), *tls->context.native_handle(), TlsRole::client);
  ASSERT_TRUE(eventually([&] { return handshake.is_held(); }));
  pki_.revoke("member-1");
  reload();
  handshake.let_go();
  EXPECT_TRUE(eventually([&] { return owner.connected() == 1; }));
}

TEST_F(GwmServerWithTls, BoundsTheHandshakesOfOneAddress) {
  GwmServerConfig config;
  config.handshake_deadline = 1min;
  config.max_handshakes_per_address = 1;
  config.spare_loopback = false;
  given_tls_server(config);
  SaspClient silent(port);
  EXPECT_FALSE(silent.is_closed(100ms));
  SaspClient second(port);
  EXPECT_TRUE(second.is_closed());
  EXPECT_EQ(owner.not_accepted().at(0).detail,
            "1 TLS handshakes with 127.0.0.1 are unfinished, closing a new connection");
  silent.hang_up();
  EXPECT_TRUE(was_not_accepted("closed the connection during the TLS handshake"));
  const auto tls = client_context();
  std::vector<SaspClient> finished;
  for (int i = 0; i < 2; ++i) {
    const auto& client = finished.emplace_back(port);
    test::HeldHandshake handshake(client.fd(), *tls->context.native_handle(), TlsRole::client);
    ASSERT_TRUE(eventually([&] { return handshake.is_held(); })) << i;
    handshake.let_go();
    EXPECT_TRUE(eventually([&] { return owner.connected() == i + 1; })) << "only unfinished ones";
  }
}

}  // namespace
}  // namespace saspd::net
