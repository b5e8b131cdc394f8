// SPDX-License-Identifier: Apache-2.0

#include "controller/net/spawn.hpp"

#include <fmt/format.h>

namespace saspd::net {

Result<void> run(boost::asio::io_context& io) {
  try {
    io.run();
  } catch (...) {
    return fail(std::errc::state_not_recoverable,
                fmt::format("internal error: {}", reason(std::current_exception())));
  }
  return {};
}

std::string reason(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something other than an exception was thrown";
  }
}

}  // namespace saspd::net
