// SPDX-License-Identifier: Apache-2.0

#include "controller/net/tcp.hpp"

#include <algorithm>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <fmt/format.h>

#include <boost/asio/ip/v6_only.hpp>

namespace saspd::net {

namespace ip = boost::asio::ip;

namespace {

template <int name>
using TcpOption = boost::asio::detail::socket_option::integer<IPPROTO_TCP, name>;

}  // namespace

void notice_dead_peers(ip::tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(ip::tcp::no_delay(true), ignored);
  socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
  socket.set_option(TcpOption<TCP_KEEPIDLE>(30), ignored);
  socket.set_option(TcpOption<TCP_KEEPINTVL>(10), ignored);
  socket.set_option(TcpOption<TCP_KEEPCNT>(3), ignored);
  socket.set_option(TcpOption<TCP_USER_TIMEOUT>(30'000), ignored);
}

Result<ip::tcp::acceptor> listen_at(boost::asio::io_context& io, const Endpoint& endpoint) {
  const auto at = from_endpoint(endpoint);
  ip::tcp::acceptor acceptor(io);
  boost::system::error_code ec;
  acceptor.open(at.protocol(), ec);
  if (!ec) acceptor.set_option(ip::tcp::acceptor::reuse_address(true), ec);
  if (!ec && at.address().is_v6()) acceptor.set_option(ip::v6_only(true), ec);
  if (!ec) acceptor.bind(at, ec);
  if (!ec) acceptor.listen(boost::asio::socket_base::max_listen_connections, ec);
  if (ec) {
    return fail(std::error_code(ec),
                fmt::format("cannot listen on {}: {}", endpoint.text(), ec.message()));
  }
  return acceptor;
}

Endpoint to_endpoint(const ip::tcp::endpoint& endpoint) {
  if (endpoint.address().is_v4()) {
    return {IpAddress::v4(endpoint.address().to_v4().to_bytes()), endpoint.port()};
  }
  return {IpAddress::v6(endpoint.address().to_v6().to_bytes()), endpoint.port()};
}

ip::tcp::endpoint from_endpoint(const Endpoint& endpoint) {
  const auto from = endpoint.address.bytes();
  if (endpoint.address.family() == Family::v4) {
    ip::address_v4::bytes_type bytes{};
    std::copy(from.begin(), from.end(), bytes.begin());
    return {ip::address_v4(bytes), endpoint.port};
  }
  ip::address_v6::bytes_type bytes{};
  std::copy(from.begin(), from.end(), bytes.begin());
  return {ip::address_v6(bytes), endpoint.port};
}

}  // namespace saspd::net
