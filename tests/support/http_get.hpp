// SPDX-License-Identifier: Apache-2.0
// One HTTP request, as a scraper makes it.
#pragma once

#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "controller/base/address.hpp"

namespace saspd::test {

// The body of the answer; empty if there is none.
inline std::string http_get(const Endpoint& server, const std::string& path) {
  namespace asio = boost::asio;
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  boost::system::error_code ec;
  socket.connect({asio::ip::make_address(server.address.text()), server.port}, ec);
  if (ec) return {};
  asio::write(socket, asio::buffer("GET " + path + " HTTP/1.0\r\n\r\n"), ec);
  std::string answer;
  asio::read(socket, asio::dynamic_buffer(answer), ec);
  const auto end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

}  // namespace saspd::test
