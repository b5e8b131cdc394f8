// SPDX-License-Identifier: Apache-2.0
// Work in a thread of its own does not hold up the loop, and what follows is done in the loop.
#include "controller/net/aside.hpp"

#include <future>
#include <optional>

#include <gtest/gtest.h>
#include <boost/asio/post.hpp>

namespace saspd::net {
namespace {

namespace asio = boost::asio;

TEST(Aside, DoesNotHoldUpTheLoop) {
  asio::io_context io;
  Aside aside(io);
  std::promise<void> released;
  std::thread::id worker;
  std::optional<std::thread::id> followed;
  aside.start(
      [&] {
        worker = std::this_thread::get_id();
        released.get_future().wait();
      },
      [&] { followed = std::this_thread::get_id(); });
  EXPECT_TRUE(aside.is_busy());
  asio::post(io, [&] { released.set_value(); });  // the loop goes on, or this never ends
  const auto work = asio::make_work_guard(io);
  while (!followed)
    io.run_one();
  EXPECT_EQ(*followed, std::this_thread::get_id());
  EXPECT_NE(worker, *followed);
  EXPECT_FALSE(aside.is_busy());
}

// What was waited for is over: its message to the loop, which comes later, ends no other piece.
TEST(Aside, IsWaitedForAndFollowedOnce) {
  asio::io_context io;
  Aside aside(io);
  int followed = 0;
  aside.start([] {}, [&] { ++followed; });
  aside.finish();
  EXPECT_EQ(followed, 1);
  std::promise<void> released;
  aside.start([&] { released.get_future().wait(); }, [&] { followed += 10; });
  io.poll();  // the message of the first piece
  EXPECT_TRUE(aside.is_busy());
  EXPECT_EQ(followed, 1);
  released.set_value();
  aside.finish();
  EXPECT_EQ(followed, 11);
  io.restart();
  io.poll();
  EXPECT_EQ(followed, 11);
  aside.finish();
  EXPECT_EQ(followed, 11) << "nothing is under way";
}

TEST(Aside, StartsTheNextPieceInWhatFollows) {
  asio::io_context io;
  Aside aside(io);
  int pieces = 0;
  std::function<void()> next = [&] {
    if (++pieces < 5) aside.start([] {}, next);
  };
  aside.start([] {}, next);
  const auto work = asio::make_work_guard(io);
  while (pieces < 5)
    io.run_one();
  EXPECT_FALSE(aside.is_busy());
}

TEST(Aside, IsWaitedForAtTheEndAndNothingFollows) {
  asio::io_context io;
  bool done = false;
  bool followed = false;
  {
    Aside aside(io);
    aside.start([&] { done = true; }, [&] { followed = true; });
  }
  EXPECT_TRUE(done);
  io.poll();
  EXPECT_FALSE(followed);
}

}  // namespace
}  // namespace saspd::net
