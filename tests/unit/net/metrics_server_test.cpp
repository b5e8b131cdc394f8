// SPDX-License-Identifier: Apache-2.0
// The metrics server against real clients on loopback, the hostile ones among them.
#include "controller/net/metrics_server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <ctime>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "controller/net/spawn.hpp"

namespace saspd::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;
using namespace std::chrono_literals;

// A client that does as it is told, byte by byte, and waits 5 s at most.
class Peer {
 public:
  explicit Peer(const Endpoint& server) {
    const Tcp::endpoint at(asio::ip::make_address(server.address.text()), server.port);
    socket_.connect(at);
    const timeval timeout{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }

  void sends(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // the server has had enough
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  // Nothing if the server closes first.
  std::optional<http::response<http::string_body>> response(bool head = false) {
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    parser.skip(head);
    boost::system::error_code ec;
    http::read(socket_, buffer_, parser, ec);
    if (ec) return std::nullopt;
    return parser.release();
  }
  std::optional<http::response<http::string_body>> gets(std::string_view target) {
    sends("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return response();
  }
  unsigned status() {
    const auto answer = response();
    return answer ? answer->result_int() : 0;
  }
  bool is_closed() {
    std::array<char, 65536> bytes{};
    for (;;) {
      const auto n = ::recv(socket_.native_handle(), bytes.data(), bytes.size(), 0);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
      if (n < 0) return false;
    }
  }
  void stops_sending() { socket_.shutdown(Tcp::socket::shutdown_send); }

 private:
  asio::io_context io_;
  Tcp::socket socket_{io_};
  boost::beast::flat_buffer buffer_;
};

// A program with metrics: an event loop in a thread of its own.
class Program {
 public:
  explicit Program(std::function<std::string()> text, MetricsLimits limits = {},
                   const Endpoint& where = *Endpoint::parse("127.0.0.1:0")) {
    MetricsServer::Callbacks callbacks;
    callbacks.text = std::move(text);
    callbacks.on_exception = [this](const std::exception_ptr& failure) {
      ++told_;
      if (lets_out_) std::rethrow_exception(failure);
    };
    callbacks.on_listen = [this](const Result<Endpoint>& at) { listening_.set_value(at); };
    server_ = std::make_unique<MetricsServer>(io_, where, std::move(callbacks), limits);
    thread_ = std::thread([this] { serve(); });
    const auto at = listening_.get_future().get();
    EXPECT_TRUE(at) << at.error().detail;
    if (at) endpoint_ = *at;
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    io_.stop();
    thread_.join();
  }
  const Endpoint& endpoint() const { return endpoint_; }
  // How often a text could not be made, and how often that came out of the event loop: a program of
  // ours would have ended.
  int told() const { return told_; }
  int failures() const { return failures_; }
  void lets_out() { lets_out_ = true; }

 private:
  void serve() {
    while (!run(io_))
      ++failures_;
  }

  std::atomic<int> told_ = 0;
  std::atomic<int> failures_ = 0;
  std::atomic<bool> lets_out_ = false;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::promise<Result<Endpoint>> listening_;
  std::unique_ptr<MetricsServer> server_;
  Endpoint endpoint_;
  std::thread thread_;
};

std::string one_line() {
  return "saspd_up 1\n";
}

TEST(MetricsServerTest, AnswersWithTheTextAsPrometheusWantsIt) {
  const Program program(one_line);
  Peer peer(program.endpoint());
  const auto answer = peer.gets("/metrics");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->result_int(), 200U);
  EXPECT_EQ(answer->at(http::field::content_type), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(answer->body(), one_line());
}

TEST(MetricsServerTest, KeepsTheConnectionAsTheClientWishes) {
  const Program program(one_line);
  Peer peer(program.endpoint());
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(peer.gets("/metrics?name=x")->body(), one_line());
  // Two at once are answered one after the other.
  peer.sends("GET /metrics HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(peer.response()->body(), one_line());
  const auto last = peer.response();
  EXPECT_EQ(last->body(), "The metrics are at /metrics.\n");
  EXPECT_FALSE(last->keep_alive());
  EXPECT_TRUE(peer.is_closed());

  Peer old(program.endpoint());
  old.sends("GET /metrics HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.response()->body(), one_line());
  EXPECT_TRUE(old.is_closed());
}

TEST(MetricsServerTest, ReadsARequestInAnyPieces) {
  const Program program(one_line);
  Peer peer(program.endpoint());
  for (const char byte : std::string("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")) {
    peer.sends({&byte, 1});
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(peer.response()->body(), one_line());
}

TEST(MetricsServerTest, TellsTheHeadOfTheSameAnswer) {
  const Program program(one_line);
  Peer peer(program.endpoint());
  peer.sends("HEAD /metrics HTTP/1.1\r\n\r\n");
  const auto head = peer.response(true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->result_int(), 200U);
  EXPECT_EQ(head->at(http::field::content_length), std::to_string(one_line().size()));
  EXPECT_EQ(peer.gets("/metrics")->body(), one_line()) << "a body followed the head";
}

TEST(MetricsServerTest, RefusesOtherPathsAndMethods) {
  std::atomic<int> asked = 0;
  const Program program([&] { return ++asked, one_line(); });
  Peer peer(program.endpoint());
  for (const char* target : {"/metric", "/metrics/", "//metrics", "/../metrics", "*", "metrics",
                             "http://x/metrics", "/?/metrics/..", "/%6detrics"}) {
    const auto answer = peer.gets(target);
    ASSERT_TRUE(answer) << target;
    EXPECT_EQ(answer->result_int(), std::string_view(target) == "/?/metrics/.." ? 200U : 404U)
        << target;
  }
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get", "BREW"}) {
    peer.sends(std::string(method) + " /metrics HTTP/1.1\r\n\r\n");
    const auto answer = peer.response();
    ASSERT_TRUE(answer) << method;
    EXPECT_EQ(answer->result_int(), 405U) << method;
    EXPECT_EQ(answer->at(http::field::allow), "GET, HEAD");
  }
  EXPECT_EQ(asked, 0);
}

TEST(MetricsServerTest, TakesNoBody) {
  const Program program(one_line);
  for (const char* header :
       {"Content-Length: 5", "Content-Length: 99999999999", "Transfer-Encoding: chunked"}) {
    for (const char* method : {"GET", "POST"}) {
      Peer peer(program.endpoint());
      peer.sends(std::string(method) + " /metrics HTTP/1.1\r\n" + header + "\r\n\r\nhello");
      EXPECT_EQ(peer.status(), 413U) << method << " " << header;
      EXPECT_TRUE(peer.is_closed());
    }
  }
}

TEST(MetricsServerTest, RefusesWhatIsNoRequest) {
  const Program program(one_line);
  for (const char* request :
       {"\r\n\r\n", "GET\r\n\r\n", "GET /metrics\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nX: 1\n\r\n\r\n", "GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\n\r\n", "{\"command\":\"status\"}\r\n\r\n"}) {
    Peer peer(program.endpoint());
    peer.sends(request);
    EXPECT_EQ(peer.status(), 400U) << request;
    EXPECT_TRUE(peer.is_closed());
  }
  Peer future(program.endpoint());
  future.sends("GET /metrics HTTP/3.0\r\n\r\n");
  EXPECT_EQ(future.status(), 505U);
  Peer secure(program.endpoint());
  secure.sends("\x16\x03\x01\x02");  // waits for an answer that never comes
  secure.stops_sending();
  EXPECT_TRUE(secure.is_closed());
}

TEST(MetricsServerTest, TakesAHeaderOf8KibibytesAndNotOneMoreByte) {
  const Program program(one_line);
  const std::string start = "GET /metrics HTTP/1.1\r\nX: ";
  std::string request = start + std::string(8192 - start.size() - 4, 'x') + "\r\n\r\n";
  Peer peer(program.endpoint());
  peer.sends(request + request);
  EXPECT_EQ(peer.status(), 200U);
  EXPECT_EQ(peer.status(), 200U);
  request.insert(start.size(), 1, 'x');
  peer.sends(request);
  EXPECT_EQ(peer.status(), 431U);
  EXPECT_TRUE(peer.is_closed());

  Peer endless(program.endpoint());
  endless.sends(std::string(1 << 20, 'x'));
  EXPECT_EQ(endless.status(), 431U);
  Peer talkative(program.endpoint());  // a field is short, but they are many
  std::string fields;
  for (int i = 0; i < 2000; ++i)
    fields += "Field: 1\r\n";
  talkative.sends("GET /metrics HTTP/1.1\r\n" + fields);
  EXPECT_EQ(talkative.status(), 431U);
}

TEST(MetricsServerTest, ClosesClientsThatTakeTheirTime) {
  const Program program(one_line, {.patience = 200ms});
  Peer silent(program.endpoint());
  Peer half(program.endpoint());
  half.sends("GET /metrics HTT");
  Peer idle(program.endpoint());
  EXPECT_EQ(idle.gets("/metrics")->body(), one_line());
  Peer slow(program.endpoint());
  const std::jthread drip([&slow](const std::stop_token& stop) {
    slow.sends("GET /metrics HTTP/1.1\r\nX: ");
    while (!stop.stop_requested()) {
      slow.sends("x");
      std::this_thread::sleep_for(20ms);
    }
  });
  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(half.is_closed());
  EXPECT_TRUE(idle.is_closed());
  EXPECT_TRUE(slow.is_closed());
}

TEST(MetricsServerTest, IsNotHeldUpByClientsThatNeverRead) {
  std::atomic<int> made = 0;
  Program program(
      [&] {
        ++made;
        return std::string(16 << 20, 'x');  // more than the kernel takes
      },
      {.patience = 2s, .freshness = 1h});
  std::vector<std::unique_ptr<Peer>> deaf;
  for (int i = 0; i < 20; ++i) {
    deaf.push_back(std::make_unique<Peer>(program.endpoint()));
    deaf.back()->sends("GET /metrics HTTP/1.1\r\n\r\n");
  }
  Peer other(program.endpoint());
  const auto response = other.gets("/metrics");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body().size(), std::size_t{16} << 20);
  EXPECT_EQ(made, 1) << "the text is made once for all who ask at the same time";
  std::this_thread::sleep_for(2500ms);
  EXPECT_EQ(deaf[0]->response(), std::nullopt);  // part of an answer, then the end
}

TEST(MetricsServerTest, MakesTheTextAnewForWhoAsksLater) {
  int made = 0;
  const Program program([&] { return std::to_string(++made) + "\n"; }, {.freshness = 50ms});
  Peer peer(program.endpoint());
  EXPECT_EQ(peer.gets("/metrics")->body(), "1\n");
  std::this_thread::sleep_for(60ms);
  EXPECT_EQ(peer.gets("/metrics")->body(), "2\n");
}

// Else the slower it is made, the more often it would be.
TEST(MetricsServerTest, DoesNotCountTheTimeThatTheTextTakes) {
  int made = 0;
  const Program program(
      [&] {
        std::this_thread::sleep_for(1100ms);
        return std::to_string(++made) + "\n";
      },
      {.freshness = 1s});
  Peer peer(program.endpoint());
  EXPECT_EQ(peer.gets("/metrics")->body(), "1\n");
  EXPECT_EQ(peer.gets("/metrics")->body(), "1\n");
}

TEST(MetricsServerTest, KeepsToItsNumberOfClients) {
  const Program program(one_line, {.max_clients = 2});
  auto first = std::make_unique<Peer>(program.endpoint());
  Peer second(program.endpoint());
  EXPECT_EQ(second.gets("/")->result_int(), 200U);
  Peer third(program.endpoint());
  EXPECT_TRUE(third.is_closed());
  first.reset();
  // The server learns of the end of the first when it gets round to it.
  for (int i = 0; i < 100; ++i) {
    Peer next(program.endpoint());
    if (next.gets("/")) return;
    std::this_thread::sleep_for(10ms);
  }
  ADD_FAILURE() << "the place of a client that left stays taken";
}

// A text that cannot be made costs the client its answer, and nobody else anything: more fail than
// there are places.
TEST(MetricsServerTest, FreesThePlaceOfAClientWhoseTextThrows) {
  std::atomic<bool> broken = true;
  const auto text = [&]() -> std::string {
    if (broken) throw std::bad_alloc();
    return one_line();
  };
  for (const bool lets_out : {false, true}) {
    broken = true;
    Program program(text, MetricsLimits{.max_clients = 4});
    if (lets_out) program.lets_out();
    for (int i = 0; i < 100; ++i) {
      Peer peer(program.endpoint());
      peer.sends("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
      EXPECT_EQ(peer.status(), lets_out ? 0U : 500U) << i;
      EXPECT_TRUE(peer.is_closed()) << i;
    }
    broken = false;
    Peer last(program.endpoint());
    const auto answer = last.gets("/metrics");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body(), one_line());
    EXPECT_EQ(program.told(), 100);
    EXPECT_EQ(program.failures(), lets_out ? 100 : 0);
  }
}

TEST(MetricsServerTest, ServesManyClientsThatComeAndGo) {
  const Program program(one_line);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        Peer peer(program.endpoint());
        if (t % 2 == 1 && i % 2 == 1) {
          peer.sends("GET /met");  // and leaves
          continue;
        }
        const auto answer = peer.gets("/metrics");
        if (answer && answer->body() == one_line()) ++good;
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(good, 600);
}

TEST(MetricsServerTest, WaitsInsteadOfSpinningWhenItHasNoFileDescriptorLeft) {
  const Program program(one_line);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  {
    Peer peer(program.endpoint());
    ASSERT_EQ(peer.gets("/")->result_int(), 200U);
  }
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::vector<int> taken;
  rlimit tight = before;
  tight.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  for (int fd = ::dup(0); fd >= 0; fd = ::dup(0))
    taken.push_back(fd);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(program.endpoint().port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(client, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  const auto cpu_before = std::clock();
  std::this_thread::sleep_for(500ms);
  const auto cpu = std::clock() - cpu_before;
  for (const int fd : taken)
    ::close(fd);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(cpu, CLOCKS_PER_SEC / 10);
  const std::string_view request = "GET / HTTP/1.0\r\n\r\n";
  EXPECT_EQ(::send(client, request.data(), request.size(), MSG_NOSIGNAL), 18);
  std::array<char, 64> answer{};
  EXPECT_GT(::recv(client, answer.data(), answer.size(), 0), 0);
  ::close(client);
}

TEST(MetricsServerTest, TriesAgainWhenItsAddressIsTakenAndTellsOnce) {
  asio::io_context io;
  auto first = std::make_unique<Tcp::acceptor>(io, Tcp::endpoint(Tcp::v4(), 0));
  const auto port = first->local_endpoint().port();
  std::vector<std::string> told;
  MetricsServer::Callbacks callbacks;
  callbacks.text = one_line;
  callbacks.on_listen = [&](const Result<Endpoint>& at) {
    told.push_back(at ? at->text() : at.error().detail);
  };
  const MetricsServer server(io, *Endpoint::parse("127.0.0.1:" + std::to_string(port)), callbacks,
                             {.retry = 20ms});
  io.run_for(100ms);
  const std::string where = "127.0.0.1:" + std::to_string(port);
  EXPECT_EQ(told,
            (std::vector<std::string>{"cannot listen on " + where + ": Address already in use"}));
  first.reset();
  io.run_for(100ms);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[1], where);
}

TEST(MetricsServerTest, ListensOnIpv6) {
  const Program program(one_line, {}, *Endpoint::parse("[::1]:0"));
  EXPECT_NE(program.endpoint().port, 0);
  Peer peer(program.endpoint());
  EXPECT_EQ(peer.gets("/metrics")->body(), one_line());
}

TEST(MetricsServerTest, LeavesNothingBehind) {
  asio::io_context io;
  Endpoint at;
  int made = 0;
  MetricsServer::Callbacks callbacks;
  callbacks.text = [&] { return ++made, one_line(); };
  callbacks.on_listen = [&](const Result<Endpoint>& listening) { at = *listening; };
  auto server =
      std::make_unique<MetricsServer>(io, *Endpoint::parse("127.0.0.1:0"), std::move(callbacks));
  io.run_for(20ms);
  Peer idle(at);
  Peer asked(at);
  io.run_for(20ms);
  asked.sends("GET /metrics HTTP/1.1\r\n\r\n");
  server.reset();
  io.run_for(1s);
  EXPECT_TRUE(io.stopped()) << "something of the server is left";
  EXPECT_EQ(made, 0);
  EXPECT_TRUE(asked.is_closed());
  EXPECT_TRUE(idle.is_closed());
}

}  // namespace
}  // namespace saspd::net
