#include "controller/net/tcp.hpp"

#include <algorithm>

#include <netinet/in.h>
#include <netinet/tcp.h>

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
