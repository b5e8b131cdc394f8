// SPDX-License-Identifier: Apache-2.0
// Notices at once when what is pinned in a directory is replaced or removed.
#pragma once

#include <string>

#include "controller/base/descriptor.hpp"

namespace saspd::bpf {

class PinsWatch {
 public:
  // If the kernel has no watch left for this user, it never notices anything; the next listing
  // still shows what is pinned.
  explicit PinsWatch(std::string pins);

  // Watches the directory that exists now. It has not noticed what happened to another one before,
  // so check the pins after calling it.
  void renew() const;

  // Readable when there is news; -1 if there never will be.
  int descriptor() const { return events_.get(); }
  // Whether the maps or the record were replaced or removed since the last call.
  bool changed() const;

 private:
  std::string pins_;
  Descriptor events_;  // inotify(7)
};

}  // namespace saspd::bpf
