// One writer: at most one saspd per backend and network namespace.
#pragma once

#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>

#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

namespace saspd {

// Takes a lock that may still be held by a predecessor that was killed and has not ended yet: tried
// again for this long, then the last answer of `take` counts. `sleep` waits for the time it is
// given.
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
  // std::errc::address_in_use: another saspd holds it; the error says which, if it can be known.
  static Result<InstanceLock> take(std::string_view backend);

 private:
  explicit InstanceLock(Descriptor socket) : socket_(std::move(socket)) {}
  Descriptor socket_;
};

}  // namespace saspd
