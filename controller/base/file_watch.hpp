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
// one look to the next. A file that is just being written is then not read by half.
class FileWatch {
 public:
  // The content behind these stamps was read; nothing: it could not be. Take the stamps before the
  // content: a change after them makes the next look see others.
  void was_read(const std::optional<FileStamps>& stamps) { read_ = last_seen_ = stamps; }
  // To be called regularly. No stamps: not there, which changes nothing.
  bool should_read(const std::optional<FileStamps>& stamps);

 private:
  std::optional<FileStamps> read_;
  std::optional<FileStamps> last_seen_;
};

}  // namespace saspd
