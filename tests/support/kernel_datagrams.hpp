// SPDX-License-Identifier: Apache-2.0
// Real UDP datagrams, and servers that tell who got them.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <vector>

#include "tests/support/kernel_traffic.hpp"

namespace saspd::kernel {

inline Descriptor datagram_socket(const Endpoint& at) {
  const SocketAddress address(at);
  Descriptor socket(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (::bind(socket.get(), address.get(), address.size) < 0) {
    throw std::runtime_error("cannot bind to " + at.text() + ": " + std::strerror(errno));
  }
  return socket;
}

// Server number i receives at the i-th endpoint.
class Receivers {
 public:
  explicit Receivers(const std::vector<Endpoint>& endpoints) {
    for (const Endpoint& endpoint : endpoints) {
      sockets_.push_back(datagram_socket(endpoint));
      watched_.push_back({sockets_.back().get(), POLLIN, 0});
    }
  }

  // Sends one datagram; the server that got it, or nothing when none did within a second.
  std::optional<std::size_t> reached(const Endpoint& from, const Endpoint& to) {
    const Descriptor client = datagram_socket(from);
    const SocketAddress address(to);
    if (::sendto(client.get(), "x", 1, 0, address.get(), address.size) != 1) return std::nullopt;
    ::poll(watched_.data(), watched_.size(), 1000);
    for (std::size_t i = 0; i < watched_.size(); ++i) {
      char byte = 0;
      if (watched_[i].revents != 0 && ::recv(watched_[i].fd, &byte, 1, 0) == 1) return i;
    }
    return std::nullopt;
  }

 private:
  std::vector<Descriptor> sockets_;
  std::vector<pollfd> watched_;
};

}  // namespace saspd::kernel
