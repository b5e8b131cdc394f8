// SPDX-License-Identifier: Apache-2.0

#include "packaging/show/traffic.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "controller/base/text.hpp"

namespace saspd::show {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// The body of the answer to one request, on a connection of its own.
asio::awaitable<Result<std::string>> fetch(tcp::socket& socket, const tcp::endpoint vip) {
  const auto [connect_ec] = co_await socket.async_connect(vip, as_result);
  if (connect_ec) co_return fail(connect_ec, "connect: " + connect_ec.message());
  constexpr std::string_view request = "GET / HTTP/1.0\r\n\r\n";
  const auto [write_ec, written] =
      co_await asio::async_write(socket, asio::buffer(request), as_result);
  if (write_ec) co_return fail(write_ec, "send: " + write_ec.message());
  std::string answer;
  const auto [read_ec, size] =
      co_await asio::async_read(socket, asio::dynamic_buffer(answer, 65536), as_result);
  if (read_ec != asio::error::eof) co_return fail(read_ec, "receive: " + read_ec.message());
  const auto body = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 200 ") || body == std::string::npos) {
    co_return fail(std::errc::bad_message,
                   fmt::format("unexpected answer '{}'", printable(answer.substr(0, 80))));
  }
  std::string name = answer.substr(body + 4);
  name.erase(name.find_last_not_of('\n') + 1);
  co_return name;
}

asio::awaitable<Result<std::string>> fetch_in_time(const tcp::endpoint vip) {
  using namespace asio::experimental::awaitable_operators;
  const auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  asio::steady_timer limit(executor, connection_limit);
  auto outcome = co_await (fetch(socket, vip) || limit.async_wait(as_result));
  if (outcome.index() == 0) co_return std::get<0>(std::move(outcome));
  co_return fail(std::errc::timed_out, fmt::format("no answer within {} s", connection_limit / 1s));
}

}  // namespace

void Traffic::start() {
  next_ = SteadyClock::now();
  for (int i = 0; i < parallel; ++i)
    asio::co_spawn(io_, keep_connecting(), asio::detached);
}

asio::awaitable<void> Traffic::keep_connecting() {
  asio::steady_timer turn(io_);
  ++running_;
  while (!stopped_) {
    next_ = std::max(next_ + pace, SteadyClock::now());
    turn.expires_at(next_);
    co_await turn.async_wait(as_result);
    const bool counts = begun_ < wanted_;
    if (counts) ++begun_;
    const auto answer = co_await fetch_in_time(arguments_.vip);
    record(answer, counts);
  }
  --running_;
}

void Traffic::record(const Result<std::string>& answer, bool counts) {
  ++total_;
  if (counts) ++ended_;
  if (!answer) {
    const auto& code = answer.error().code;
    const bool refused = code == std::errc::connection_refused ||
                         code == std::errc::connection_reset ||
                         code == asio::error::make_error_code(asio::error::eof);
    if (refused) ++refused_;
    return failed(answer.error().detail);
  }
  const auto& servers = arguments_.servers;
  const auto server = std::find_if(servers.begin(), servers.end(),
                                   [&](const Server& s) { return s.name == *answer; });
  if (server == servers.end())
    return failed("answer from an unknown server: " + printable(*answer));
  if (counts) ++by_server_.at(static_cast<std::size_t>(server - servers.begin()));
}

void Traffic::failed(std::string why) {
  if (failures_++ == 0) first_failure_ = std::move(why);
}

}  // namespace saspd::show
