// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace saspd {

// Capabilities of a process, capabilities(7), that a program of ours may need while it runs.
enum class Capability : std::uint8_t { net_admin, bpf };

}  // namespace saspd
