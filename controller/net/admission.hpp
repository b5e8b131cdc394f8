// SPDX-License-Identifier: Apache-2.0
// Who may connect to a GWM, and how much of it its peers may take. Pure.
//
// The limits of an address spare this host unless told otherwise; IPv6 gives a host a /64, which
// counts as one address (RFC 4291 2.5.1).
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/base/ip_network.hpp"

namespace saspd::net {

struct AdmissionLimits {
  std::size_t max_connections = 4096;
  std::vector<IpNetwork> allowed{};  // who may connect; empty: everybody
  // From one address.
  std::size_t max_per_address = 1024;
  unsigned max_new_per_second = 100;            // 0: no limit
  std::size_t max_handshakes_per_address = 64;  // unfinished: no peer is known before one
  bool spare_loopback = true;
  // Bytes of unfinished messages of all connections together. A connection that adds to more, and
  // has more than a small message in it, is closed.
  std::size_t max_unfinished = std::size_t{256} << 20;
};

class Admission {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(std::move(limits)) {}
  // Others from now on, for those that come.
  void set_limits(AdmissionLimits limits) { limits_ = std::move(limits); }

  // Why a connection from `peer` is refused; nothing: it may come in. Each call is an attempt.
  std::optional<Error> refusal(const Endpoint& peer, TimePoint now);

  // A connection came in, its TLS handshake ended, it went and held so much of an unfinished
  // message. In this order, for each.
  void enter(const Endpoint& peer, bool shakes_hands);
  void shook_hands(const Endpoint& peer);
  void leave(const Endpoint& peer, std::size_t held);

  // What a connection holds of an unfinished message is `now` bytes, and was `before`. An error: it
  // must be closed, and holds it until then.
  Result<void> hold(std::size_t before, std::size_t now);

 private:
  struct Source {
    std::size_t connections = 0;
    std::size_t handshakes = 0;  // of these
  };
  std::optional<Error> refusal_of_source(const IpNetwork& from, TimePoint now);
  bool comes_too_often(const IpNetwork& from, TimePoint now);

  AdmissionLimits limits_;
  std::size_t connections_ = 0;
  std::map<IpNetwork, Source> sources_;
  std::map<IpNetwork, unsigned> newcomers_;  // of this second
  TimePoint second_began_;
  std::size_t unfinished_ = 0;
};

}  // namespace saspd::net
