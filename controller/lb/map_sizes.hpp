// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace saspd::lb {

// The capacity of the maps of a program that is attached; what --attach makes at least.
struct MapSizes {
  std::uint32_t services = 64;    // 257 KiB each
  std::uint32_t backends = 1024;  // destinations of all services, 1..65535
  std::uint32_t flows = 262'144;  // about 120 bytes each
  bool operator==(const MapSizes&) const = default;
};

}  // namespace saspd::lb
