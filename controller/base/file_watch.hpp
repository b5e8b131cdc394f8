// SPDX-License-Identifier: Apache-2.0
// Notices that files were replaced, by checking them from time to time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/error.hpp"

namespace saspd {

// What stat(2) reports of a file; equal stamps count as equal content.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t changed_ns = 0;  // ctime, which no writer can set back
  bool operator==(const FileStamp&) const = default;
};
using FileStamps = std::vector<FileStamp>;

// The stamps of all these files, following symbolic links; empty while one of them is missing.
std::optional<FileStamps> stamps_of(const std::vector<std::string>& paths);

// Decides when files are read again: when they differ from those last read, and have not changed
// between two checks, so that a file is not read while it is half written. Files that were renamed
// into place are complete; one that is written in place, by a writer that may pause, must stay the
// same for longer.
class FileWatch {
 public:
  // How many checks must find a file unchanged that is written in place.
  explicit FileWatch(unsigned looks_in_place = 1) : looks_in_place_(looks_in_place) {}

  // Records that the content with these stamps was read; empty if it could not be read. Take the
  // stamps before the content: after a later change the next check sees other stamps.
  void was_read(const std::optional<FileStamps>& stamps) {
    read_ = last_seen_ = stamps;
    unchanged_ = missing_ = 0;
  }
  // Call it regularly. Without stamps, files are missing, which changes nothing.
  bool should_read(const std::optional<FileStamps>& stamps);
  // Whether one of them was missing for longer than it takes to replace it.
  bool is_gone() const;

 private:
  bool is_in_place(const FileStamps& stamps) const;

  unsigned looks_in_place_;
  unsigned unchanged_ = 0;  // consecutive checks with the same result
  unsigned missing_ = 0;    // consecutive checks that found a file missing
  std::optional<FileStamps> read_;
  std::optional<FileStamps> last_seen_;
};

// Files of the operator that are read again when they change. What was read stays in use until all
// of them are good; why they are not is reported once, and tried again at every look.
class WatchedFiles {
 public:
  struct Callbacks {
    std::function<Result<void>()> read;  // reads all of them, and keeps what is good as a whole
    std::function<void(const std::string& why)> failed;  // to read them again
    std::function<void()> read_again = [] {};            // that has worked
  };

  // An empty path is none; without paths there is nothing to read. For `looks_in_place` see FileWatch.
  WatchedFiles(std::vector<std::string> paths, unsigned looks_in_place, Callbacks callbacks)
      : paths_(std::move(paths)), watch_(looks_in_place), callbacks_(std::move(callbacks)) {
    std::erase(paths_, std::string());
  }

  // For the first time; `failed` is not called.
  Result<void> read();
  // Now, because an operator asks (SIGHUP): `failed` is called for an old reason too.
  void read_now();
  // To be called regularly. A file that is gone counts as one that cannot be read.
  void look();
  // Why they could not be read again; empty: they could.
  const std::string& error() const { return error_; }

 private:
  void try_again();

  std::vector<std::string> paths_;
  FileWatch watch_;
  Callbacks callbacks_;
  std::string error_;
};

}  // namespace saspd
