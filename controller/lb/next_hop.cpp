// SPDX-License-Identifier: Apache-2.0

#include "controller/lb/next_hop.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace saspd::lb {

std::string text(const NextHop& hop) {
  if (!hop.is_known()) return hop.problem;
  return fmt::format("{} via {}, {:02x}", hop.interface, hop.neighbour.text(),
                     fmt::join(hop.mac, ":"));
}

std::string frame_text(const NextHop& hop) {
  if (!hop.is_known()) return hop.problem;
  return fmt::format("{:02x} on {}", fmt::join(hop.mac, ":"), hop.interface);
}

}  // namespace saspd::lb
