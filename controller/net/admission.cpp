// SPDX-License-Identifier: Apache-2.0

#include "controller/net/admission.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace saspd::net {
namespace {

// Any peer may have so much of an unfinished message in memory, whatever the others have.
constexpr std::size_t small_message = std::size_t{64} << 10;

IpNetwork source_of(const IpAddress& address) {
  constexpr unsigned v6_host = 64;
  return address.family() == Family::v4 ? IpNetwork(address) : IpNetwork(address, v6_host);
}

Error too_many(std::string text) {
  return fail(std::errc::too_many_files_open, std::move(text));
}

}  // namespace

std::optional<Error> Admission::refusal(const Endpoint& peer, TimePoint now) {
  const auto contains = [&](const IpNetwork& network) { return network.contains(peer.address); };
  if (!limits_.allowed.empty() &&
      std::none_of(limits_.allowed.begin(), limits_.allowed.end(), contains)) {
    return fail(std::errc::permission_denied,
                fmt::format("{} may not connect", peer.address.text()));
  }
  if (connections_ >= limits_.max_connections) {
    return too_many(fmt::format("{} connections are open, closing a new one from {}", connections_,
                                peer.text()));
  }
  if (limits_.spare_loopback && peer.address.is_loopback()) return {};
  return refusal_of_source(source_of(peer.address), now);
}

std::optional<Error> Admission::refusal_of_source(const IpNetwork& from, TimePoint now) {
  if (comes_too_often(from, now)) {
    return too_many(fmt::format("more than {} new connections a second from {}, closing one",
                                limits_.max_new_per_second, from.text()));
  }
  const auto same = sources_.find(from);
  if (same == sources_.end()) return {};
  const Source& source = same->second;
  if (source.connections >= limits_.max_per_address) {
    return too_many(fmt::format("{} connections are open from {}, closing a new one",
                                source.connections, from.text()));
  }
  if (source.handshakes >= limits_.max_handshakes_per_address) {
    return too_many(
        fmt::format("{} TLS handshakes with {} are unfinished, closing a new connection",
                    source.handshakes, from.text()));
  }
  return {};
}

bool Admission::comes_too_often(const IpNetwork& from, TimePoint now) {
  if (now - second_began_ >= std::chrono::seconds{1}) {
    newcomers_.clear();
    second_began_ = now;
  }
  return limits_.max_new_per_second > 0 && ++newcomers_[from] > limits_.max_new_per_second;
}

void Admission::enter(const Endpoint& peer, bool shakes_hands) {
  ++connections_;
  Source& source = sources_[source_of(peer.address)];
  ++source.connections;
  if (shakes_hands) ++source.handshakes;
}

void Admission::shook_hands(const Endpoint& peer) {
  --sources_[source_of(peer.address)].handshakes;
}

void Admission::leave(const Endpoint& peer, std::size_t held) {
  --connections_;
  unfinished_ -= held;
  const auto source = sources_.find(source_of(peer.address));
  if (--source->second.connections == 0) sources_.erase(source);
}

// A peer that announces much and sends it slowly holds memory, and may do so on many connections.
Result<void> Admission::hold(std::size_t before, std::size_t now) {
  unfinished_ = unfinished_ - before + now;
  if (unfinished_ <= limits_.max_unfinished || now <= small_message) return {};
  return fail(std::errc::not_enough_memory,
              fmt::format("{} bytes of unfinished messages are in memory, {} of this connection",
                          unfinished_, now));
}

}  // namespace saspd::net
