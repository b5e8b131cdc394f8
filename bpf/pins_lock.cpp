// SPDX-License-Identifier: Apache-2.0

#include "bpf/pins_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <thread>

#include <fmt/format.h>

#include "bpf/map.hpp"

namespace saspd::bpf {

Result<PinsLock> PinsLock::take(const std::string& pins, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds pause{5};
  const auto end = std::chrono::steady_clock::now() + patience;
  Descriptor directory(::open(pins.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return system_error(pins);
  while (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return system_error(pins);
    if (std::chrono::steady_clock::now() >= end) {
      return fail(std::errc::resource_unavailable_try_again,
                  fmt::format("another process has been reading or changing {} for {} ms", pins,
                              patience.count()));
    }
    std::this_thread::sleep_for(pause);
  }
  return PinsLock(std::move(directory));
}

}  // namespace saspd::bpf
