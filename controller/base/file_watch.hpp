// Notices that files were replaced, by a look at them now and then.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace saspd {

// What stat(2) tells of a file; two equal stamps are taken for the same content.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t changed_ns = 0;  // ctime, which no writer can set back
  bool operator==(const FileStamp&) const = default;
};
using FileStamps = std::vector<FileStamp>;

// Of all these files, behind symbolic links; nothing while one of them is not there.
std::optional<FileStamps> stamps_of(const std::vector<std::string>& paths);

// Decides when files are read again: when they are others than were read, and have not changed from
// one look to the next. A file that is just being written is then not read by half. Files that were
// renamed into their place are whole; one that is written in place, by a writer that may pause, has
// to stay the same for longer.
class FileWatch {
 public:
  // So many looks have to find files unchanged that are written in place.
  explicit FileWatch(unsigned looks_in_place = 1) : looks_in_place_(looks_in_place) {}

  // The content behind these stamps was read; nothing: it could not be. Take the stamps before the
  // content: a change after them makes the next look see others.
  void was_read(const std::optional<FileStamps>& stamps) {
    read_ = last_seen_ = stamps;
    unchanged_ = missing_ = 0;
  }
  // To be called regularly. No stamps: not there, which changes nothing.
  bool should_read(const std::optional<FileStamps>& stamps);
  // One of them was not there for longer than it takes to replace it.
  bool is_gone() const;

 private:
  bool is_in_place(const FileStamps& stamps) const;

  unsigned looks_in_place_;
  unsigned unchanged_ = 0;  // looks in a row that found what the one before did
  unsigned missing_ = 0;    // looks in a row that found one of the files missing
  std::optional<FileStamps> read_;
  std::optional<FileStamps> last_seen_;
};

}  // namespace saspd
