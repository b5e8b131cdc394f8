// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace saspd {

// Of a process, capabilities(7); those that a program of ours may go on needing.
enum class Capability : std::uint8_t { net_admin, bpf };

}  // namespace saspd
