// SPDX-License-Identifier: Apache-2.0

#include "controller/net/control_client.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "controller/net/spawn.hpp"

namespace saspd::net {

namespace asio = boost::asio;
namespace json = boost::json;
using Local = asio::local::stream_protocol;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t max_answer = std::size_t{64} << 20;

Error failed(const std::string& path, const std::error_code& code) {
  return fail(code, fmt::format("{}: {}", path, code.message()));
}

asio::awaitable<void> exchange(Local::socket& socket, const std::string& request,
                               std::string& answer, std::optional<error_code>& result) {
  auto [ec, sent] = co_await asio::async_write(socket, asio::buffer(request), as_result);
  // A server with too many clients says so and closes without reading, so the answer is read even
  // if the request did not get through.
  const auto [read_ec, size] = co_await asio::async_read_until(
      socket, asio::dynamic_buffer(answer, max_answer), '\n', as_result);
  answer.resize(read_ec ? 0 : size);
  result = read_ec && ec ? ec : read_ec;
}

Result<json::object> parse_answer(const std::string& path, const std::string& answer) {
  // Labels are bytes, so the code that shows them escapes them.
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  error_code ec;
  auto value = json::parse(answer, ec, {}, options);
  if (ec || !value.is_object()) {
    return fail(std::errc::bad_message, fmt::format("{}: the answer is not a JSON object", path));
  }
  return std::move(value.get_object());
}

}  // namespace

Result<json::object> control_request(const std::string& path, const json::object& request,
                                     std::chrono::milliseconds timeout) {
  if (path.empty() || path.size() > 107) {  // sockaddr_un, unix(7)
    return fail(std::errc::filename_too_long,
                fmt::format("'{}' has {} bytes, expected 1 to 107", path, path.size()));
  }
  // What is not a socket would otherwise be reported as a program that does not listen.
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode)) {
    return fail(std::errc::not_a_socket, fmt::format("{}: is not a socket", path));
  }
  asio::io_context io;
  Local::socket socket(io);
  error_code ec;
  socket.open(Local(), ec);
  if (!ec) socket.non_blocking(true, ec);
  if (ec) return failed(path, ec);
  // Asio's own connect would take the EAGAIN of a full queue for a connection in progress.
  const Local::endpoint server(path);
  if (::connect(socket.native_handle(), server.data(), static_cast<socklen_t>(server.size())) !=
      0) {
    return failed(path, std::error_code(errno, std::generic_category()));
  }

  const std::string line = json::serialize(request) + '\n';
  std::string answer;
  std::optional<error_code> result;
  spawn(io, exchange(socket, line, answer, result));
  io.run_for(timeout);
  if (!result) {
    return fail(std::errc::timed_out,
                fmt::format("{}: no answer within {} ms", path, timeout.count()));
  }
  if (*result == asio::error::eof) {
    return fail(std::errc::connection_reset, fmt::format("{}: closed without an answer", path));
  }
  if (*result) return failed(path, *result);
  return parse_answer(path, answer);
}

}  // namespace saspd::net
