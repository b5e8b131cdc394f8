// SPDX-License-Identifier: Apache-2.0
// For LD_PRELOAD: an allocation of the program fails when whoever tests it says so, see
// failing_memory.hpp. Built as a library of its own, without the C++ library.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "tests/support/failing_memory.hpp"

extern "C" {
// Those of glibc, behind the names that this library takes.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

saspd::test::MemoryOrder* order = nullptr;

[[gnu::constructor]] void look_for_orders() {
  const char* path = std::getenv(saspd::test::memory_order_variable);
  const int file = path != nullptr ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return;
  void* shared = ::mmap(nullptr, sizeof *order, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (shared != MAP_FAILED) order = static_cast<saspd::test::MemoryOrder*>(shared);
}

// libnl 3.7 does not check its own allocations (rtnl_route_lookup, nl_recvmsgs).
bool is_of_libnl(const void* caller) {
  Dl_info info{};
  return ::dladdr(caller, &info) != 0 && std::strstr(info.dli_fname, "/libnl-") != nullptr;
}

bool fails(const void* caller) {
  if (order == nullptr || !order->counts.load(std::memory_order_relaxed)) return false;
  if (is_of_libnl(caller)) return false;
  const auto number = ++order->counted;
  const auto from = order->fails_at.load();
  if (from == 0 || number < from || (number > from && !order->lasts.load())) return false;
  errno = ENOMEM;
  return true;
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
  return size != 0 && fails(__builtin_return_address(0)) ? nullptr : __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_memalign(alignment, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  return fails(__builtin_return_address(0)) ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  void* got = fails(__builtin_return_address(0)) ? nullptr : __libc_memalign(alignment, size);
  if (got == nullptr) return ENOMEM;
  *block = got;
  return 0;
}

}  // extern "C"
