// SPDX-License-Identifier: Apache-2.0

#include "controller/net/descriptors.hpp"

#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>

#include "controller/base/descriptor.hpp"

namespace saspd::net {

bool leaves_descriptors(unsigned spare) {
  constexpr rlim_t ample = 160;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return true;  // then it cannot be told
  const rlim_t kept = spare * std::min(limit.rlim_cur, ample) / ample;
  const Descriptor next(::eventfd(0, EFD_CLOEXEC));
  return next && static_cast<rlim_t>(next.get()) + kept < limit.rlim_cur;
}

}  // namespace saspd::net
