// SPDX-License-Identifier: Apache-2.0
// Names are looked up without holding up the loop, or each other.
#include "controller/net/resolver.hpp"

#include <csignal>
#include <future>
#include <optional>

#include <gtest/gtest.h>

#include "controller/net/loop.hpp"
#include "controller/net/spawn.hpp"

namespace saspd::net {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

// A name server that answers when the test lets it.
class NameServer {
 public:
  Resolver::LookUp look_up() {
    return [answer = answer_.get_future().share()](const std::string&, std::uint16_t) {
      return answer.get();
    };
  }
  void answers(Resolver::Answer answer) { answer_.set_value(std::move(answer)); }

 private:
  std::promise<Resolver::Answer> answer_;
};

Resolver::Answer at(const std::string& address, std::uint16_t port) {
  return {{}, {{asio::ip::make_address(address), port}}};
}

asio::awaitable<void> keep(Resolver& resolver, std::optional<Resolver::Answer>& answer) {
  answer = co_await resolver.resolve("gwm.example.net", 3860);
}

TEST(Resolver, ALookupWaitsForNoOther) {
  asio::io_context io;
  NameServer silent;
  NameServer quick;
  Resolver first(io, silent.look_up());
  Resolver second(io, quick.look_up());
  std::optional<Resolver::Answer> of_first;
  std::optional<Resolver::Answer> of_second;
  spawn(io, keep(first, of_first));
  spawn(io, keep(second, of_second));
  quick.answers(at("192.0.2.2", 3860));
  while (!of_second)
    io.run_one();
  EXPECT_EQ(of_second->endpoints, at("192.0.2.2", 3860).endpoints);
  EXPECT_FALSE(of_first);
  silent.answers({asio::error::host_not_found_try_again, {}});
  io.run();
  ASSERT_TRUE(of_first);
  EXPECT_EQ(of_first->error, asio::error::host_not_found_try_again);
}

// A program that ends while a name server is silent.
TEST(Resolver, IsNotWaitedForAtTheEnd) {
  NameServer silent;
  std::optional<Resolver::Answer> answer;
  {
    asio::io_context io;
    Resolver resolver(io, silent.look_up());
    spawn(io, keep(resolver, answer));
    io.poll();
  }
  silent.answers(at("192.0.2.1", 1));  // to nobody: the loop is gone
  EXPECT_FALSE(answer);
}

TEST(Resolver, AsksTheSystem) {
  const auto answer = Resolver::ask_system("localhost", 7);
  ASSERT_FALSE(answer.endpoints.empty()) << answer.error.message();
  EXPECT_TRUE(answer.endpoints.front().address().is_loopback());
  EXPECT_EQ(answer.endpoints.front().port(), 7);
}

// Else a signal might be handled there, and overtake one before it.
TEST(Resolver, TakesNoSignals) {
  asio::io_context io;
  sigset_t blocked{};
  Resolver resolver(io, [&blocked](const std::string&, std::uint16_t) -> Resolver::Answer {
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    return {};
  });
  std::optional<Resolver::Answer> answer;
  spawn(io, keep(resolver, answer));
  io.run();
  for (const int signal : {SIGTERM, SIGHUP, SIGINT})
    EXPECT_EQ(sigismember(&blocked, signal), 1);
  sigset_t ours{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &ours);
  EXPECT_EQ(sigismember(&ours, SIGTERM), 0);
}

}  // namespace
}  // namespace saspd::net
