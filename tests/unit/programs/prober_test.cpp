// SPDX-License-Identifier: Apache-2.0
// Real servers on loopback, good and bad. They and the prober share one io_context and the thread
// of the test.
#include "controller/programs/sasp_gwm/prober.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>

#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace saspd::programs {
namespace {

using namespace gwm;
namespace asio = boost::asio;
using namespace std::chrono_literals;
using Tcp = asio::ip::tcp;
using Kind = ProbeSpec::Kind;
using State = Health::State;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr)
    ++count;
  ::closedir(folder);
  return count - 3;  // ".", ".." and the one that reads them
}

// What a server does with a connection, which is closed when that ends.
using Behaviour = std::function<asio::awaitable<void>(Tcp::socket&)>;

asio::awaitable<void> closes(Tcp::socket&) {
  co_return;
}

asio::awaitable<void> stays_silent(Tcp::socket& socket) {
  std::array<char, 64> sink{};
  for (;;) {
    const auto [ec, n] = co_await socket.async_read_some(asio::buffer(sink), as_result);
    if (ec) co_return;
  }
}

asio::awaitable<void> write(Tcp::socket& socket, std::string text, Duration pause) {
  asio::steady_timer timer(socket.get_executor());
  const std::size_t piece = pause == Duration{} ? text.size() : 1;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto [ec, n] =
        co_await asio::async_write(socket, asio::buffer(text.data() + at, piece), as_result);
    if (ec) co_return;
    if (pause == Duration{}) continue;
    timer.expires_after(pause);
    co_await timer.async_wait(as_result);
  }
}

Behaviour says(std::string text) {
  return [text](Tcp::socket& socket) { return write(socket, text, {}); };
}
Behaviour says_byte_by_byte(std::string text) {
  return [text](Tcp::socket& socket) { return write(socket, text, 1ms); };
}

asio::awaitable<void> say_and_stay(Tcp::socket& socket, std::string text) {
  co_await write(socket, std::move(text), {});
  co_await stays_silent(socket);
}
Behaviour says_and_stays(std::string text) {
  return [text](Tcp::socket& socket) { return say_and_stay(socket, text); };
}

asio::awaitable<void> say_forever(Tcp::socket& socket, std::string text) {
  for (;;) {
    const auto [ec, n] = co_await asio::async_write(socket, asio::buffer(text), as_result);
    if (ec) co_return;
  }
}
Behaviour says_forever(std::string text) {
  return [text](Tcp::socket& socket) { return say_forever(socket, text); };
}

// Reads a request before it answers, as HTTP servers do.
asio::awaitable<void> answer(Tcp::socket& socket, std::string& last_request, std::string text,
                             bool forever) {
  std::string request;
  const auto [ec, n] =
      co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", as_result);
  if (ec) co_return;
  last_request = std::move(request);
  if (forever) co_await say_forever(socket, std::move(text));
  if (!forever) co_await write(socket, std::move(text), {});
}

