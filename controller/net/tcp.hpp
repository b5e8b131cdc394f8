// SPDX-License-Identifier: Apache-2.0
// What every TCP connection of ours has in common.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"

namespace saspd::net {

// TCP itself notices a peer that vanished silently, even between two requests: SASP has no
// keep-alive message (sasp-interop row 39).
void notice_dead_peers(boost::asio::ip::tcp::socket& socket);

// Accepts connections at this address, and with an IPv6 address no IPv4 ones, whatever the system's
// default. The error names the address.
Result<boost::asio::ip::tcp::acceptor> listen_at(boost::asio::io_context& io,
                                                 const Endpoint& endpoint);

Endpoint to_endpoint(const boost::asio::ip::tcp::endpoint& endpoint);
boost::asio::ip::tcp::endpoint from_endpoint(const Endpoint& endpoint);

}  // namespace saspd::net
