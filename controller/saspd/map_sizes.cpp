// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/map_sizes.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace saspd::director {
namespace {

std::uint32_t room_for(std::size_t configured, std::uint32_t least, std::uint32_t most) {
  const auto room = std::bit_ceil(static_cast<std::uint64_t>(configured) * 2);
  return std::max(least, static_cast<std::uint32_t>(std::min<std::uint64_t>(room, most)));
}

}  // namespace

MapSizes map_sizes(const Options& options, const MapSizes& least) {
  std::size_t services = 0;
  std::size_t backends = 0;
  for (const auto& group : options.groups) {
    services += group.services.size();
    backends += group.services.size() * group.members.size();
  }
  const auto& xdp = options.xdp;
  return {xdp.max_services.value_or(room_for(services, least.services, most_services)),
          xdp.max_backends.value_or(room_for(backends, least.backends, most_backends)),
          xdp.max_flows.value_or(least.flows)};
}

}  // namespace saspd::director
