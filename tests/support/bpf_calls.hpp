// SPDX-License-Identifier: Apache-2.0
// The bpf(2) calls of this process, counted, and one of them failed on purpose: libbpf makes them
// by syscall(), which this header defines in place of the C library's. Include it in one source
// file of a test that has threads nowhere near.
#pragma once

#include <dlfcn.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <limits>

namespace saspd::test {

struct BpfCalls {
  static constexpr int never = std::numeric_limits<int>::max();

  int made = 0;
  int updates = 0;       // of map elements, and deletions
  int fails_at = never;  // the number of the call that fails: 0 is the first
  int error = 0;
  bool dead = false;  // that call and all later ones do nothing: the process was killed there

  bool hit() const { return made > fails_at; }
  static BpfCalls& instance() {
    static BpfCalls calls;
    return calls;
  }
};

}  // namespace saspd::test

extern "C" long syscall(long number, ...) noexcept {
  using Function = long (*)(long, ...);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "syscall"));
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments)
    argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_bpf) {
    auto& calls = saspd::test::BpfCalls::instance();
    const int at = calls.made++;
    if (at == calls.fails_at || (calls.dead && at > calls.fails_at)) {
      errno = calls.error;
      return -1;
    }
    const bool writes = arguments[0] == BPF_MAP_UPDATE_ELEM || arguments[0] == BPF_MAP_DELETE_ELEM;
    calls.updates += writes ? 1 : 0;
  }
  return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}
