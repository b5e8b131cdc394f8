// SPDX-License-Identifier: Apache-2.0
// Ensures one writer of the pinned maps, in whatever network or process namespace it runs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

namespace saspd::bpf {

// A lock on a directory beside the pins. The kernel releases it when the process ends, however it
// ends.
class WriterLock {
 public:
  // Its name below the pins. saspd --attach creates it for the user to whom it hands the maps: no
  // other user can open it, and so no other user can hold the lock.
  static constexpr std::string_view directory = "writer";

  // For saspd --attach and --detach.
  static Result<void> make(const std::string& pins, uid_t user, gid_t group);
  static Result<void> remove(const std::string& pins);

  // Error std::errc::address_in_use: another writer held it all the time; the error names it. Waits
  // up to `patience`, for a process that is just ending.
  static Result<WriterLock> take(const std::string& pins, std::chrono::milliseconds patience);

  // The holder: "pid 4711 of user saspd", as seen from its own process namespace.
  static std::optional<std::string> holder(const std::string& pins);

  // Whether it belongs to the pins that exist now, which may have been recreated.
  bool is_of(const std::string& pins) const;

 private:
  explicit WriterLock(Descriptor locked) : locked_(std::move(locked)) {}
  Descriptor locked_;
};

}  // namespace saspd::bpf
