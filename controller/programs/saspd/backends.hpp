// SPDX-License-Identifier: Apache-2.0
// The backends that saspd has. The first is the default of --backend.
#pragma once

#include <array>

#include "bpf/backend.hpp"
#include "netlink/backend.hpp"

namespace saspd::programs {

inline constexpr std::array<const lb::Backend*, 2> backends{
    &netlink::ipvs_backend,
    &bpf::xdp_backend,
};

}  // namespace saspd::programs
