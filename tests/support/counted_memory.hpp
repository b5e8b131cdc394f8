// SPDX-License-Identifier: Apache-2.0
// Counts every allocation of the program that includes it, in one file of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace saspd::testing {

inline std::size_t live = 0;
inline std::size_t peak = 0;
inline std::size_t allocations = 0;

// Each block begins with its size.
inline constexpr std::size_t size_prefix = alignof(std::max_align_t);

// The most that `work` had allocated at one time.
template <class Work>
std::size_t peak_of(Work work) {
  const std::size_t before = live;
  peak = live;
  work();
  return peak - before;
}

}  // namespace saspd::testing

// Not inlined: where GCC 12 sees both sides of a block at once, it takes what stands before it for
// out of bounds.
[[gnu::noinline]] void* operator new(std::size_t size) {
  using namespace saspd::testing;
  auto* const block = static_cast<char*>(std::malloc(size + size_prefix));
  if (block == nullptr) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(block) = size;
  live += size;
  ++allocations;
  peak = std::max(peak, live);
  return block + size_prefix;
}

[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

[[gnu::noinline]] void operator delete(void* pointer) noexcept {
  using namespace saspd::testing;
  if (pointer == nullptr) return;
  char* const block = static_cast<char*>(pointer) - size_prefix;
  live -= *reinterpret_cast<std::size_t*>(block);
  std::free(block);
}

void operator delete(void* pointer, std::size_t) noexcept {
  operator delete(pointer);
}
