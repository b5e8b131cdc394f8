// One writer of the pinned maps, in whatever network or process namespace it runs.
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

// Holds a lock on a directory beside the pins. The kernel lets go of it when the process ends,
// however it ends.
class WriterLock {
 public:
  // Its name below the pins. saspd --attach makes it for the user whom it hands the maps to: nobody
  // else can open it, and so nobody else can keep the lock.
  static constexpr std::string_view directory = "writer";

  // For saspd --attach and --detach.
  static Result<void> make(const std::string& pins, uid_t user, gid_t group);
  static Result<void> remove(const std::string& pins);

  // std::errc::address_in_use: another writer held it all the time; the error names it. A process
  // that is just ending is waited for as long as `patience`.
  static Result<WriterLock> take(const std::string& pins, std::chrono::milliseconds patience);

  // Who holds it: "pid 4711 of user saspd", as seen from its own process namespace.
  static std::optional<std::string> holder(const std::string& pins);

  // Whether it is that of the pins which are there now: they may have been made anew.
  bool is_of(const std::string& pins) const;

 private:
  explicit WriterLock(Descriptor locked) : locked_(std::move(locked)) {}
  Descriptor locked_;
};

}  // namespace saspd::bpf
