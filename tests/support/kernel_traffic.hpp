// SPDX-License-Identifier: Apache-2.0
// Real TCP connections: servers that say who they are, and clients that listen to them.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/base/descriptor.hpp"

namespace saspd::kernel {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  explicit SocketAddress(const Endpoint& endpoint) {
    const auto bytes = endpoint.address.bytes();
    if (endpoint.address.family() == Family::v4) {
      auto& at = reinterpret_cast<sockaddr_in&>(storage);
      at.sin_family = AF_INET;
      at.sin_port = htons(endpoint.port);
      std::memcpy(&at.sin_addr, bytes.data(), bytes.size());
      size = sizeof at;
    } else {
      auto& at = reinterpret_cast<sockaddr_in6&>(storage);
      at.sin6_family = AF_INET6;
      at.sin6_port = htons(endpoint.port);
      std::memcpy(&at.sin6_addr, bytes.data(), bytes.size());
      size = sizeof at;
    }
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  Descriptor stream() const {
    return Descriptor(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
};

// Server number i, counted from `first`, listens at the i-th endpoint, greets each connection with
// the byte i and sends back what it receives. One thread serves them all.
class Servers {
 public:
  explicit Servers(const std::vector<Endpoint>& endpoints, std::size_t first = 0)
      : count_(endpoints.size()), first_(first) {
    if (::pipe2(stop_.data(), O_CLOEXEC) < 0) throw std::runtime_error("pipe");
    watched_.push_back({stop_[0], POLLIN, 0});
    for (const Endpoint& endpoint : endpoints)
      listen(endpoint);
    thread_ = std::thread([this] { serve(); });
  }
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;
  ~Servers() {
    ::close(stop_[1]);
    thread_.join();
    for (const pollfd& watched : watched_)
      ::close(watched.fd);
  }

 private:
  void listen(const Endpoint& endpoint) {
    const SocketAddress address(endpoint);
    const int listener = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    watched_.push_back({listener, POLLIN, 0});
    if (::bind(listener, address.get(), address.size) < 0 || ::listen(listener, 512) < 0) {
      throw std::runtime_error("cannot listen at " + endpoint.text() + ": " + std::strerror(errno));
    }
  }

  void serve() {
    for (;;) {
      ::poll(watched_.data(), watched_.size(), -1);
      if (watched_[0].revents != 0) return;
      for (std::size_t i = watched_.size(); i-- > 1;) {
        if (watched_[i].revents == 0) continue;
        if (i <= count_)
          accept(i);
        else
          echo(i);
      }
    }
  }

  void accept(std::size_t listener) {
    const int connection = ::accept4(watched_[listener].fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    const auto greeting = static_cast<std::uint8_t>(first_ + listener - 1);
    ::send(connection, &greeting, 1, MSG_NOSIGNAL);
    watched_.push_back({connection, POLLIN, 0});
  }

  void echo(std::size_t connection) {
    std::array<char, 64> buffer{};
    const ssize_t size = ::recv(watched_[connection].fd, buffer.data(), buffer.size(), 0);
    if (size > 0) {
      ::send(watched_[connection].fd, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL);
      return;
    }
    ::close(watched_[connection].fd);
    watched_[connection] = watched_.back();
    watched_.pop_back();
  }

  std::size_t count_;
  std::size_t first_;
  std::array<int, 2> stop_{};
  std::vector<pollfd> watched_;  // the stop pipe, the listeners, the connections
  std::thread thread_;
};

// An established connection that was greeted.
class Connection {
 public:
  // From `from` if that is given. Nothing when it is refused, reset, or not greeted within 5 s.
  static std::optional<Connection> open(const Endpoint& to,
                                        const std::optional<Endpoint>& from = {}) {
    const SocketAddress address(to);
    Connection connection;
    connection.socket_ = address.stream();
    const timeval patience{5, 0};
    const int descriptor = connection.socket_.get();
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (from) {
      const SocketAddress own(*from);
      if (::bind(descriptor, own.get(), own.size) < 0) throw std::runtime_error("bind");
    }
    if (::connect(descriptor, address.get(), address.size) < 0) return std::nullopt;
    if (::recv(descriptor, &connection.server_, 1, 0) != 1) return std::nullopt;
    return connection;
  }

  std::size_t server() const { return server_; }

  // A byte goes to the server and comes back.
  bool works() const {
    char byte = 'x';
    return ::send(socket_.get(), &byte, 1, MSG_NOSIGNAL) == 1 &&
           ::recv(socket_.get(), &byte, 1, 0) == 1;
  }

  // Sends `bytes` bytes to the server bit by bit, in `time` at least; true when each came back
  // right.
  bool transfers(std::size_t bytes, std::chrono::milliseconds time) const {
    constexpr std::size_t piece = 64;
    const auto pause = time / std::max<std::size_t>(bytes / piece, 1);
    std::array<char, piece> sent{};
    std::array<char, piece> back{};
    for (std::size_t done = 0; done < bytes; done += piece) {
      for (std::size_t i = 0; i < piece; ++i)
        sent[i] = static_cast<char>((done + i) * 31 + (done >> 8));
      if (::send(socket_.get(), sent.data(), piece, MSG_NOSIGNAL) != piece) return false;
      for (std::size_t got = 0; got < piece;) {
        const ssize_t n = ::recv(socket_.get(), back.data() + got, piece - got, 0);
        if (n <= 0) return false;
        got += static_cast<std::size_t>(n);
      }
      if (sent != back) return false;
      std::this_thread::sleep_for(pause);
    }
    return true;
  }

  // Ends with a reset, which IPVS forgets in 10 s; a connection that was closed takes 2 minutes.
  static void abort(Connection connection) {
    const linger at_once{1, 0};
    ::setsockopt(connection.socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

 private:
  Descriptor socket_;
  std::uint8_t server_ = 0;
};

}  // namespace saspd::kernel