class Server {
 public:
  Server(asio::io_context& io, Behaviour behaviour)
      : state_(std::make_shared<State>(
            Tcp::acceptor(io, Tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
            std::move(behaviour))) {
    asio::co_spawn(io, accept(state_), asio::detached);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Connections stay until their behaviour ends.
  ~Server() { state_->acceptor.close(); }

  Endpoint endpoint() const {
    return {*IpAddress::parse("127.0.0.1"), state_->acceptor.local_endpoint().port()};
  }
  int accepted() const { return state_->accepted; }
  int open() const { return state_->open; }
  int most_open() const { return state_->most_open; }

 private:
  struct State {
    State(Tcp::acceptor a, Behaviour b) : acceptor(std::move(a)), behaviour(std::move(b)) {}
    Tcp::acceptor acceptor;
    Behaviour behaviour;
    int accepted = 0;
    int open = 0;
    int most_open = 0;
  };
  static asio::awaitable<void> accept(std::shared_ptr<State> state) {
    for (;;) {
      auto [ec, socket] = co_await state->acceptor.async_accept(as_result);
      if (ec) co_return;
      asio::co_spawn(socket.get_executor(), serve(state, std::move(socket)), asio::detached);
    }
  }
  static asio::awaitable<void> serve(std::shared_ptr<State> state, Tcp::socket socket) {
    ++state->accepted;
    state->most_open = std::max(state->most_open, ++state->open);
    co_await state->behaviour(socket);
    --state->open;
  }

  std::shared_ptr<State> state_;
};

class ProberTest : public testing::Test {
 protected:
  // Results come as fast as they can; only a probe that gets no answer is given up.
  static inline const ProbeConfig fast{.interval = 10ms, .timeout = 20s};
  static inline const ProbeConfig impatient{.interval = 10ms, .timeout = 100ms};

  void given(ProbeConfig config) {
    timeout = config.timeout;
    prober.emplace(io, config, [this](const ProbeTarget& target, const Health& health) {
      ++results;
      if (on_result) on_result(target, health);
    });
  }
  Endpoint given_server(Behaviour behaviour) {
    servers.push_back(std::make_unique<Server>(io, std::move(behaviour)));
    return servers.back()->endpoint();
  }
  // Nobody listens there, and nobody else can begin to.
  Endpoint given_refusing() {
    reserved.emplace_back(io, Tcp::v4());
    reserved.back().bind({asio::ip::address_v4::loopback(), 0});
    return {*IpAddress::parse("127.0.0.1"), reserved.back().local_endpoint().port()};
  }

  bool runs_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.restart();
      io.run_one_for(100ms);
    }
    return true;
  }
  bool becomes(const ProbeTarget& target, State state) {
    return runs_until([&] { return prober->health(target)->state() == state; });
  }
  std::string detail(const ProbeTarget& target) const {
    return prober->health(target)->last()->detail;
  }

  struct Case {
    std::string what;
    ProbeTarget target;
    State state;
    std::string detail;
  };
  // Every case of its own config; all at once.
  void expect(const std::vector<Case>& cases) {
    std::set<ProbeTarget> targets;
    for (const auto& one : cases)
      targets.insert(one.target);
    prober->set_targets(targets);
    for (const auto& one : cases) {
      EXPECT_TRUE(becomes(one.target, one.state)) << one.what;
      ASSERT_TRUE(prober->health(one.target)->last()) << one.what;
      EXPECT_EQ(detail(one.target), one.detail) << one.what;
      // A limit is never met early; how much later depends on the machine.
      const auto took = prober->health(one.target)->last()->duration;
      const bool was_given_up = one.detail.ends_with(" ms");
      EXPECT_GE(took, was_given_up ? timeout : Duration{1}) << one.what;
    }
  }

  asio::io_context io{1};
  std::vector<std::unique_ptr<Server>> servers;
  std::deque<Tcp::socket> reserved;
  std::vector<Tcp::acceptor> unaccepted;
  std::optional<Prober> prober;
  std::function<void(const ProbeTarget&, const Health&)> on_result;
  int results = 0;
  Duration timeout{};
  std::string request;
};

ProbeTarget tcp(Endpoint endpoint) {
  return {{Kind::tcp, "", 0}, endpoint};
}
ProbeTarget http(Endpoint endpoint, std::string path = "/") {
  return {{Kind::http, std::move(path), 0}, endpoint};
}
ProbeTarget agent(Endpoint endpoint) {
  return {{Kind::agent, "", endpoint.port}, endpoint};
}

TEST_F(ProberTest, ConnectsByTcp) {
  given(fast);
  expect({{"accepts", tcp(given_server(closes)), State::up, "connected"},
          {"accepts and is silent", tcp(given_server(stays_silent)), State::up, "connected"},
          {"greets", tcp(given_server(says("220 ready\r\n"))), State::up, "connected"},
          {"refuses", tcp(given_refusing()), State::down, "connection refused"}});
}

