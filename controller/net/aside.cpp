// SPDX-License-Identifier: Apache-2.0

#include "controller/net/aside.hpp"

#include <system_error>
#include <utility>

#include <boost/asio/post.hpp>

#include "controller/net/signals_blocked.hpp"

namespace saspd::net {

Aside::Aside(boost::asio::io_context& io) : io_(io), number_(std::make_shared<std::uint64_t>(0)) {}

Aside::~Aside() {
  if (thread_.joinable()) thread_.join();
}

void Aside::start(std::function<void()> work, std::function<void()> then) {
  then_ = std::move(then);
  // That of an earlier piece, which was waited for, must not wait for this one.
  auto done = [this, ours = std::weak_ptr(number_), number = ++*number_] {
    const auto current = ours.lock();
    if (current && *current == number) finish();
  };
  const SignalsBlocked blocked;
  try {
    thread_ = std::thread([&io = io_, work, done = std::move(done)] {
      work();
      boost::asio::post(io, done);
    });
  } catch (const std::system_error&) {
    work();
    std::exchange(then_, nullptr)();
  }
}

void Aside::finish() {
  if (!thread_.joinable()) return;
  thread_.join();
  std::exchange(then_, nullptr)();
}

}  // namespace saspd::net
