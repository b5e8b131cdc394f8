// SPDX-License-Identifier: Apache-2.0
// A peer of a GWM that sends what it is told, right or wrong, over a real TCP connection, and
// waits.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "controller/base/descriptor.hpp"
#include "controller/sasp/framer.hpp"

namespace saspd::testing {

class SaspClient {
 public:
  using Patience = std::chrono::milliseconds;
  static constexpr Patience usual{5000};

  // The socket only, so that a test may make many before it takes the file descriptors away.
  SaspClient() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit SaspClient(std::uint16_t port) : SaspClient() { connect(port); }

  void connect(std::uint16_t port) { EXPECT_TRUE(connects(port)); }
  bool connects(std::uint16_t port) { return connects("127.0.0.1", port); }
  bool connects(const char* to, std::uint16_t port) {
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = {::inet_addr(to)},
                              .sin_zero = {}};
    return ::connect(fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  void hang_up() { socket_ = {}; }
  int fd() const { return socket_.get(); }

  void sends(sasp::ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // the peer is gone; what comes next shows it
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void sends(std::uint32_t id, sasp::Message message) {
    sends(*sasp::encode({id, std::move(message)}));
  }

  // The bytes of the next whole message; nothing when none comes in time or the connection ends.
  std::optional<sasp::Bytes> receives_bytes(Patience patience = usual) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
      const auto frame = framer_.next();
      if (!frame) return {};
      if (*frame) return sasp::Bytes((*frame)->begin(), (*frame)->end());
      if (!read_more(end)) return {};
    }
  }
  std::optional<sasp::Frame> receives(Patience patience = usual) {
    const auto bytes = receives_bytes(patience);
    if (!bytes) return {};
    const auto decoded = sasp::decode(*bytes);
    EXPECT_TRUE(decoded);
    return decoded ? std::optional(decoded->frame) : std::nullopt;
  }
  // The reply to a request of ours.
  template <class Reply>
  Reply answer_to(sasp::Message request) {
    const std::uint32_t id = ++last_id_;
    sends(id, std::move(request));
    const auto frame = receives();
    if (!frame || frame->message_id != id || !std::holds_alternative<Reply>(frame->message)) {
      ADD_FAILURE() << (frame ? "another reply" : "no reply");
      return {};
    }
    return std::get<Reply>(frame->message);
  }

  // True as soon as the peer has closed, whatever it sent before.
  bool is_closed(Patience patience = usual) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (read_more(end)) {
    }
    return ended_;
  }

 private:
  bool read_more(std::chrono::steady_clock::time_point end) {
    const auto left = std::chrono::ceil<Patience>(end - std::chrono::steady_clock::now()).count();
    pollfd wait{fd(), POLLIN, 0};
    if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0) return false;
    sasp::Bytes buffer(65536);
    const ssize_t n = ::recv(fd(), buffer.data(), buffer.size(), 0);
    ended_ = n <= 0;
    if (n > 0) framer_.append(sasp::ByteView(buffer).first(static_cast<std::size_t>(n)));
    return n > 0;
  }

  Descriptor socket_;
  sasp::Framer framer_;
  std::uint32_t last_id_ = 0;
  bool ended_ = false;
};

}  // namespace saspd::testing
