// SPDX-License-Identifier: Apache-2.0
// One writer: at most one saspd per backend and network namespace.
#pragma once

#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>

#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

namespace saspd::programs {

// Takes a lock that a killed predecessor may still hold until it has ended: tries again for this
// long, then the last answer of `take` counts. `sleep` waits for the given time.
template <class Take, class Sleep>
auto take_patiently(const Take& take, const Sleep& sleep) {
  constexpr auto patience = std::chrono::milliseconds{2000};
  constexpr auto pause = std::chrono::milliseconds{50};
  auto lock = take();
  for (auto waited = pause; !lock && waited <= patience; waited += pause) {
    if (lock.error().code != std::errc::address_in_use) break;
    sleep(pause);
    lock = take();
  }
  return lock;
}

// Holds the abstract Unix socket "saspd-BACKEND". Abstract names belong to the network namespace,
// as the IPVS table does, and vanish with the process however it ends.
class InstanceLock {
 public:
  // Error std::errc::address_in_use: another saspd holds it; the error says which one, if that can
  // be determined.
  static Result<InstanceLock> take(std::string_view backend);

 private:
  explicit InstanceLock(Descriptor socket) : socket_(std::move(socket)) {}
  Descriptor socket_;
};

}  // namespace saspd::programs
