// SPDX-License-Identifier: Apache-2.0
// Has a program find no memory: its Nth allocation from now on fails, or each from that one on.
#pragma once

#include <atomic>
#include <cstdint>

namespace saspd::test {

inline constexpr const char* memory_order_variable = "SASPD_TEST_MEMORY";

// In a file that both sides map.
struct MemoryOrder {
  std::atomic<bool> counts = false;
  std::atomic<bool> lasts = false;
  std::atomic<std::uint64_t> counted = 0;
  std::atomic<std::uint64_t> fails_at = 0;  // 0: none
};

}  // namespace saspd::test
