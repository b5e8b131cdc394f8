// SPDX-License-Identifier: Apache-2.0
// Determines the sizes of the XDP maps.
#pragma once

#include "controller/lb/map_sizes.hpp"
#include "controller/saspd/options.hpp"

namespace saspd::director {

using lb::MapSizes;

// The sizes that --max-services and the like give; by default, room for twice as many as are
// configured for XDP, up to the next power of two and up to most_services and most_backends, and
// never less than `least`.
MapSizes map_sizes(const Options& options, const MapSizes& least);

}  // namespace saspd::director