// A server is not left with connections of ours, however it behaves.
// connect(2) to 0.0.0.0 reaches this host, where a server listens: not the member's.
TEST_F(ProberTest, NeverTakesItsOwnHostForAMemberWithoutAddress) {
  given(fast);
  Endpoint any = given_server(stays_silent);
  any.address = *IpAddress::parse("0.0.0.0");
  Endpoint group = any;
  group.address = *IpAddress::parse("224.0.0.1");
  expect({{"any", tcp(any), State::down, "0.0.0.0 is the unspecified address"},
          {"any, by HTTP", http(any), State::down, "0.0.0.0 is the unspecified address"},
          {"any, an agent", agent(any), State::down, "0.0.0.0 is the unspecified address"},
          {"multicast", tcp(group), State::down, "224.0.0.1 is a multicast address"}});
}

TEST_F(ProberTest, ClosesItsConnections) {
  given(fast);
  prober->set_targets({tcp(given_server(stays_silent))});
  EXPECT_TRUE(runs_until([&] { return results >= 20; }));
  prober->set_targets({});
  EXPECT_TRUE(runs_until([&] { return servers[0]->accepted() >= 20 && servers[0]->open() == 0; }));
  EXPECT_LE(servers[0]->most_open(), 2) << "one after the other";
}

TEST_F(ProberTest, SpeaksIpv6) {
  given(fast);
  Tcp::acceptor acceptor(io, Tcp::endpoint(asio::ip::address_v6::loopback(), 0));
  const auto port = acceptor.local_endpoint().port();
  const ProbeTarget target = tcp({*IpAddress::parse("::1"), port});
  prober->set_targets({target});
  EXPECT_TRUE(becomes(target, State::up));
}

TEST_F(ProberTest, GivesUpWhenTheTimeIsOver) {
  given(impatient);
  const auto full = [&] {
    // Connections nobody accepts, until the kernel answers no more of them.
    Tcp::acceptor backlog(io, Tcp::v4());
    backlog.bind({asio::ip::address_v4::loopback(), 0});
    backlog.listen(1);
    const auto at = backlog.local_endpoint();
    unaccepted.push_back(std::move(backlog));
    for (int i = 0; i < 4; ++i) {
      reserved.emplace_back(io, Tcp::v4());
      reserved.back().async_connect(at, [](boost::system::error_code) {});
    }
    return Endpoint{*IpAddress::parse("127.0.0.1"), at.port()};
  };
  expect(
      {{"does not accept", tcp(full()), State::down, "no connection within 100 ms"},
       {"silent", http(given_server(stays_silent)), State::down, "no answer within 100 ms"},
       {"silent agent", agent(given_server(stays_silent)), State::down, "no answer within 100 ms"},
       {"half a line", agent(given_server(says_and_stays("up 75"))), State::down,
        "no answer within 100 ms"},
       {"half a header", http(given_server(says_and_stays("HTTP/1.1 200 OK\r\nA: b"))), State::down,
        "no answer within 100 ms"}});
}

