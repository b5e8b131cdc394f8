// Hears at once of whoever attaches, or takes away, what is pinned in a directory.
#pragma once

#include <string>

#include "controller/base/descriptor.hpp"

namespace saspd::bpf {

class PinsWatch {
 public:
  // Where the kernel has no watch left for this user nothing is ever heard; what is pinned shows in
  // the next listing all the same.
  explicit PinsWatch(std::string pins);

  // For the directory that stands there now. What happened to another one before is not heard, so
  // whoever renews looks at the pins afterwards.
  void renew() const;

  // Readable when there is something to hear; -1: nothing ever is.
  int descriptor() const { return events_.get(); }
  // Whether the maps or the record have got others in their place since the last call, or are gone.
  bool changed() const;

 private:
  std::string pins_;
  Descriptor events_;  // inotify(7)
};

}  // namespace saspd::bpf
