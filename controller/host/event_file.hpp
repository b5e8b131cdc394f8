// SPDX-License-Identifier: Apache-2.0
// The events of a program on disk, for its next life: a line for each is appended, without waiting
// for the disk. Two files of bounded size; the older one is dropped.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "controller/base/descriptor.hpp"
#include "controller/base/kept_file.hpp"
#include "controller/report/events.hpp"

namespace saspd::host {

class EventFile {
 public:
  // `program` and `flag` are for messages. Each of the two files may have half of `most` bytes.
  EventFile(std::string path, std::string_view program, std::string_view flag,
            std::size_t most = std::size_t{8} << 20);

  // What is there, oldest first; from then on it is ours, unless error() says why not. A damaged
  // line is passed over.
  std::deque<report::Event> load();
  void append(const std::vector<report::Event>& events);

  // Why events are kept in memory only; empty: they are on disk.
  const std::string& error() const { return error_; }

 private:
  std::string older() const { return path_ + ".1"; }
  bool open();
  void turn_over();

  std::string path_;
  KeptFile file_;  // its lock, and who may have written it
  const std::size_t most_;
  std::size_t size_ = 0;
  Descriptor out_;
  std::string error_;
};

}  // namespace saspd::host
