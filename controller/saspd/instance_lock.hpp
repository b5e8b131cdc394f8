// One writer: at most one saspd per backend and network namespace.
#pragma once

#include <string_view>
#include <utility>

#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

namespace saspd {

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
