// SPDX-License-Identifier: Apache-2.0
// Starts and runs coroutines: the one place for their exceptions.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "controller/base/error.hpp"

namespace saspd::net {

// Runs `work` on `io`. An exception can only be a bug or the end of memory, and a stalled part of a
// program that looks healthy is worse than its end: the exception comes out of io.run().
inline void spawn(boost::asio::io_context& io, boost::asio::awaitable<void> work) {
  boost::asio::co_spawn(io, std::move(work), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

// Runs `io` until it is stopped or has nothing left to do. An error is what a handler threw.
Result<void> run(boost::asio::io_context& io);

// The text of an exception.
std::string reason(const std::exception_ptr& failure);

}  // namespace saspd::net
