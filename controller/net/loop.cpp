// SPDX-License-Identifier: Apache-2.0

#include "controller/net/loop.hpp"

#include <unistd.h>

#include <cstdint>
#include <utility>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

namespace saspd::net {

namespace asio = boost::asio;
using boost::system::error_code;

void post(asio::io_context& io, std::function<void()> what) {
  asio::post(io, std::move(what));
}

// A call that is taken back may be under way already: it then finds another number.
struct Timer::Shared {
  explicit Shared(asio::io_context& io) : timer(io) {}
  asio::basic_waitable_timer<Clock> timer;
  std::uint64_t number = 0;
};

Timer::Timer(asio::io_context& io) : shared_(std::make_shared<Shared>(io)) {}

Timer::~Timer() {
  cancel();
}

void Timer::call_at(TimePoint when, std::function<void()> what) {
  shared_->timer.expires_at(when);
  shared_->timer.async_wait(
      [shared = shared_, number = ++shared_->number, what = std::move(what)](error_code) {
        if (shared->number == number) what();
      });
}

void Timer::call_after(Duration wait, std::function<void()> what) {
  call_at(Clock::now() + wait, std::move(what));
}

void Timer::cancel() {
  ++shared_->number;
  shared_->timer.cancel();
}

TimePoint Timer::expiry() const {
  return shared_->timer.expiry();
}

struct ReadWatch::Shared : std::enable_shared_from_this<Shared> {
  Shared(asio::io_context& io, int fd, std::function<void()> called)
      : descriptor(io, ::dup(fd)), what(std::move(called)) {}
  void wait() {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](error_code ec) {
                            if (ec || self->ended) return;
                            self->what();
                            if (!self->ended) self->wait();
                          });
  }
  asio::posix::stream_descriptor descriptor;
  std::function<void()> what;
  bool ended = false;
};

ReadWatch::ReadWatch(asio::io_context& io, int fd, std::function<void()> what)
    : shared_(std::make_shared<Shared>(io, fd, std::move(what))) {
  shared_->wait();
}

ReadWatch::~ReadWatch() {
  shared_->ended = true;
  error_code ignored;
  shared_->descriptor.close(ignored);
}

}  // namespace saspd::net