TEST_F(ProberTest, AsksByHttp) {
  given(fast);
  const auto answers = [&](std::string text, bool forever = false) {
    return http(given_server([this, text, forever](Tcp::socket& socket) {
      return answer(socket, request, text, forever);
    }));
  };
  const std::string end = "\r\n\r\n";
  const std::string body = "Content-Length: 5\r\n\r\nhello";
  expect({{"200", answers("HTTP/1.1 200 OK\r\n" + body), State::up, "HTTP status 200"},
          {"HTTP/1.0", answers("HTTP/1.0 204 None" + end), State::up, "HTTP status 204"},
          {"302", answers("HTTP/1.1 302 Found\r\nLocation: /" + end), State::up, "HTTP status 302"},
          {"399", answers("HTTP/1.1 399 X" + end), State::up, "HTTP status 399"},
          {"body without end", answers("HTTP/1.1 200 OK\r\n\r\n" + std::string(100000, 'b'), true),
           State::up, "HTTP status 200"},
          {"400", answers("HTTP/1.1 400 Bad" + end), State::down, "HTTP status 400"},
          {"404", answers("HTTP/1.1 404 Not Found\r\n" + body), State::down, "HTTP status 404"},
          {"503", answers("HTTP/1.1 503 Busy" + end), State::down, "HTTP status 503"},
          {"103 alone", answers("HTTP/1.1 103 Early" + end), State::down,
           "closed in the middle of its answer"},
          {"103, then 200", answers("HTTP/1.1 103 Early" + end + "HTTP/1.1 200 OK" + end),
           State::up, "HTTP status 200"},
          {"of a shell script", answers("HTTP/1.0 200\n\n"), State::up, "HTTP status 200"},
          {"garbage", answers("SSH-2.0-OpenSSH" + end), State::down,
           "not an HTTP answer: it begins with 'SSH-2.0-OpenSSH'"},
          {"status", answers("HTTP/1.1 2xx OK" + end), State::down,
           "not an HTTP answer: it begins with 'HTTP/1.1 2xx OK'"},
          {"no answer", answers(""), State::down, "closed without an answer"},
          {"cut", answers("HTTP/1.1 200 OK\r\nA: b"), State::down,
           "closed in the middle of its answer"},
          {"long", answers("HTTP/1.1 200 OK\r\nA: " + std::string(60000, 'a') + end), State::up,
           "HTTP status 200"},
          {"too long", answers("HTTP/1.1 200 OK\r\nA: " + std::string(70000, 'a') + end),
           State::down, "the HTTP header is longer than 65536 bytes"},
          {"endless", answers(std::string(1000, 'a'), true), State::down,
           "the HTTP header is longer than 65536 bytes"},
          {"endless header", answers("HTTP/1.1 200 OK\r\nA: " + std::string(99999, 'a'), true),
           State::down, "the HTTP header is longer than 65536 bytes"},
          {"refuses", http(given_refusing()), State::down, "connection refused"}});
}

TEST_F(ProberTest, SaysWhoAsks) {
  given(fast);
  const auto endpoint = given_server([this](Tcp::socket& socket) {
    return answer(socket, request, "HTTP/1.1 200 OK\r\n\r\n", false);
  });
  const ProbeTarget target = http(endpoint, "/health?a=b&c=%20");
  prober->set_targets({target});
  ASSERT_TRUE(becomes(target, State::up));
  EXPECT_EQ(request, "GET /health?a=b&c=%20 HTTP/1.1\r\nHost: " + endpoint.text() +
                         "\r\nUser-Agent: sasp-gwm/" SASPD_VERSION "\r\nConnection: close\r\n\r\n");
}

TEST_F(ProberTest, AsksAgents) {
  given(fast);
  const auto reset = [](Tcp::socket& socket) {
    socket.set_option(asio::socket_base::linger(true, 0));
    socket.close();
    return closes(socket);
  };
  const auto is = [&](Behaviour behaviour) { return agent(given_server(std::move(behaviour))); };
  const auto of_word = is(says("up 75%\n"));
  const auto in_bytes = is(says_byte_by_byte("drain,0% maxconn:7\n"));
  const auto cut = is(says("down #disk full"));
  expect({{"a line", of_word, State::up, "up 75%"},
          {"bytes", in_bytes, State::up, "drain,0% maxconn:7"},
          {"closes for an end", cut, State::up, "down #disk full"},
          {"stays", is(says_and_stays("ready\r\n")), State::up, "ready"},
          {"goes on", is(says_forever("50%\nnonsense\n")), State::up, "50%"},
          {"control", is(says("down #\x1B[2J\n")), State::up, "down #\\x1b[2J"},
          {"nonsense", is(says("hello\n")), State::down,
           "the agent answered 'hello', which is not a word of the agent-check protocol"},
          {"empty", is(says("\n")), State::down, "the agent's answer has no word in it"},
          {"never ends", is(says_forever("up ")), State::down,
           "the agent's line does not end within 1024 bytes"},
          {"closes", is(closes), State::down, "closed without an answer"},
          {"resets", is(reset), State::down, "connection reset by peer"},
          {"refuses", agent(given_refusing()), State::down, "connection refused"}});
  EXPECT_EQ(prober->health(of_word)->agent(), (AgentState{75, {}, AgentAdmin::ready}));
  EXPECT_EQ(prober->health(in_bytes)->agent(), (AgentState{0, {}, AgentAdmin::drain}));
  EXPECT_EQ(prober->health(cut)->agent(),
            (AgentState{100, {AgentHealth::Word::down, "disk full"}, AgentAdmin::ready}));
}

