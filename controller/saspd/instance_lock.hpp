// One writer: at most one saspd per backend and network namespace.
#pragma once

#include <string_view>

#include "controller/base/error.hpp"

namespace saspd {

// Holds the abstract Unix socket "saspd-BACKEND". Abstract names belong to the network namespace,
// as the IPVS table does, and vanish with the process however it ends.
class InstanceLock {
 public:
  // std::errc::address_in_use: another saspd holds it; the error says which, if it can be known.
  static Result<InstanceLock> take(std::string_view backend);

  InstanceLock(InstanceLock&& other) noexcept;
  InstanceLock& operator=(InstanceLock&& other) noexcept;
  InstanceLock(const InstanceLock&) = delete;
  InstanceLock& operator=(const InstanceLock&) = delete;
  ~InstanceLock();

 private:
  explicit InstanceLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace saspd
