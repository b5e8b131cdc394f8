// SPDX-License-Identifier: Apache-2.0
// Times as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd {

// A time from low to high seconds: a whole number of them, or of its unit (10s, 5m, 2h, 1d).
Result<std::chrono::seconds> parse_seconds(std::string_view text, std::uint64_t low,
                                           std::uint64_t high);

}  // namespace saspd