asio::awaitable<void> read_line_and_answer(Tcp::socket& socket, std::string& line) {
  std::string read;
  const auto [ec, n] =
      co_await asio::async_read_until(socket, asio::dynamic_buffer(read), '\n', as_result);
  if (ec) co_return;
  line = std::move(read);
  co_await write(socket, "50%\n", {});
}

// As agents are that serve several servers at one port.
TEST_F(ProberTest, SendsALineToAgentsThatWaitForOne) {
  std::string line;
  const Endpoint waits =
      given_server([&](Tcp::socket& socket) { return read_line_and_answer(socket, line); });
  given(impatient);
  expect({{"not sent", agent(waits), State::down, "no answer within 100 ms"}});
  prober.reset();
  auto sends = fast;
  sends.agent_send = "web/s1";
  given(sends);
  expect({{"sent", agent(waits), State::up, "50%"}});
  EXPECT_EQ(line, "web/s1\n");
  expect({{"one that does not wait", agent(given_server(says("75%\n"))), State::up, "75%"}});
}

// It ends the program with its reason; a place that is held for ever would be worse.
TEST_F(ProberTest, LosesNoException) {
  given(fast);
  on_result = [](const ProbeTarget&, const Health&) { throw std::runtime_error("a bug"); };
  prober->set_targets({tcp(given_server(closes))});
  EXPECT_THROW(runs_until([&] { return results >= 3; }), std::runtime_error);
  EXPECT_EQ(results, 1);
}

TEST_F(ProberTest, NoticesAServerThatDiesAndReturns) {
  given(fast);
  const auto at = given_server(closes);
  const ProbeTarget target = tcp(at);
  prober->set_targets({target});
  ASSERT_TRUE(becomes(target, State::up));
  servers.clear();
  EXPECT_TRUE(becomes(target, State::down));
  EXPECT_EQ(prober->health(target)->run(), 3U);
  Tcp::acceptor again(io, Tcp::v4());
  again.set_option(Tcp::acceptor::reuse_address(true));
  again.bind({asio::ip::address_v4::loopback(), at.port});
  again.listen();
  EXPECT_TRUE(becomes(target, State::up));
  EXPECT_EQ(prober->health(target)->run(), 2U);
  EXPECT_EQ(prober->counts().failures, prober->health(target)->failures());
  EXPECT_EQ(prober->counts().probes, prober->health(target)->samples());
}

