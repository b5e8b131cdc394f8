// SPDX-License-Identifier: Apache-2.0
// A GWM that answers honestly, and pushes weights as fast as it is read.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "controller/base/descriptor.hpp"
#include "controller/sasp/codec.hpp"
#include "controller/sasp/framer.hpp"

namespace saspd::test {

class FloodingGwm {
 public:
  // The weights of the nth push.
  using Weights = std::function<sasp::GroupOfWeightEntries(std::uint64_t push)>;

  // Listens at once, at port 3860 of the network namespace of the caller.
  explicit FloodingGwm(Weights weights)
      : weights_(std::move(weights)), listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int yes = 1;
    ::setsockopt(listening_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(3860);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0 ||
        ::listen(listening_.get(), 1) != 0)
      throw std::runtime_error("the GWM cannot listen");
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }

  // From now on; until then it only answers.
  void floods(bool now) { floods_ = now; }
  std::uint64_t pushed() const { return pushed_; }

 private:
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (!is_ready(listening_.get(), POLLIN, 100)) continue;
      const Descriptor peer(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (peer.get() >= 0) talk(peer.get(), stop);
    }
  }
  void talk(int peer, const std::stop_token& stop) {
    sasp::Framer heard;
    while (!stop.stop_requested()) {
      if (floods_ && is_ready(peer, POLLOUT, 20) && !pushes(peer)) return;
      if (!is_ready(peer, POLLIN, floods_ ? 0 : 20)) continue;
      sasp::Bytes buffer(65536);
      const auto size = ::recv(peer, buffer.data(), buffer.size(), 0);
      if (size <= 0) return;
      heard.append(sasp::ByteView(buffer).first(static_cast<std::size_t>(size)));
      for (auto next = heard.next(); next && *next; next = heard.next()) {
        const auto question = sasp::decode(**next, sasp::DecodeOptions::gwm());
        if (!question || !says(peer, answer_to(question->frame))) return;
      }
    }
  }
  bool pushes(int peer) {
    const std::uint64_t push = ++pushed_;
    return says(peer, {0, sasp::SendWeights{{weights_(push)}}});
  }
  sasp::Frame answer_to(const sasp::Frame& question) const {
    sasp::Message reply = sasp::SetLbStateReply{};
    if (std::holds_alternative<sasp::RegistrationRequest>(question.message))
      reply = sasp::RegistrationReply{};
    if (std::holds_alternative<sasp::GetWeightsRequest>(question.message))
      reply = sasp::GetWeightsReply{{}, 60, {weights_(pushed_)}};
    return {question.message_id, std::move(reply)};
  }
  static bool says(int peer, const sasp::Frame& frame) {
    const auto bytes = sasp::encode(frame).value();
    sasp::ByteView left(bytes);
    while (!left.empty()) {
      const auto sent = ::send(peer, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      left = left.subspan(static_cast<std::size_t>(sent));
    }
    return true;
  }
  static bool is_ready(int socket, short events, int milliseconds) {
    pollfd waits{socket, events, 0};
    return ::poll(&waits, 1, milliseconds) > 0;
  }

  Weights weights_;
  Descriptor listening_;
  std::atomic<bool> floods_ = false;
  std::atomic<std::uint64_t> pushed_ = 0;
  std::jthread thread_;
};

}  // namespace saspd::test
