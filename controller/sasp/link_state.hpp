// SPDX-License-Identifier: Apache-2.0
// What has become of a connection to a GWM.
#pragma once

#include <cstdint>
#include <string_view>

#include <boost/describe/enum.hpp>

namespace saspd::sasp {

enum class LinkState : std::uint8_t {
  trying,          // no connection yet, waiting for the next attempt
  connecting,      // TCP, TLS and the opening exchange
  established,     // the opening exchange is complete
  down_trying,     // was established, waiting for the next attempt
  down_duplicate,  // the same, and another load balancer seems to have our LB UID (Backoff)
  tls_error,       // waiting for the next attempt, and the last one failed by TLS
};
BOOST_DESCRIBE_ENUM(LinkState, trying, connecting, established, down_trying, down_duplicate,
                    tls_error)
std::string_view name(LinkState state);  // the enumerator's name

}  // namespace saspd::sasp