TEST_F(ProberTest, IsNotTheServersFaultWhenDescriptorsAreGone) {
  given(fast);
  const ProbeTarget target = tcp(given_server(stays_silent));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = ::dup(STDIN_FILENO);
  ASSERT_EQ(::close(lowest_free), 0);
  const rlimit none_left{static_cast<rlim_t>(lowest_free), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  prober->set_targets({target});
  const bool counted = runs_until([&] { return prober->counts().local_errors >= 5; });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(counted);
  EXPECT_EQ(prober->last_local_error(), "too many open files");
  EXPECT_EQ(prober->health(target)->samples(), 0U);
  EXPECT_EQ(results, 0);
  EXPECT_TRUE(becomes(target, State::up)) << "it tries again";
  EXPECT_EQ(prober->counts().failures, 0U);
}

TEST_F(ProberTest, ProbesThousandsWithFewDescriptors) {
  given({.interval = 2s, .timeout = 20s, .concurrency = 64});
  const auto endpoint = given_server([this](Tcp::socket& socket) {
    return answer(socket, request, "HTTP/1.1 200 OK\r\n\r\n", false);
  });
  std::set<ProbeTarget> targets;
  for (int i = 0; i < 2000; ++i)
    targets.insert(http(endpoint, "/" + std::to_string(i)));
  const std::size_t before = open_descriptors();
  std::size_t most_running = 0;
  std::set<ProbeTarget> seen;
  on_result = [&](const ProbeTarget& target, const Health& health) {
    EXPECT_TRUE(health.last()->ok) << health.last()->detail;
    most_running = std::max(most_running, prober->running());
    seen.insert(target);
  };
  prober->set_targets(targets);
  ASSERT_TRUE(runs_until([&] { return seen.size() == targets.size(); }));
  EXPECT_LT(most_running, 64U) << "the one whose result this is has ended";
  EXPECT_LE(servers[0]->most_open(), 64);
  prober->set_targets({});
  EXPECT_TRUE(runs_until([&] { return prober->running() == 0 && servers[0]->open() == 0; }));
  EXPECT_EQ(open_descriptors(), before);
}

// With nothing to limit it the machine decides; here 100 places and 300 servers that do not answer.
TEST_F(ProberTest, NeverRunsMoreThanItMay) {
  given({.interval = 10ms, .timeout = 100ms, .concurrency = 100});
  const auto endpoint = given_server(stays_silent);
  std::set<ProbeTarget> targets;
  for (int i = 0; i < 300; ++i)
    targets.insert(http(endpoint, "/" + std::to_string(i)));
  std::set<ProbeTarget> seen;
  on_result = [&](const ProbeTarget& target, const Health&) {
    EXPECT_LT(prober->running(), 100U);
    seen.insert(target);
  };
  prober->set_targets(targets);
  EXPECT_TRUE(runs_until([&] { return seen.size() == 300; }));
  EXPECT_EQ(prober->running(), 100U);
}

TEST_F(ProberTest, ForgetsWhatIsNoTargetAnyMore) {
  given(impatient);
  const ProbeTarget target = tcp(given_server(closes));
  // From within the callback, which is where an owner hears of news.
  on_result = [&](const ProbeTarget&, const Health&) { prober->set_targets({}); };
  prober->set_targets({target});
  EXPECT_TRUE(runs_until([&] { return results == 1 && prober->running() == 0; }));
  EXPECT_EQ(prober->health(target), nullptr);
  // A probe that runs when its target goes has no result.
  on_result = nullptr;
  const ProbeTarget silent = http(given_server(stays_silent));
  prober->set_targets({silent});
  ASSERT_TRUE(runs_until([&] { return servers[1]->open() == 1; }));
  prober->set_targets({});
  EXPECT_EQ(prober->health(silent), nullptr);
  EXPECT_TRUE(runs_until([&] { return prober->running() == 0 && servers[1]->open() == 0; }));
  EXPECT_EQ(results, 1);
}

TEST_F(ProberTest, StopsAtOnceAndLeavesNoWork) {
  given({.interval = 10ms, .timeout = 1h});
  Tcp::acceptor silent(io, Tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const Endpoint accepting{*IpAddress::parse("127.0.0.1"), silent.local_endpoint().port()};
  const Endpoint refusing = given_refusing();
  const std::size_t before = open_descriptors();
  prober->set_targets({tcp(refusing), http(accepting, "/a"), http(accepting, "/b")});
  ASSERT_TRUE(runs_until([&] { return results >= 1 && prober->running() >= 2; }));
  prober->set_targets({tcp(refusing), http(accepting, "/a"), http(accepting, "/c")});
  prober->stop();  // one is just starting
  const int results_before = results;
  io.restart();
  io.run();  // comes back, as there is nothing to wait for
  EXPECT_EQ(results, results_before);
  EXPECT_EQ(open_descriptors(), before);
  prober->set_targets({tcp(accepting)});
  io.restart();
  io.run();
  EXPECT_EQ(results, results_before) << "nothing starts any more";
}

}  // namespace
}  // namespace saspd::programs
