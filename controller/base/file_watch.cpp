#include "controller/base/file_watch.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace saspd {
namespace {

constexpr unsigned looks_until_gone = 4;

}  // namespace

std::optional<FileStamps> stamps_of(const std::vector<std::string>& paths) {
  FileStamps stamps;
  for (const std::string& path : paths) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return {};
    stamps.push_back({found.st_dev, found.st_ino, found.st_size,
                      found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec});
  }
  return stamps;
}

bool FileWatch::should_read(const std::optional<FileStamps>& stamps) {
  const auto before = std::exchange(last_seen_, stamps);
  unchanged_ = stamps == before ? unchanged_ + 1 : 0;
  missing_ = stamps ? 0 : missing_ + 1;
  if (!stamps || stamps == read_) return false;
  return unchanged_ >= (is_in_place(*stamps) ? looks_in_place_ : 1);
}

bool FileWatch::is_gone() const {
  return missing_ >= looks_until_gone;
}

// The same file as was read, with other content.
bool FileWatch::is_in_place(const FileStamps& stamps) const {
  const auto same_file = [](const FileStamp& a, const FileStamp& b) {
    return a.device == b.device && a.inode == b.inode && a != b;
  };
  if (!read_) return false;
  for (std::size_t i = 0; i < std::min(stamps.size(), read_->size()); ++i) {
    if (same_file(stamps[i], (*read_)[i])) return true;
  }
  return false;
}

}  // namespace saspd
