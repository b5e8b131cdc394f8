// SPDX-License-Identifier: Apache-2.0
// How a data plane of our own reaches an address, as a value.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "controller/base/address.hpp"

namespace saspd::lb {

struct NextHop {
  std::string problem;                // why it is not known; empty: it is, and the rest is valid
  std::string interface;              // "eth0", or "vlan100 (VLAN 100 of eth0)"
  IpAddress neighbour{};              // the gateway, or the address itself
  std::array<std::uint8_t, 6> mac{};  // of the neighbour

  bool is_known() const { return problem.empty(); }
  bool operator==(const NextHop&) const = default;
};

// "eth0 via 192.0.2.1, 02:00:00:00:00:01", or the problem.
std::string text(const NextHop& hop);
// What the frame gets: "02:00:00:00:00:01 on eth0", or the problem.
std::string frame_text(const NextHop& hop);

}  // namespace saspd::lb
