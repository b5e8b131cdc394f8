// SPDX-License-Identifier: Apache-2.0
// Keeps attaching apart from reading what is attached, and from writing to it.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

namespace saspd::bpf {

// A lock on a directory of pins, for one reading or one change: its holder finds the same maps and
// the same program until the end. It ends with its process, however that ends, and is the same in
// every namespace that sees the directory. (writer_lock.hpp determines who writes at all.)
class PinsLock {
 public:
  // Error resource_unavailable_try_again: another process held it for all of `patience`.
  static Result<PinsLock> take(const std::string& pins,
                               std::chrono::milliseconds patience = std::chrono::seconds{2});

 private:
  explicit PinsLock(Descriptor directory) : directory_(std::move(directory)) {}
  Descriptor directory_;
};

}  // namespace saspd::bpf
