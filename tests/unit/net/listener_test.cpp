// SPDX-License-Identifier: Apache-2.0
// Coroutines, the accept loop and the places of clients when something throws.
#include "controller/net/listener.hpp"

#include <gtest/gtest.h>

#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "controller/net/tcp.hpp"

namespace saspd::net {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

asio::awaitable<void> throws_later(asio::io_context& io) {
  co_await asio::post(io, asio::use_awaitable);
  throw std::runtime_error("a bug");
}

TEST(Run, SaysWhatACoroutineThrew) {
  asio::io_context io;
  spawn(io, throws_later(io));
  const auto ran = run(io);
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().detail, "internal error: a bug");
  EXPECT_TRUE(run(io)) << "and nothing is left";
}

TEST(Run, SaysWhatAnyHandlerThrew) {
  asio::io_context io;
  asio::post(io, [] { throw std::bad_alloc(); });
  asio::post(io, [] { throw 7; });
  EXPECT_EQ(run(io).error().detail, "internal error: std::bad_alloc");
  EXPECT_EQ(run(io).error().detail, "internal error: something other than an exception was thrown");
  EXPECT_TRUE(run(io));
}

// Each throw comes out of the event loop, and the next client is taken all the same.
TEST(Listener, GoesOnWhenAClientCannotBeAdmitted) {
  asio::io_context io;
  auto acceptor = listen_at(io, *Endpoint::parse("127.0.0.1:0"));
  ASSERT_TRUE(acceptor) << acceptor.error().detail;
  const auto at = acceptor->local_endpoint();
  int admitted = 0;
  std::optional<Listener<Tcp>> listener;
  listener.emplace(io, std::move(*acceptor), 0U,
                   Listener<Tcp>::Callbacks{[&](Tcp::socket, const Tcp::endpoint&) {
                     if (++admitted <= 100) throw std::bad_alloc();
                     listener.reset();
                   }});
  asio::io_context clients;
  int failures = 0;
  for (int i = 0; i < 101; ++i) {
    Tcp::socket client(clients);
    client.connect(at);
    while (admitted <= i) {
      if (!run(io)) ++failures;
      io.restart();
    }
  }
  while (!run(io))
    ++failures;
  EXPECT_EQ(admitted, 101);
  EXPECT_EQ(failures, 100);
}

}  // namespace
}  // namespace saspd::net
