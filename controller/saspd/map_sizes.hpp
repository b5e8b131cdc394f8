// SPDX-License-Identifier: Apache-2.0
// Determines the sizes of the XDP maps.
#pragma once

#include <cstdint>

#include "controller/saspd/options.hpp"

namespace saspd::director {

struct MapSizes {
  std::uint32_t services = 0;
  std::uint32_t backends = 0;  // destinations of all services
  std::uint32_t flows = 0;
  bool operator==(const MapSizes&) const = default;
};

// The sizes that --max-services and the like give; by default, room for twice as many as are
// configured for XDP, up to the next power of two and up to most_services and most_backends, and
// never less than `least`.
MapSizes map_sizes(const Options& options, const MapSizes& least);

}  // namespace saspd::director
