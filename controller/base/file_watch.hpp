// Notices that files were replaced, by checking them from time to time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

}  // namespace saspd
