// SPDX-License-Identifier: Apache-2.0
// Waiting for a time and for a descriptor.
#include "controller/net/loop.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

namespace saspd::net {
namespace {

using namespace std::chrono_literals;

TEST(Timer, CallsOnceWhenItsTimeHasCome) {
  boost::asio::io_context io;
  Timer timer(io);
  int calls = 0;
  const auto due = Clock::now() + 20ms;
  timer.call_at(due, [&] {
    ++calls;
    EXPECT_GE(Clock::now(), due);
  });
  EXPECT_EQ(timer.expiry(), due);
  io.run();
  EXPECT_EQ(calls, 1);
}

TEST(Timer, ForgetsACallForAnotherOne) {
  boost::asio::io_context io;
  Timer timer(io);
  std::vector<int> calls;
  timer.call_after(1ms, [&] { calls.push_back(1); });
  timer.call_after(2ms, [&] { calls.push_back(2); });
  io.run();
  EXPECT_EQ(calls, std::vector<int>{2});
}

// The time has come, but the loop has not got round to the call.
TEST(Timer, TakesBackWhatIsUnderWay) {
  boost::asio::io_context io;
  Timer late(io);
  std::optional<Timer> gone(std::in_place, io);
  post(io, [&] {
    late.cancel();
    gone.reset();
  });
  late.call_after(-1ms, [] { ADD_FAILURE(); });
  gone->call_after(-1ms, [] { ADD_FAILURE(); });
  Timer early(io);
  early.call_after(-2ms, [&] {
    late.cancel();
    gone.reset();
  });
  io.run();
}

TEST(Timer, IsSetAgainFromItsOwnCall) {
  boost::asio::io_context io;
  Timer timer(io);
  int calls = 0;
  std::function<void()> again = [&] {
    if (++calls < 3) timer.call_after(1ms, again);
  };
  timer.call_after(1ms, again);
  io.run();
  EXPECT_EQ(calls, 3);
}

class ReadWatchTest : public ::testing::Test {
 protected:
  ReadWatchTest() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK), 0); }
  ~ReadWatchTest() override {
    for (const int end : ends_)
      ::close(end);
  }
  void says() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void hears() const {
    char byte = 0;
    EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
  }

  std::array<int, 2> ends_{};
  boost::asio::io_context io_;
};

TEST_F(ReadWatchTest, CallsWheneverThereIsSomethingToRead) {
  int calls = 0;
  ReadWatch watch(io_, ends_[0], [&] {
    hears();
    if (++calls < 3) return says();
    io_.stop();
  });
  io_.run_for(10ms);
  EXPECT_EQ(calls, 0);
  says();
  io_.run();
  EXPECT_EQ(calls, 3);
}

TEST_F(ReadWatchTest, MayEndInItsOwnCall) {
  int calls = 0;
  std::optional<ReadWatch> watch;
  watch.emplace(io_, ends_[0], [&] {
    ++calls;
    watch.reset();
  });
  says();
  io_.run();
  EXPECT_EQ(calls, 1) << "and the loop has nothing left to wait for";
}

TEST_F(ReadWatchTest, BorrowsTheDescriptor) {
  {
    const ReadWatch watch(io_, ends_[0], [] {});
  }
  io_.run();
  says();
  hears();
}

}  // namespace
}  // namespace saspd::net
